//! Whether a request fails because of keys that its type does not have.

use serde_json::Value;

use crate::part::Part;
use crate::schema::problem::{Problem, ProblemKind, Severity};

/// The key that turns errors about unknown keys into warnings, in every type's source.
pub(crate) const ALLOW_UNKNOWN_KEYS: &str = "allow_unknown_keys";

/// The key that turns warnings about unknown keys into errors, in every type's source.
pub(crate) const STRICT: &str = "strict";

/// How a type treats an unknown key that is not close to a known key. An unknown key that is close to a known key is
/// always an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownKeys {
    /// Warns and ignores the key, like established resources that read only the keys that they know.
    Ignored,
    /// Rejects the key directly below `source` or `params`, and ignores it in nested objects.
    RefusedAtTop,
    /// Rejects the key at any depth, like Go programs that disallow unknown fields.
    Refused,
}

/// How strictly a source wants unknown keys to be treated, in itself and in the params of its steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyPolicy {
    strict: bool,
    allow_unknown: bool,
}

impl KeyPolicy {
    /// The policy that a source sets by `strict` and `allow_unknown_keys`.
    pub fn of_source(source: &Value) -> Self {
        Self { strict: is_true(source.get(STRICT)), allow_unknown: is_true(source.get(ALLOW_UNKNOWN_KEYS)) }
    }

    pub(crate) fn is_contradictory(self) -> bool {
        self.strict && self.allow_unknown
    }

    /// The same policy, but strict if `strict` is true.
    #[must_use]
    pub fn or_strict(self, strict: bool) -> Self {
        Self { strict: self.strict || strict, ..self }
    }

    /// Decides whether a problem with a key is an error or a warning, and adds to the message of a warning that the key is
    /// ignored.
    pub(crate) fn apply(self, mut problem: Problem, part: Part, unknown_keys: UnknownKeys) -> Problem {
        let refused = match unknown_keys {
            UnknownKeys::Ignored => false,
            UnknownKeys::RefusedAtTop => {
                problem.path.get(part.key().len() + 1..).is_some_and(|key| !key.contains(['.', '[']))
            }
            UnknownKeys::Refused => true,
        };
        let is_error = match problem.kind {
            ProblemKind::Invalid => true,
            ProblemKind::MisspeltKey | ProblemKind::UnsupportedKey => !self.allow_unknown,
            ProblemKind::UnknownKey => self.strict || (refused && !self.allow_unknown),
            ProblemKind::KeyInOtherCase => self.strict,
        };
        if is_error {
            return problem;
        }
        problem.severity = Severity::Warning;
        if problem.kind != ProblemKind::KeyInOtherCase {
            problem.message.push_str(", ignored");
            if refused || problem.kind != ProblemKind::UnknownKey {
                problem.message.push_str(" since `");
                problem.message.push_str(ALLOW_UNKNOWN_KEYS);
                problem.message.push_str("` is set");
            }
            // Only errors list all known keys: in the log of every check the list would bury the rest.
            problem.hint = problem.hint.filter(|hint| hint.starts_with("did you mean"));
        }
        problem
    }
}

fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.trim() == "true",
        _ => false,
    }
}
