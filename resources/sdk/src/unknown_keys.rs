//! The policy for unknown keys: whether they are errors or warnings.

use serde_json::Value;

use crate::part::Part;
use crate::schema::problem::{Problem, ProblemKind, Severity};

/// The key that turns errors about unknown keys into warnings, in every type's source.
pub(crate) const ALLOW_UNKNOWN_KEYS: &str = "allow_unknown_keys";

/// The key that turns warnings about unknown keys into errors, in every type's source.
pub(crate) const STRICT: &str = "strict";

/// How a type treats an unknown key that is not a misspelling of a known key. A misspelt key is always an error, unless the
/// source sets `allow_unknown_keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownKeys {
    /// Ignores the key with a warning, like established resources that read only the keys that they know.
    Ignored,
    /// Rejects the key directly below `source` or `params`, and ignores it in nested objects.
    RejectedAtTop,
    /// Rejects the key at any depth, like Go programs that disallow unknown fields.
    Rejected,
}

/// The policy that a source sets for unknown keys in itself and in the params of its steps: `strict` turns warnings into errors,
/// `allow_unknown_keys` turns errors into warnings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyPolicy {
    strict: bool,
    allow_unknown: bool,
}

impl KeyPolicy {
    /// Reads the policy from a source.
    pub fn of_source(source: &Value) -> Self {
        Self { strict: is_true(source.get(STRICT)), allow_unknown: is_true(source.get(ALLOW_UNKNOWN_KEYS)) }
    }

    pub(crate) fn is_contradictory(self) -> bool {
        self.strict && self.allow_unknown
    }

    /// Returns this policy, made strict if `strict` is true.
    #[must_use]
    pub fn or_strict(self, strict: bool) -> Self {
        Self { strict: self.strict || strict, ..self }
    }

    /// Decides whether a problem with a key is an error or a warning. The message of a warning says that the key is ignored.
    pub(crate) fn apply(self, mut problem: Problem, part: Part, unknown_keys: UnknownKeys) -> Problem {
        let is_rejected = match unknown_keys {
            UnknownKeys::Ignored => false,
            UnknownKeys::RejectedAtTop => {
                problem.path.get(part.key().len() + 1..).is_some_and(|key| !key.contains(['.', '[']))
            }
            UnknownKeys::Rejected => true,
        };
        let is_error = match problem.kind {
            ProblemKind::Invalid => true,
            ProblemKind::MisspeltKey | ProblemKind::UnsupportedKey => !self.allow_unknown,
            ProblemKind::UnknownKey => self.strict || (is_rejected && !self.allow_unknown),
            ProblemKind::KeyInOtherCase => self.strict,
        };
        if is_error {
            return problem;
        }
        problem.severity = Severity::Warning;
        if problem.kind != ProblemKind::KeyInOtherCase {
            problem.message.push_str(", ignored");
            if is_rejected || problem.kind != ProblemKind::UnknownKey {
                problem.message.push_str(" since `");
                problem.message.push_str(ALLOW_UNKNOWN_KEYS);
                problem.message.push_str("` is set");
            }
            // Only errors list all known keys, because in the log of each check the list would hide the other messages.
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
