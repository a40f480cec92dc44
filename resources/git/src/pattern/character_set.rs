//! Translates characters and bracket expressions (`[a-z]`) to the syntax of the regex crate.

/// The POSIX character classes (`[:alpha:]`). The regex crate has the same names.
const CLASSES: [&str; 12] =
    ["alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"];

/// A builder for a set of characters.
#[derive(Debug)]
pub(crate) struct CharacterSet {
    is_negated: bool,
    members: String,
}

impl CharacterSet {
    /// An empty set. If it is negated, it matches everything except the added characters.
    pub(crate) fn new(is_negated: bool) -> Self {
        Self { is_negated, members: String::new() }
    }

    /// Adds a character.
    pub(crate) fn add(&mut self, character: char) {
        self.members.push_str(&code(character));
    }

    /// Adds the characters from `first` to `last`; none if `last` comes before `first`.
    pub(crate) fn add_range(&mut self, first: char, last: char) {
        if first <= last {
            self.members.extend([code(first).as_str(), "-", code(last).as_str()]);
        }
    }

    /// Adds a POSIX class; `false` if the name is unknown.
    pub(crate) fn add_class(&mut self, name: &str) -> bool {
        let is_known = CLASSES.contains(&name);
        if is_known {
            self.members.extend(["[:", name, ":]"]);
        }
        is_known
    }

    /// The set in the syntax of the regex crate.
    pub(crate) fn expression(&self) -> String {
        match (self.members.is_empty(), self.is_negated) {
            (true, true) => "(?s:.)".to_owned(),
            // An empty set matches nothing.
            (true, false) => r"[^\x{0}-\x{10FFFF}]".to_owned(),
            (false, true) => format!("[^{}]", self.members),
            (false, false) => format!("[{}]", self.members),
        }
    }
}

/// The name of a class (after its `[:`) and the text after its `:]`.
pub(crate) fn class_name(after_opening: &str) -> Option<(&str, &str)> {
    let (name, rest) = after_opening.split_once(":]")?;
    (!name.contains(']')).then_some((name, rest))
}

/// The error for an unknown class.
pub(crate) fn no_such_class(name: &str) -> String {
    format!("has the unknown class `[:{name}:]`; the known classes are {}", CLASSES.join(", "))
}

/// A character as a code point escape, so that none is special to the regex crate.
fn code(character: char) -> String {
    format!("\\x{{{:x}}}", u32::from(character))
}

/// A literal character, escaped for the regex crate.
pub(crate) fn literal(character: char) -> String {
    regex::escape(character.encode_utf8(&mut [0; 4]))
}
