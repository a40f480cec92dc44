//! Keys that a type does not have: which known key was meant, and whether the request fails because of them.

use serde_json::Value;

use crate::request::Part;
use crate::schema::{Problem, ProblemKind, Severity};

/// The key that turns errors about unknown keys into warnings, in every type's source.
pub(crate) const ALLOW_UNKNOWN_KEYS: &str = "allow_unknown_keys";

/// The key that turns warnings about unknown keys into errors, in every type's source.
pub(crate) const STRICT: &str = "strict";

/// What a type does with an unknown key that is not close to a known one. A key that is close to one is always an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownKeys {
    /// It warns and ignores the key, as established resources do that read the keys that they know.
    Ignored,
    /// It refuses the key directly below `source` or `params`, and ignores it deeper inside.
    RefusedAtTop,
    /// It refuses the key at any depth, as Go programs do that disallow unknown fields.
    Refused,
}

/// How strict a source wants unknown keys to be handled, in itself and in the params of its steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyPolicy {
    strict: bool,
    allow_unknown: bool,
}

impl KeyPolicy {
    /// The policy that a source asks for by `strict` and `allow_unknown_keys`.
    pub fn of_source(source: &Value) -> Self {
        Self { strict: is_true(source.get(STRICT)), allow_unknown: is_true(source.get(ALLOW_UNKNOWN_KEYS)) }
    }

    pub(crate) fn is_contradictory(self) -> bool {
        self.strict && self.allow_unknown
    }

    /// The same policy, strict if `strict` says so.
    #[must_use]
    pub fn or_strict(self, strict: bool) -> Self {
        Self { strict: self.strict || strict, ..self }
    }

    /// Decides whether a problem with a key is an error or a warning, and says in its message what is done with the key.
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
            // The list of all known keys is for an error; in the log of every check it would bury the rest.
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

/// The known key that `key` is a misspelling of: it has a typo or two, another number, or a part too many or too few.
///
/// This is narrower than [`crate::nearest`], since the request fails for it: a dead key that no resource ever read must not
/// be taken for a misspelling.
pub(crate) fn meant<'c>(key: &str, known: impl Iterator<Item = &'c str> + Clone) -> Option<&'c str> {
    let parts = parts(key);
    let closest = known
        .clone()
        .filter_map(|candidate| Some((distance(key, &parts, candidate)?, candidate)))
        .min_by_key(|(distance, _)| *distance);
    closest
        .map(|(_, candidate)| candidate)
        .or_else(|| only_last_part(key, known).filter(|_| key.len() >= SHORTEST_LAST_PART))
}

/// The shortest key that is taken for the last part of a known one. Short words (`name`, `file`) end too many keys to say which
/// one was meant.
const SHORTEST_LAST_PART: usize = 5;

/// The edits between a key and a known one, `None` when they are too many.
fn distance(key: &str, parts: &[String], known: &str) -> Option<usize> {
    let known_parts = self::parts(known);
    if parts == known_parts {
        return Some(0);
    }
    let (bare, known_bare) = (bare(key), bare(known));
    let edits = strsim::damerau_levenshtein(&bare, &known_bare);
    let allowed = match bare.chars().count().min(known_bare.chars().count()) {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    if edits <= allowed {
        return Some(edits);
    }
    let shortened = parts.len() >= 2 && lacks_one(parts, &known_parts);
    let extended = known_parts.len() >= 2 && lacks_one(&known_parts, parts);
    // An abbreviation: `repo` for `repository`.
    let abbreviated = bare.len() >= 4 && known_bare.starts_with(&bare) && known_parts.len() == 1;
    // After every typo, which is the likelier mistake.
    (shortened || extended || abbreviated).then_some(3)
}

/// The only known key of two parts of which `key` is the last: `access_token` for `token`.
fn only_last_part<'c>(key: &str, known: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let mut ending = known.filter(|candidate| {
        candidate.rsplit_once('_').is_some_and(|(first, last)| last == key && !first.contains('_'))
    });
    ending.next().filter(|_| ending.next().is_none())
}

/// Whether `short` is `long` without one of its parts.
fn lacks_one(short: &[String], long: &[String]) -> bool {
    short.len() + 1 == long.len()
        && (0..long.len()).any(|left_out| {
            long.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, part)| part).eq(short)
        })
}

/// The words of a key in lower case and in the singular: `skipSSLVerification` and `skip-ssl-verifications` have the same.
fn parts(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut previous_is_lower = false;
    for c in key.chars() {
        let is_separator = matches!(c, '_' | '-' | '.' | ' ');
        if (is_separator || (c.is_uppercase() && previous_is_lower))
            && parts.last().is_some_and(|part| !part.is_empty())
        {
            parts.push(String::new());
        }
        previous_is_lower = c.is_lowercase();
        if let Some(part) = parts.last_mut().filter(|_| !is_separator) {
            part.extend(c.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.iter().map(|part| singular(part)).collect()
}

fn singular(word: &str) -> String {
    match word.strip_suffix("ies") {
        Some(stem) if stem.len() >= 2 => format!("{stem}y"),
        _ if word.len() < 4 || word.ends_with("ss") => word.to_owned(),
        _ => word.strip_suffix('s').unwrap_or(word).to_owned(),
    }
}

fn bare(key: &str) -> String {
    key.to_lowercase().replace(['_', '-', '.', ' '], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant_among(key: &str, known: &[&'static str]) -> Option<&'static str> {
        meant(key, known.iter().copied())
    }

    /// Keys of a source and a put of images, as an example of a type with many.
    const IMAGES: [&str; 28] = [
        "repository",
        "tag",
        "tags",
        "tag_file",
        "tag_prefix",
        "additional_tags",
        "username",
        "password",
        "insecure",
        "insecure_registries",
        "registry_mirror",
        "ca_certs",
        "client_certs",
        "docker_config",
        "docker_host",
        "build",
        "build_args",
        "build_args_file",
        "dockerfile",
        "target_name",
        "cache",
        "cache_tag",
        "load_repository",
        "pull_repository",
        "labels",
        "platform",
        "aws_role_arn",
        "private_key",
    ];

    #[test]
    fn takes_typos_numbers_and_parts_for_misspellings() {
        for (key, known) in [
            ("repositry", "repository"),
            ("repositories", "repository"),
            ("repo", "repository"),
            ("user_name", "username"),
            ("insecure_registry", "insecure_registries"),
            ("additional_tag_names", "additional_tags"),
            ("build-arg", "build_args"),
            ("buildArgs", "build_args"),
            ("aws_role", "aws_role_arn"),
            ("mirror", "registry_mirror"),
            ("dockerfiles", "dockerfile"),
            ("docker_file", "dockerfile"),
            ("tgas", "tags"),
            ("ca_cert", "ca_certs"),
        ] {
            assert_eq!(meant_among(key, &IMAGES), Some(known), "{key}");
        }
    }

    #[test]
    fn takes_no_dead_key_for_a_misspelling() {
        for key in ["email", "globs", "name", "push", "trigger", "registry", "depth", "rootfs", "params", "file", "os"]
        {
            assert_eq!(meant_among(key, &IMAGES), None, "{key}");
        }
    }
}
