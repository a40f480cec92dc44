//! Parses the words of `reactions`.

/// Whether a word is valid in `reactions`: an emoji name, with `-` before it to remove the reaction.
pub(crate) fn is_reaction(word: &str) -> bool {
    let (_, name) = parse(word);
    !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || "_-+':".contains(character))
}

/// The Web API method for a reaction, and the name of its emoji.
pub(crate) fn parse(word: &str) -> (&'static str, &str) {
    let word = word.trim();
    // `:-1:` and `-1` are the same emoji, thumbs down; they do not remove an emoji `1`.
    match word.strip_prefix('-').filter(|name| *name != "1") {
        Some(name) => ("reactions.remove", name.trim_matches(':')),
        None => ("reactions.add", word.trim_matches(':')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_adds_or_removes_a_reaction() {
        assert_eq!(parse("tada"), ("reactions.add", "tada"));
        assert_eq!(parse(":tada:"), ("reactions.add", "tada"));
        assert_eq!(parse("-hourglass"), ("reactions.remove", "hourglass"));
        assert_eq!(parse("-:hourglass:"), ("reactions.remove", "hourglass"));
        assert_eq!(parse("-1"), ("reactions.add", "-1"));
        assert_eq!(parse("+1"), ("reactions.add", "+1"));
        assert_eq!(parse("--1"), ("reactions.remove", "-1"));
        assert!(is_reaction("+1::skin-tone-2"));
        for word in ["", "-", "::", "a b", "a\nb"] {
            assert!(!is_reaction(word), "{word:?}");
        }
    }
}
