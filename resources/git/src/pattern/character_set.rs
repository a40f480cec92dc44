//! Characters and bracket expressions (`[a-z]`) on their way to the regex engine.

/// The classes that POSIX names, `[:alpha:]` and so on; the engine knows them by the same names.
const CLASSES: [&str; 12] =
    ["alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"];

/// A set of characters in the making.
#[derive(Debug)]
pub(crate) struct CharacterSet {
    is_negated: bool,
    members: String,
}

impl CharacterSet {
    /// An empty set, or one of everything else than what is added.
    pub(crate) fn new(is_negated: bool) -> Self {
        Self { is_negated, members: String::new() }
    }

    /// Adds a character.
    pub(crate) fn add(&mut self, character: char) {
        self.members.push_str(&code(character));
    }

    /// Adds the characters from `first` to `last`: none, where these are the wrong way round.
    pub(crate) fn add_range(&mut self, first: char, last: char) {
        if first <= last {
            self.members.extend([code(first).as_str(), "-", code(last).as_str()]);
        }
    }

    /// Adds a class of POSIX; `false` when there is none of that name.
    pub(crate) fn add_class(&mut self, name: &str) -> bool {
        let is_known = CLASSES.contains(&name);
        if is_known {
            self.members.extend(["[:", name, ":]"]);
        }
        is_known
    }

    /// The set in the engine's syntax.
    pub(crate) fn expression(&self) -> String {
        match (self.members.is_empty(), self.is_negated) {
            (true, true) => "(?s:.)".to_owned(),
            // Nothing is neither a character nor none.
            (true, false) => r"[^\x{0}-\x{10FFFF}]".to_owned(),
            (false, true) => format!("[^{}]", self.members),
            (false, false) => format!("[{}]", self.members),
        }
    }
}

/// The `]` that closes a class which begins with `[:`, and the name between.
pub(crate) fn class_name(after_opening: &str) -> Option<(&str, &str)> {
    let (name, rest) = after_opening.split_once(":]")?;
    (!name.contains(']')).then_some((name, rest))
}

/// What the classes are called, for messages.
pub(crate) fn no_such_class(name: &str) -> String {
    format!("has the unknown class `[:{name}:]`; the known classes are {}", CLASSES.join(", "))
}

/// A character by its number, so that none means anything to the engine.
fn code(character: char) -> String {
    format!("\\x{{{:x}}}", u32::from(character))
}

/// A character that means itself, for the engine.
pub(crate) fn literal(character: char) -> String {
    regex::escape(character.encode_utf8(&mut [0; 4]))
}
