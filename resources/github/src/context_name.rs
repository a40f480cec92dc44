//! Names of contexts, which distinguish the statuses of one commit.

use schemars::JsonSchema;
use serde::Deserialize;

/// The first part of the default context of the established pull-request resource.
pub const DEFAULT_BASE: &str = "concourse-ci";

/// The second part of that default context.
pub const DEFAULT: &str = "status";

/// One or several contexts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Contexts {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Contexts {
    /// The contexts, without empty ones.
    pub fn non_empty(&self) -> Vec<&str> {
        let all = match self {
            Self::One(context) => std::slice::from_ref(context),
            Self::Several(contexts) => contexts,
        };
        all.iter().map(String::as_str).filter(|context| !context.trim().is_empty()).collect()
    }
}

/// Joins two segments like the established pull-request resource: with one slash, and with `.` and `..` resolved.
pub fn join(base: &str, name: &str) -> String {
    let joined = format!("{base}/{name}");
    let is_rooted = joined.starts_with('/') && !base.is_empty();
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_rooted => {}
            _ => parts.push(part),
        }
    }
    let path = parts.join("/");
    if is_rooted { format!("/{path}") } else { path }
}

/// Whether `name` matches `pattern`, in which `*` matches any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(before) = last.replace(part) {
            // Each part matches at its first occurrence, which leaves the most text for the parts after it.
            let Some((_, after)) = rest.split_once(before) else { return false };
            rest = after;
        }
    }
    match last {
        None => rest.is_empty(),
        Some(last) => rest.ends_with(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_resolves_segments_like_a_path() {
        for (base, name, joined) in [
            ("concourse-ci", "status", "concourse-ci/status"),
            ("a/", "/b", "a/b"),
            ("a//b", "c", "a/b/c"),
            ("a", "../b", "b"),
            ("a", "../../b", "../b"),
            ("", "b", "b"),
            ("/a", "../../b", "/b"),
            ("a", "./b/.", "a/b"),
        ] {
            assert_eq!(join(base, name), joined, "{base} {name}");
        }
    }

    #[test]
    fn matches_treats_star_as_any_text() {
        for (pattern, name) in
            [("*", ""), ("*", "a/b"), ("ci/*", "ci/test"), ("a*b*c", "a-b-bc"), ("a", "a"), ("*test", "test-test")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "ab"), ("ci/*", "cd/x"), ("a*b*c", "a-c-b"), ("a*a", "a"), ("", "a")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
