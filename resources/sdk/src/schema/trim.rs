//! Trims the line breaks and blanks that YAML's `|` and shells leave at the end of text.

/// What is trimmed from the end of a single line. Text of several lines (a key, a message) stays unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trim {
    /// Line breaks and blanks.
    Blanks,
    /// Line breaks only: a password may end with a blank.
    LineBreaks,
    /// Nothing.
    Nothing,
}

impl Trim {
    pub(super) fn trimmed(self, mut text: String) -> String {
        let end = match self {
            Self::Blanks => text.trim_end(),
            Self::LineBreaks => text.trim_end_matches(['\n', '\r']),
            Self::Nothing => return text,
        };
        if !end.contains('\n') {
            text.truncate(end.len());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_single_lines_and_keeps_several_lines() {
        let trimmed = |trim: Trim, text: &str| trim.trimmed(text.to_owned());
        assert_eq!(trimmed(Trim::Blanks, " main \t\r\n"), " main");
        assert_eq!(trimmed(Trim::LineBreaks, "pass word \r\n\n"), "pass word ");
        assert_eq!(trimmed(Trim::Nothing, "v \n"), "v \n");
        for trim in [Trim::Blanks, Trim::LineBreaks] {
            assert_eq!(trimmed(trim, "first\nsecond \n"), "first\nsecond \n");
        }
    }
}
