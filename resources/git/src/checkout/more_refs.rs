//! Fetches the additional branches, tags, commits and full refs of the `fetch` param.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use git2::{BranchType, Repository};
use jetway::{Finished, Result};
use jetway_git_client::source::remote::is_commit_hash;
use jetway_git_client::transport::git::Git;
use jetway_git_client::transport::refusal::Refusal;

/// The prefix of refs for commits that were fetched by hash. The refs keep git from garbage-collecting the commits.
const COMMITS: &str = "refs/jetway/fetched";

/// Fetches each of `names`: a branch as a local branch, a tag as a tag, a full ref under its own name, a commit by its
/// hash. An existing local branch is not changed.
pub(crate) async fn fetch(git: &Git<'_>, repository: &Repository, directory: &Path, names: &[String]) -> Result<()> {
    let is_new = |name: &&String| repository.find_branch(name, BranchType::Local).is_err();
    let names: Vec<&String> = names.iter().filter(is_new).collect();
    if names.is_empty() {
        return Ok(());
    }
    let refspecs: Vec<String> = names.iter().map(|name| full_refspec(name).unwrap_or_else(|| branch(name))).collect();
    let mut finished = run(git, directory, &refspecs).await?;
    if Refusal::of(&finished) == Some(Refusal::UnknownRef) {
        // Some names are not branches.
        let refspecs = resolve(git, &names).await?;
        finished = run(git, directory, &refspecs).await?;
    }
    if matches!(Refusal::of(&finished), Some(Refusal::UnknownCommit | Refusal::UnadvertisedCommit)) {
        let commits: Vec<&str> = names.iter().filter(|name| is_commit_hash(name)).map(|name| name.as_str()).collect();
        let error = finished.failure().context(git.cannot("fetch from"));
        return Err(error.context(format!(
            "`fetch` lists commit `{}`, which the server does not have or does not serve by hash",
            commits.join("`, `")
        )));
    }
    git.explain(finished, None).with_context(|| git.cannot("fetch"))?;
    Ok(())
}

async fn run(git: &Git<'_>, directory: &Path, refspecs: &[String]) -> Result<Finished> {
    let fetch = git.network("fetch").directory(directory).args(["--progress", "--no-write-fetch-head", "origin"]);
    fetch.args(refspecs).progress(None).run().await
}

/// The refspec of a full ref or a hash, which needs no request to the server.
fn full_refspec(name: &str) -> Option<String> {
    if is_commit_hash(name) {
        Some(format!("{name}:{COMMITS}/{name}"))
    } else {
        name.starts_with("refs/").then(|| format!("{name}:{name}"))
    }
}

fn branch(name: &str) -> String {
    format!("refs/heads/{name}:refs/heads/{name}")
}

/// Asks the server which names are branches and which are tags. A branch takes precedence over a tag of the same name.
async fn resolve(git: &Git<'_>, names: &[&String]) -> Result<Vec<String>> {
    let candidates = |name: &str| match full_refspec(name) {
        Some(_) => vec![name.to_owned()],
        None => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")],
    };
    let prefixes: Vec<String> =
        names.iter().filter(|name| !is_commit_hash(name)).flat_map(|name| candidates(name)).collect();
    let refs = git.remote_refs(&prefixes, None).await?;
    let mut refspecs = Vec::new();
    for name in names {
        if is_commit_hash(name) {
            refspecs.extend(full_refspec(name));
            continue;
        }
        let found = candidates(name).into_iter().find(|full| refs.iter().any(|found| found.name == *full));
        let full = found.ok_or_else(|| unknown(git, name))?;
        // Without `+`: a tag that was already fetched is not changed.
        refspecs.push(format!("{full}:{full}"));
    }
    Ok(refspecs)
}

fn unknown(git: &Git<'_>, name: &str) -> jetway::Error {
    let address = &git.remote().address;
    let error = if name.starts_with("refs/") {
        anyhow!("there is no ref `{name}` in `{address}`")
    } else {
        anyhow!("there is no branch `{name}` in `{address}`, and no tag of that name")
    };
    error.context("cannot fetch the refs listed in `fetch`")
}
