//! Suggestions for a misspelt word or key.

use serde_json::{Map, Value};

/// Finds the candidate that is most similar to `word`, if one is similar enough to suggest it.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
    let distance = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        // `skip-ssl-verification` and `skipSslVerification` differ only in convention.
        let bare = |text: &str| text.replace(['_', '-'], "");
        strsim::damerau_levenshtein(&word, &candidate).min(strsim::damerau_levenshtein(&bare(&word), &bare(&candidate)))
    };
    let near = |candidate: &&str| distance(candidate) <= word.chars().count().max(3) / 3;
    // An abbreviation (`fail` for `failure`), or the reverse.
    let begins = |candidate: &&str| {
        let candidate = candidate.to_lowercase();
        word.len() >= 4 && (candidate.starts_with(&word) || (candidate.len() >= 4 && word.starts_with(&candidate)))
    };
    let stem = |candidate: &&str| {
        let shared = word.chars().zip(candidate.to_lowercase().chars()).take_while(|(a, b)| a == b).count();
        shared >= 4 && shared * 2 > word.chars().count()
    };
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let pick = |test: &dyn Fn(&&str) -> bool| {
        candidates.iter().copied().filter(|candidate| test(candidate)).min_by_key(|candidate| distance(candidate))
    };
    pick(&near).or_else(|| pick(&begins)).or_else(|| pick(&stem))
}

/// The hint for an unknown key: the most similar known key, or else all known keys.
pub(super) fn unknown_key_hint(key: &str, known: Option<&Map<String, Value>>) -> Option<String> {
    let known = known?;
    if let Some(near) = nearest(key, known.keys().map(String::as_str)) {
        return Some(format!("did you mean `{near}`?"));
    }
    if known.is_empty() {
        return Some("no key is known here".to_owned());
    }
    let names: Vec<String> = known.keys().map(|name| format!("`{name}`")).collect();
    Some(format!("known keys: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_suggests_typos_and_other_conventions_only() {
        let keys = ["branch", "uri", "skip_ssl_verification", "disable_ci_skip"];
        assert_eq!(nearest("skipSSLVerification", keys), Some("skip_ssl_verification"));
        assert_eq!(nearest("skip-ssl-verification", keys), Some("skip_ssl_verification"));
        assert_eq!(nearest("url", keys), Some("uri"));
        assert_eq!(nearest("colour", keys), None);
    }
}
