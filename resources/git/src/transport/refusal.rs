//! What git says when a server refuses what it was asked, and what that means.

use std::fmt;

use anyhow::anyhow;
use jetway::{Advise as _, Finished};

use crate::transport::ls_refs::RemoteRef;

/// A failure whose reason is the server or the way to it, not a repository on this side.
#[derive(Debug)]
pub(crate) struct FromServer(pub(super) jetway::Error);

impl FromServer {
    /// What git says, in lower case, when it could not talk to a server or was refused by it.
    const SIGNS: &[&str] = &[
        "authentication failed",
        "certificate",
        "could not read from remote",
        "could not read password",
        "could not read username",
        "could not resolve",
        "does not appear to be a git repository",
        "early eof",
        "hung up",
        "remote error",
        "rpc failed",
        "unable to access",
        "unable to connect to",
        "unexpected disconnect",
    ];

    /// Whether a command failed for such a reason.
    pub(super) fn is_why(finished: &Finished) -> bool {
        let said = finished.stderr.to_lowercase();
        // `fatal: repository 'ADDRESS' not found`
        let has_no_repository = |line: &str| line.starts_with("fatal: repository '") && line.ends_with("' not found");
        let is_sign = Self::SIGNS.iter().any(|sign| said.contains(sign)) || said.lines().any(has_no_repository);
        !finished.is_success() && is_sign
    }
}

impl fmt::Display for FromServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl std::error::Error for FromServer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let error: &(dyn std::error::Error + 'static) = self.0.as_ref();
        error.source()
    }
}

/// The branch that the server's HEAD names is not there, while others are.
pub(crate) fn no_default_branch(address: &str, branches: &[RemoteRef]) -> jetway::Error {
    /// How many branches an error names.
    const MOST: usize = 10;
    let names: Vec<String> = branches
        .iter()
        .filter_map(|branch| branch.name.strip_prefix("refs/heads/"))
        .take(MOST)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = if branches.len() > MOST { format!(" and {} more", branches.len() - MOST) } else { String::new() };
    anyhow!("the default branch of `{address}` does not exist: its HEAD names a missing branch")
        .hint(format!("set `branch` in the source; the server has {}{more}", names.join(", ")))
}

/// There is no commit where the remote's HEAD points to.
#[derive(Debug)]
pub(crate) struct NoDefaultBranch(pub(super) String);

impl fmt::Display for NoDefaultBranch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` has no default branch: it is empty, or its HEAD names a missing branch", self.0)
    }
}

impl std::error::Error for NoDefaultBranch {}

/// Why a server did not do what it was asked, where the answer is to ask in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It has no ref of that name.
    UnknownRef,
    /// It has no commit of that hash.
    UnknownCommit,
    /// It does not give out commits by their hashes, so that nothing is known of this one.
    UnadvertisedCommit,
    /// It cannot do shallow fetches.
    CannotShallow,
    /// It does not leave out what it was asked to leave out.
    CannotFilter,
    /// Its objects are named by another hash function than those of the repository that fetches.
    OtherObjectFormat,
}

impl Refusal {
    /// What a failed command's last words mean.
    pub(crate) fn of(finished: &Finished) -> Option<Self> {
        // Only git's own last words count: a hook or a trace may say anything.
        let is_verdict =
            |line: &&str| ["fatal: ", "error: ", "remote error: "].iter().any(|word| line.starts_with(word));
        let said = finished.stderr.lines().filter(is_verdict).collect::<Vec<_>>().join("\n").to_lowercase();
        let any = |needles: &[&str]| needles.iter().any(|needle| said.contains(needle));
        if finished.is_success() {
            None
        } else if any(&["couldn't find remote ref", "remote branch", "could not find remote branch"]) {
            Some(Self::UnknownRef)
        } else if any(&["not our ref"]) || is_missing_from_files(&finished.stderr) {
            Some(Self::UnknownCommit)
        } else if said.contains("filter '") && said.contains("not supported")
            || said.contains("filter allows max depth")
        {
            Some(Self::CannotFilter)
        } else if said.contains("mismatched algorithms") || said.contains("unsupported object format") {
            Some(Self::OtherObjectFormat)
        } else if any(&["unadvertised object"]) || (said.contains("want ") && said.contains("not valid")) {
            // The first is git's own word, the second that of JGit (`want HASH not valid`).
            Some(Self::UnadvertisedCommit)
        } else if any(&[
            "does not support shallow",
            "does not support --shallow",
            "shallow capabilities",
            "dumb http transport does not support",
        ]) {
            Some(Self::CannotShallow)
        } else {
            None
        }
    }
}

/// Whether a fetch over the dumb HTTP protocol, which reads plain files, did not find the object that it was asked for. (One that
/// is missing further back in history is named with its type and the commit that needs it.)
fn is_missing_from_files(said: &str) -> bool {
    said.lines().any(|line| line.starts_with("Cannot obtain needed object "))
}

/// Whether a fetch failed for no other reason than that the server left something out that it was asked for.
pub(crate) fn is_incomplete(finished: &Finished) -> bool {
    !finished.is_success() && finished.stderr.contains("did not send all necessary objects")
}
