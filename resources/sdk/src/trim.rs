//! Line breaks and blanks at the end of text, which YAML's `|` and shells leave there.

/// What is trimmed from the end of text that is one line. Text of several lines (a key, a message) stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trim {
    /// Line breaks and blanks.
    Blanks,
    /// Line breaks alone: a password may end with a blank.
    LineBreaks,
    /// Nothing.
    Nothing,
}

impl Trim {
    pub(crate) fn trimmed(self, mut text: String) -> String {
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
    fn trims_the_end_of_a_line_and_leaves_several_lines_alone() {
        let trimmed = |trim: Trim, text: &str| trim.trimmed(text.to_owned());
        assert_eq!(trimmed(Trim::Blanks, " main \t\r\n"), " main");
        assert_eq!(trimmed(Trim::LineBreaks, "pass word \r\n\n"), "pass word ");
        assert_eq!(trimmed(Trim::Nothing, "v \n"), "v \n");
        for trim in [Trim::Blanks, Trim::LineBreaks] {
            assert_eq!(trimmed(trim, "first\nsecond \n"), "first\nsecond \n");
        }
    }
}
