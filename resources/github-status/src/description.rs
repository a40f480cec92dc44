//! Descriptions, which GitHub takes up to a length.

/// The most characters that GitHub takes.
const MOST: usize = 140;

/// What stands for the rest of a text that was cut.
const REST: char = '…';

/// `text` without white space around it, cut at the end of a word when it is longer than GitHub takes.
pub(crate) fn fit(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let room: String = text.chars().take(MOST - 1).collect();
    let next = text.chars().nth(MOST - 1);
    let ends_a_word = next.is_none_or(char::is_whitespace);
    // A word that fills more than half of the room is cut inside: nothing would be left of the text otherwise.
    let word_end = room.rfind(char::is_whitespace).filter(|end| !ends_a_word && *end >= room.len() / 2);
    let kept = word_end.and_then(|end| room.get(..end)).unwrap_or(&room);
    format!("{}{REST}", kept.trim_end())
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
    fn one_long_word_is_cut_inside() {
        assert_eq!(fit(&"x".repeat(200)), format!("{}…", "x".repeat(139)));
        assert_eq!(fit(&format!("a {}", "é".repeat(200))), format!("a {}…", "é".repeat(137)));
    }
}
