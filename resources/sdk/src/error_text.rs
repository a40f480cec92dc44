//! Tables of the texts by which errors of programs are recognised.

/// A text of a program's errors, and what it means, for programs without error codes.
///
/// A type has one table of these texts for each program. A test runs the program until it has printed them, and fails if
/// [`missing`](Self::missing) finds one that an upgrade has changed.
#[derive(Debug)]
pub struct ErrorText<M: 'static> {
    /// The parts of the text, in lower case; all of them are in the message.
    pub parts: &'static [&'static str],
    /// What it means.
    pub meanings: &'static [M],
    /// How it is known.
    pub evidence: Evidence,
}

/// How it is known that a program prints a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The test provokes it.
    Test,
    /// It depends on the version of a program, or on its libraries: the test provokes at least one text of the group. The
    /// second text is the source.
    OneOf(&'static str, &'static str),
    /// The source of a text that the test cannot provoke.
    Source(&'static str),
}

impl<M: PartialEq> ErrorText<M> {
    /// A row of a table.
    pub const fn new(parts: &'static [&'static str], meanings: &'static [M], evidence: Evidence) -> Self {
        Self { parts, meanings, evidence }
    }

    /// Whether a message, in lower case, has a text of the table with this meaning.
    pub fn means(table: &[Self], message: &str, meaning: &M) -> bool {
        table.iter().any(|text| text.meanings.contains(meaning) && text.is_in(message))
    }

    /// The texts that a test should provoke, but that none of these messages, in lower case, has.
    pub fn missing(table: &[Self], messages: &[String]) -> Vec<String> {
        let is_printed = |text: &&Self| messages.iter().any(|message| text.is_in(message));
        let group = |text: &Self| match text.evidence {
            Evidence::OneOf(group, _) => Some(group),
            Evidence::Test | Evidence::Source(_) => None,
        };
        let printed: Vec<&str> = table.iter().filter(is_printed).filter_map(group).collect();
        let is_missing = |text: &&Self| match text.evidence {
            Evidence::Test => !is_printed(text),
            Evidence::OneOf(group, _) => !printed.contains(&group),
            Evidence::Source(_) => false,
        };
        table.iter().filter(is_missing).map(|text| text.parts.join("` and `")).collect()
    }

    fn is_in(&self, message: &str) -> bool {
        self.parts.iter().all(|part| message.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_texts_and_finds_missing_ones() {
        let table = [
            ErrorText::new(&["timed", "out"], &['t'], Evidence::Test),
            ErrorText::new(&["refused"], &['r', 't'], Evidence::OneOf("connection", "x.c")),
            ErrorText::new(&["cannot connect"], &['r'], Evidence::OneOf("connection", "y.c")),
            ErrorText::new(&["never"], &['n'], Evidence::Source("z.c")),
        ];
        assert!(ErrorText::means(&table, "it timed itself out", &'t') && ErrorText::means(&table, "refused", &'t'));
        assert!(!ErrorText::means(&table, "it timed", &'t') && !ErrorText::means(&table, "refused", &'n'));
        let missing = |messages: &[&str]| {
            ErrorText::missing(&table, &messages.iter().map(|message| (*message).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(missing(&["timed out", "cannot connect"]), Vec::<String>::new());
        assert_eq!(missing(&["timed"]), ["timed` and `out", "refused", "cannot connect"]);
    }
}
