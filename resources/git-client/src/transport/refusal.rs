//! Classifies git's error messages about a server.

use std::fmt;

use anyhow::anyhow;
use jetway::{Advise as _, Finished};

use crate::transport::error_texts::{Meaning, means};
use crate::transport::ls_refs::RemoteRef;

/// An error caused by the server or the connection, not by the local repository.
#[derive(Debug)]
pub struct ServerError(pub(super) jetway::Error);

impl ServerError {
    /// Whether a command failed because of the server or the connection.
    pub(super) fn caused(finished: &Finished) -> bool {
        let stderr = finished.stderr.to_lowercase();
        // `fatal: repository 'ADDRESS' not found`
        let has_no_repository = |line: &str| line.starts_with("fatal: repository '") && line.ends_with("' not found");
        let is_sign = means(&stderr, Meaning::Server) || stderr.lines().any(has_no_repository);
        !finished.is_success() && is_sign
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let error: &(dyn std::error::Error + 'static) = self.0.as_ref();
        error.source()
    }
}

/// Builds the error for a server whose HEAD names a missing branch although other branches exist.
pub fn no_default_branch(address: &str, branches: &[RemoteRef]) -> jetway::Error {
    /// The most branches that the error lists.
    const MAX_BRANCHES: usize = 10;
    let names: Vec<String> = branches
        .iter()
        .filter_map(|branch| branch.name.strip_prefix("refs/heads/"))
        .take(MAX_BRANCHES)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = match branches.len().saturating_sub(MAX_BRANCHES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    anyhow!("the default branch of `{address}` does not exist: its HEAD names a missing branch")
        .hint(format!("set `branch` in the source; the server has {}{more}", names.join(", ")))
}

/// The error if the remote's HEAD does not resolve to a commit.
#[derive(Debug)]
pub struct NoDefaultBranch(pub(super) String);

impl fmt::Display for NoDefaultBranch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` has no default branch: it is empty, or its HEAD names a missing branch", self.0)
    }
}

impl std::error::Error for NoDefaultBranch {}

/// A refusal of the server that the caller can handle with another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The server has no such ref.
    UnknownRef,
    /// The server has no such commit.
    UnknownCommit,
    /// The server does not serve commits by hash. It may have the commit.
    UnadvertisedCommit,
    /// The server does not support shallow fetches.
    CannotShallow,
    /// The server does not support the filter of a partial fetch.
    CannotFilter,
    /// The server's object format (hash function) differs from that of the local repository.
    OtherObjectFormat,
}

impl Refusal {
    /// Classifies a failed command by its error lines.
    pub fn of(finished: &Finished) -> Option<Self> {
        // Use only git's own error lines: the output of hooks and traces may contain any text.
        // A fetch over the dumb HTTP protocol prints the line about the requested object without such a word. (For an
        // object that is missing further back in history, git prints its type and the commit that needs it.)
        let beginnings = ["fatal: ", "error: ", "remote error: ", "Cannot obtain needed object "];
        let is_verdict = |line: &&str| beginnings.iter().any(|word| line.starts_with(word));
        let messages = finished.stderr.lines().filter(is_verdict).collect::<Vec<_>>().join("\n").to_lowercase();
        let meanings = [
            (Meaning::UnknownRef, Self::UnknownRef),
            (Meaning::UnknownCommit, Self::UnknownCommit),
            (Meaning::CannotFilter, Self::CannotFilter),
            (Meaning::OtherObjectFormat, Self::OtherObjectFormat),
            (Meaning::UnadvertisedCommit, Self::UnadvertisedCommit),
            (Meaning::CannotShallow, Self::CannotShallow),
        ];
        let found = meanings.into_iter().find(|(meaning, _)| means(&messages, *meaning));
        found.map(|(_, refusal)| refusal).filter(|_| !finished.is_success())
    }
}

/// Whether a fetch failed only because the server did not send all requested objects.
pub fn is_incomplete(finished: &Finished) -> bool {
    !finished.is_success() && means(&finished.stderr, Meaning::Incomplete)
}
