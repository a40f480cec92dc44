//! The states of commit statuses and deployments.

use std::fmt;

use jetway::{Problems, nearest};

/// The state of a commit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The check itself failed.
    Error,
    /// The commit failed the check.
    Failure,
    /// The check is running.
    Pending,
    /// The commit passed the check.
    Success,
}

impl State {
    const ALL: [Self; 4] = [Self::Error, Self::Failure, Self::Pending, Self::Success];

    /// Parses a state, ignoring case. `abort`, which GitHub does not know, becomes `error`, as in the `cogito` resource.
    pub fn parse(word: &str) -> Option<Self> {
        if word.trim().eq_ignore_ascii_case("abort") {
            return Some(Self::Error);
        }
        Self::ALL.into_iter().find(|state| state.word().eq_ignore_ascii_case(word.trim()))
    }

    /// The state for a build's status, as in `BUILD_STATUS`.
    pub fn of_build(status: &str) -> Option<Self> {
        match status {
            "succeeded" => Some(Self::Success),
            "failed" => Some(Self::Failure),
            // GitHub has no state for an aborted build. It is not a failure of the commit.
            "errored" | "aborted" => Some(Self::Error),
            "pending" | "started" => Some(Self::Pending),
            _ => None,
        }
    }

    /// GitHub's name of the state.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Failure => "failure",
            Self::Pending => "pending",
            Self::Success => "success",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// Reports a problem if the word is not a state of a commit status.
pub fn require_state(problems: &mut Problems, key: &str, word: &str) {
    if State::parse(word).is_none() {
        let words: Vec<&str> = State::ALL.into_iter().map(State::word).collect();
        add_unknown_state(problems, key, word, &words);
    }
}

/// The states of a deployment.
const DEPLOYMENT_STATES: [&str; 7] = ["error", "failure", "in_progress", "inactive", "pending", "queued", "success"];

/// Parses a state of a deployment, ignoring case.
pub fn deployment_state(word: &str) -> Option<&'static str> {
    DEPLOYMENT_STATES.into_iter().find(|state| state.eq_ignore_ascii_case(word.trim()))
}

/// Reports a problem if the word is not a state of a deployment.
pub fn require_deployment_state(problems: &mut Problems, key: &str, word: &str) {
    if deployment_state(word).is_none() {
        add_unknown_state(problems, key, word, &DEPLOYMENT_STATES);
    }
}

fn add_unknown_state(problems: &mut Problems, key: &str, word: &str, words: &[&str]) {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    let message = match quoted.split_last() {
        Some((last, others)) => format!("expected {} or {last}, found `{}`", others.join(", "), word.trim()),
        None => return,
    };
    match nearest(word.trim(), words.iter().copied()) {
        Some(near) => problems.add_with_hint(key, message, format!("did you mean `{near}`?")),
        None => problems.add(key, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_ignores_case() {
        assert_eq!(State::parse("SUCCESS"), Some(State::Success));
        assert_eq!(State::parse(" Failure\n"), Some(State::Failure));
        assert_eq!(State::parse("abort"), Some(State::Error));
        assert_eq!(State::parse("failed"), None);
        assert_eq!(deployment_state("In_Progress"), Some("in_progress"));
    }

    #[test]
    fn of_build_maps_aborted_builds_to_error() {
        for (status, state) in [
            ("succeeded", State::Success),
            ("failed", State::Failure),
            ("errored", State::Error),
            ("aborted", State::Error),
            ("started", State::Pending),
        ] {
            assert_eq!(State::of_build(status), Some(state), "{status}");
        }
        assert_eq!(State::of_build("success"), None);
    }
}
