//! Finds the known key that an unknown key misspells.

/// Finds the known key that `key` misspells: they differ by one or two typos, by singular and plural, or by one part.
///
/// This is narrower than [`crate::nearest`], since the request fails for it: a dead key that no resource ever read must not
/// be mistaken for a misspelling.
pub(super) fn misspelt_key<'c>(key: &str, known: impl Iterator<Item = &'c str> + Clone) -> Option<&'c str> {
    let parts = parts(key);
    let closest = known
        .clone()
        .filter_map(|candidate| Some((distance(key, &parts, candidate)?, candidate)))
        .min_by_key(|(distance, _)| *distance);
    closest
        .map(|(_, candidate)| candidate)
        .or_else(|| only_last_part(key, known).filter(|_| key.len() >= SHORTEST_LAST_PART))
}

/// The shortest key that counts as the last part of a known one. Short words (`name`, `file`) end too many keys.
const SHORTEST_LAST_PART: usize = 5;

/// The number of edits between a key and a known one; `None` if they are too many.
fn distance(key: &str, parts: &[String], known: &str) -> Option<usize> {
    let known_parts = self::parts(known);
    if parts == known_parts {
        return Some(0);
    }
    let (bare, known_bare) = (bare(key), bare(known));
    let edits = strsim::damerau_levenshtein(&bare, &known_bare);
    let allowed = match bare.chars().count().min(known_bare.chars().count()) {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    if edits <= allowed {
        return Some(edits);
    }
    let shortened = parts.len() >= 2 && lacks_one(parts, &known_parts);
    let extended = known_parts.len() >= 2 && lacks_one(&known_parts, parts);
    // An abbreviation: `repo` for `repository`.
    let abbreviated = bare.len() >= 4 && known_bare.starts_with(&bare) && known_parts.len() == 1;
    // Larger than the number of typos, because a typo is more likely.
    (shortened || extended || abbreviated).then_some(3)
}

/// The known key of two parts whose last part is `key`: `access_token` for `token`. `None` if there are several.
fn only_last_part<'c>(key: &str, known: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let mut ending = known.filter(|candidate| {
        candidate.rsplit_once('_').is_some_and(|(first, last)| last == key && !first.contains('_'))
    });
    ending.next().filter(|_| ending.next().is_none())
}

/// Whether `short` is `long` without one of its parts.
fn lacks_one(short: &[String], long: &[String]) -> bool {
    short.len() + 1 == long.len()
        && (0..long.len()).any(|left_out| {
            long.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, part)| part).eq(short)
        })
}

/// The words of a key in lower case and in the singular. They are the same for `skipSSLVerification` and
/// `skip-ssl-verifications`.
fn parts(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut previous_is_lower = false;
    for c in key.chars() {
        let is_separator = matches!(c, '_' | '-' | '.' | ' ');
        if (is_separator || (c.is_uppercase() && previous_is_lower))
            && parts.last().is_some_and(|part| !part.is_empty())
        {
            parts.push(String::new());
        }
        previous_is_lower = c.is_lowercase();
        if let Some(part) = parts.last_mut().filter(|_| !is_separator) {
            part.extend(c.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.iter().map(|part| singular(part)).collect()
}

fn singular(word: &str) -> String {
    match word.strip_suffix("ies") {
        Some(stem) if stem.len() >= 2 => format!("{stem}y"),
        _ if word.len() < 4 || word.ends_with("ss") => word.to_owned(),
        _ => word.strip_suffix('s').unwrap_or(word).to_owned(),
    }
}

fn bare(key: &str) -> String {
    key.to_lowercase().replace(['_', '-', '.', ' '], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misspelt_among(key: &str, known: &[&'static str]) -> Option<&'static str> {
        misspelt_key(key, known.iter().copied())
    }

    /// The keys of a type with many of them.
    const IMAGES: [&str; 28] = [
        "repository",
        "tag",
        "tags",
        "tag_file",
        "tag_prefix",
        "additional_tags",
        "username",
        "password",
        "insecure",
        "insecure_registries",
        "registry_mirror",
        "ca_certs",
        "client_certs",
        "docker_config",
        "docker_host",
        "build",
        "build_args",
        "build_args_file",
        "dockerfile",
        "target_name",
        "cache",
        "cache_tag",
        "load_repository",
        "pull_repository",
        "labels",
        "platform",
        "aws_role_arn",
        "private_key",
    ];

    #[test]
    fn recognises_typos_plurals_and_missing_parts() {
        for (key, known) in [
            ("repositry", "repository"),
            ("repositories", "repository"),
            ("repo", "repository"),
            ("user_name", "username"),
            ("insecure_registry", "insecure_registries"),
            ("additional_tag_names", "additional_tags"),
            ("build-arg", "build_args"),
            ("buildArgs", "build_args"),
            ("aws_role", "aws_role_arn"),
            ("mirror", "registry_mirror"),
            ("dockerfiles", "dockerfile"),
            ("docker_file", "dockerfile"),
            ("tgas", "tags"),
            ("ca_cert", "ca_certs"),
        ] {
            assert_eq!(misspelt_among(key, &IMAGES), Some(known), "{key}");
        }
    }

    #[test]
    fn does_not_mistake_a_dead_key_for_a_misspelling() {
        for key in ["email", "globs", "name", "push", "trigger", "registry", "depth", "rootfs", "params", "file", "os"]
        {
            assert_eq!(misspelt_among(key, &IMAGES), None, "{key}");
        }
    }
}
