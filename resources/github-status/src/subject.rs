//! Finds the commit of a put.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Result, non_empty};

use crate::params::Params;
use crate::source::Source;
use jetway_github::access::is_commit_hash;
use jetway_github::checkout::{self, PullRequest, require_repository};
use jetway_github::inputs::Inputs;

/// The established resource that a put is compatible with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// `commit`: the status resource.
    Commit,
    /// `path`: the pull-request resource.
    PullRequest,
}

/// The commit of a put, and its pull request if known.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) manner: Manner,
    pub(crate) commit: String,
    pub(crate) pull_request: PullRequest,
    /// The head of the pull request, if `commit` is the checkout of a pull request that is at another commit. A merge that the
    /// get created does not exist on GitHub, so the status is set on this head instead.
    pub(crate) head_of_pull_request: Option<String>,
}

impl Subject {
    /// Finds the commit from the params. A checkout of another repository is an error.
    pub(crate) fn find(inputs: &Inputs, source: &Source, params: &Params) -> Result<Self> {
        match (non_empty(params.path.as_ref()), non_empty(params.commit.as_ref())) {
            (Some(path), _) => Self::of_path(inputs, source, path),
            (None, Some(commit)) => Self::of_commit(inputs, source, commit.trim()),
            (None, None) => Self::of_only_checkout(inputs, source),
        }
    }

    fn of_path(inputs: &Inputs, source: &Source, path: &str) -> Result<Self> {
        let directory = inputs.find(path)?.filter(|found| found.is_dir()).ok_or_else(|| {
            anyhow!("`{path}` is not a directory in the inputs")
                .hint("set `path` to the name of an earlier get of a pull request")
        })?;
        require_repository(inputs, &source.access(), path, &directory)?;
        let read = || {
            let pull_request = PullRequest::of(inputs, &directory)?;
            let commit = match &pull_request.commit {
                Some(commit) => commit.to_ascii_lowercase(),
                None => checkout::head(inputs, &directory)?,
            };
            let manner = Manner::PullRequest;
            Ok::<_, jetway::Error>(Self { manner, commit, pull_request, head_of_pull_request: None })
        };
        read().with_context(|| format!("cannot find the commit of `{path}`"))
    }

    fn of_commit(inputs: &Inputs, source: &Source, given: &str) -> Result<Self> {
        let found = inputs.find(given).with_context(|| format!("cannot find the commit of `{given}`"))?;
        if let Some(directory) = found.as_ref().filter(|found| found.is_dir()) {
            return Self::of_checkout(inputs, source, given, directory);
        }
        let commit = || match found {
            Some(found) => {
                let text = inputs.read(&found)?;
                let hash = text.trim();
                if is_commit_hash(hash) {
                    Ok(hash.to_ascii_lowercase())
                } else {
                    Err(anyhow!("the file does not contain a full commit hash"))
                }
            }
            None if is_commit_hash(given) => Ok(given.to_ascii_lowercase()),
            None => Err(anyhow!("it is neither in the inputs nor a full commit hash")
                .hint("name a checkout, a file that contains a full hash, or a full hash")),
        };
        let commit = commit().with_context(|| format!("cannot find the commit of `{given}`"))?;
        let (manner, pull_request) = (Manner::Commit, PullRequest::default());
        Ok(Self { manner, commit, pull_request, head_of_pull_request: None })
    }

    fn of_only_checkout(inputs: &Inputs, source: &Source) -> Result<Self> {
        let mut checkouts = inputs.checkouts()?;
        let names: Vec<String> = checkouts.iter().map(|(name, _)| format!("`{name}`")).collect();
        match (checkouts.pop(), checkouts.is_empty()) {
            (Some((name, directory)), true) => Self::of_checkout(inputs, source, &name, &directory),
            (None, _) => Err(anyhow!("`commit` is missing, and there is no checkout in the inputs")
                .hint("set `commit` to a checkout, a file that contains a hash, or a hash; or set `path` to the checkout of a pull request")),
            (Some(_), false) => {
                Err(anyhow!("`commit` is missing, and there are several checkouts in the inputs: {}", names.join(", "))
                    .hint("set `commit` to one of them, or limit the put to one input (`inputs: [NAME]`)"))
            }
        }
    }

    fn of_checkout(inputs: &Inputs, source: &Source, name: &str, directory: &Path) -> Result<Self> {
        require_repository(inputs, &source.access(), name, directory)?;
        let commit =
            checkout::head(inputs, directory).with_context(|| format!("cannot find the commit of `{name}`"))?;
        let head = PullRequest::of(inputs, directory).ok().and_then(|pull_request| pull_request.commit);
        let head_of_pull_request = head.map(|head| head.to_ascii_lowercase()).filter(|head| *head != commit);
        let (manner, pull_request) = (Manner::Commit, PullRequest::default());
        Ok(Self { manner, commit, pull_request, head_of_pull_request })
    }
}
