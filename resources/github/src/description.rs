//! Descriptions, whose length GitHub limits.

/// The maximum length that GitHub accepts, in characters.
const MAX_CHARACTERS: usize = 140;

/// The end of a truncated text.
const ELLIPSIS: char = '…';

/// Trims `text`, and truncates it at the end of a word if it is longer than GitHub accepts.
pub fn fit(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= MAX_CHARACTERS {
        return text.to_owned();
    }
    let room: String = text.chars().take(MAX_CHARACTERS - 1).collect();
    let next = text.chars().nth(MAX_CHARACTERS - 1);
    let ends_a_word = next.is_none_or(char::is_whitespace);
    // Cut inside a word only if the last space is in the first half, because too little of the text would remain.
    let word_end = room.rfind(char::is_whitespace).filter(|end| !ends_a_word && *end >= room.len() / 2);
    let kept = word_end.and_then(|end| room.get(..end)).unwrap_or(&room);
    format!("{}{ELLIPSIS}", kept.trim_end())
}

/// Removes the characters that GitHub rejects: those of four bytes in UTF-8, such as most emoji, and their joiners and modifiers.
/// Returns `None` if the text has none.
pub fn without_emoji(text: &str) -> Option<String> {
    let is_rejected = |character: char| character.len_utf8() == 4;
    if !text.chars().any(is_rejected) {
        return None;
    }
    // A joiner and a variation selector have no meaning without their emoji.
    let is_removed =
        |character: char| is_rejected(character) || matches!(character, '\u{200d}' | '\u{fe0f}' | '\u{20e3}');
    let words: String = text.chars().filter(|character| !is_removed(*character)).collect();
    Some(words.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fit_keeps_text_within_the_limit() {
        let text = "é".repeat(140);
        assert_eq!(fit(&text), text);
        assert_eq!(fit(" a b\n"), "a b");
    }

    #[test]
    fn fit_truncates_longer_text_at_a_word_boundary() {
        let text = "word ".repeat(40);
        let cut = fit(&text);
        assert_eq!(cut, format!("{}word…", "word ".repeat(27)));
        assert!(cut.chars().count() <= 140);
        let exact = format!("{} tail", "x".repeat(139));
        assert_eq!(fit(&exact), format!("{}…", "x".repeat(139)));
    }

    #[test]
    fn without_emoji_removes_emoji_with_their_joiners() {
        assert_eq!(
            without_emoji("\u{1f680} deployed \u{1f469}\u{200d}\u{1f4bb} well").as_deref(),
            Some("deployed well")
        );
        assert_eq!(without_emoji("\u{1f680}").as_deref(), Some(""));
        assert_eq!(without_emoji("caf\u{e9} \u{2713} \u{4f60}"), None);
    }

    #[test]
    fn fit_truncates_one_long_word_inside() {
        assert_eq!(fit(&"x".repeat(200)), format!("{}…", "x".repeat(139)));
        assert_eq!(fit(&format!("a {}", "é".repeat(200))), format!("a {}…", "é".repeat(137)));
    }
}
