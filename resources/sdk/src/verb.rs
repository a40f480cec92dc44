//! The verbs of the protocol.

/// The three verbs of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `check`: lists new versions.
    Check,
    /// `in`, or `get`: fetches a version.
    Get,
    /// `out`, or `put`: creates a version.
    Put,
}

impl Verb {
    /// The name of its program: `check`, `in` or `out`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Get => "in",
            Self::Put => "out",
        }
    }
}
