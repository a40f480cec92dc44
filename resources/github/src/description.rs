//! Descriptions, whose length GitHub limits.

/// The maximum length that GitHub accepts, in characters.
const MOST: usize = 140;

/// Marks a truncated text.
const REST: char = '…';

/// Trims `text`, and truncates it at the end of a word if it is longer than GitHub accepts.
pub fn fit(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let room: String = text.chars().take(MOST - 1).collect();
    let next = text.chars().nth(MOST - 1);
    let ends_a_word = next.is_none_or(char::is_whitespace);
    // A word that fills more than half of the space is cut, because otherwise too little of the text would remain.
    let word_end = room.rfind(char::is_whitespace).filter(|end| !ends_a_word && *end >= room.len() / 2);
    let kept = word_end.and_then(|end| room.get(..end)).unwrap_or(&room);
    format!("{}{REST}", kept.trim_end())
}

/// Removes the characters that GitHub rejects: those of four bytes in UTF-8, such as most emoji, and their joiners and modifiers.
/// `None` if there are none.
pub fn without_emoji(text: &str) -> Option<String> {
    let is_refused = |character: char| character.len_utf8() == 4;
    if !text.chars().any(is_refused) {
        return None;
    }
    // A joiner and a variation selector have no meaning without their emoji.
    let is_left_out =
        |character: char| is_refused(character) || matches!(character, '\u{200d}' | '\u{fe0f}' | '\u{20e3}');
    let words: String = text.chars().filter(|character| !is_left_out(*character)).collect();
    Some(words.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays() {
        let text = "é".repeat(140);
        assert_eq!(fit(&text), text);
        assert_eq!(fit(" a b\n"), "a b");
    }

    #[test]
    fn longer_text_is_cut_at_a_word() {
        let text = "word ".repeat(40);
        let cut = fit(&text);
        assert_eq!(cut, format!("{}word…", "word ".repeat(27)));
        assert!(cut.chars().count() <= 140);
        let exact = format!("{} tail", "x".repeat(139));
        assert_eq!(fit(&exact), format!("{}…", "x".repeat(139)));
    }

    #[test]
    fn emoji_are_left_out() {
        assert_eq!(
            without_emoji("\u{1f680} deployed \u{1f469}\u{200d}\u{1f4bb} well").as_deref(),
            Some("deployed well")
        );
        assert_eq!(without_emoji("\u{1f680}").as_deref(), Some(""));
        assert_eq!(without_emoji("caf\u{e9} \u{2713} \u{4f60}"), None);
    }

    #[test]
    fn one_long_word_is_cut_inside() {
        assert_eq!(fit(&"x".repeat(200)), format!("{}…", "x".repeat(139)));
        assert_eq!(fit(&format!("a {}", "é".repeat(200))), format!("a {}…", "é".repeat(137)));
    }
}
