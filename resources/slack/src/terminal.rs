//! Removes terminal control sequences, which a chat shows as boxes and `[31m`.

/// Removes control sequences (ECMA-48) and control characters other than tabs and line breaks from `text`.
pub(crate) fn strip(text: &str) -> String {
    let mut stripped = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => match characters.next() {
                // A control sequence ends with a character from `@` to `~`.
                Some('[') => while characters.next().is_some_and(|next| !('@'..='~').contains(&next)) {},
                // A command or title ends with BEL, or with ESC and a backslash.
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut characters),
                // A character set selection has one more character.
                Some('(' | ')' | '*' | '+' | '#' | '%') => drop(characters.next()),
                _ => {}
            },
            '\t' | '\n' | '\r' => stripped.push(character),
            character if character.is_control() => {}
            character => stripped.push(character),
        }
    }
    stripped
}

fn skip_string(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(next) = characters.next() {
        match next {
            '\u{7}' => return,
            '\u{1b}' => {
                characters.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_colours_titles_and_bells() {
        for (text, stripped) in [
            ("\u{1b}[31merror\u{1b}[39m: 2 \u{1b}[1;32mpassed\u{1b}[0m\u{7}\n", "error: 2 passed\n"),
            ("\u{1b}[38;5;208ma\u{1b}[K\u{1b}[2J", "a"),
            ("\u{1b}]0;title\u{7}a\u{1b}]8;;https://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "alink"),
            ("\u{1b}(Ba\u{1b}cb\u{1b}", "ab"),
            ("a\tb\r\nc\u{8}", "a\tb\r\nc"),
            ("[31m \\u001b é", "[31m \\u001b é"),
        ] {
            assert_eq!(strip(text), stripped);
        }
    }
}
