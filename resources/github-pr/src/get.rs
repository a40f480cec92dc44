//! get: checks out a pull request, and writes files with its metadata.

use std::path::Path;

use anyhow::anyhow;
use jetway::{Advise as _, Context, Metadata, Response, Result};
use jetway_git_client::Git;
use jetway_git_client::transport::lfs::Lfs;
use jetway_github::access::is_commit_hash;
use jetway_github::with_api;

use crate::changed_files;
use crate::checkout::Checkout;
use crate::gitea;
use crate::metadata::{self, PullRequest};
use crate::params::{GetParams, IntegrationTool};
use crate::source::Source;
use crate::version::{NO_PULL_REQUEST, Version};

/// Fetches a version into `destination`.
pub(crate) async fn get(
    context: &Context,
    source: &Source,
    version: Option<Version>,
    params: &GetParams,
    destination: &Path,
) -> Result<Response<Version>> {
    let version = version.ok_or_else(|| anyhow!("the request has no version"))?;
    if !is_commit_hash(&version.commit) {
        return Err(anyhow!("the version's commit, `{}`, is not a full commit hash", version.commit)
            .hint("a version has the keys `pr`, `commit` and `committed`"));
    }
    let commit = version.commit.to_ascii_lowercase();
    let Some(number) = version.number() else {
        if version.pr != NO_PULL_REQUEST {
            return Err(anyhow!("the version's `pr`, `{}`, is not a number", version.pr));
        }
        let metadata = vec![Metadata::new("head_sha", &commit)];
        metadata::write(destination, &version, &metadata, None)?;
        context.console().step(format_args!("{commit} is the head of no pull request; only its version is written"));
        return Ok(Response { version, metadata });
    };
    let github = source.github(context)?;
    let read = async || {
        if github.is_gitea() {
            return gitea::pull_request(&github, source, number, &commit).await;
        }
        PullRequest::read(&github, source, number, &commit).await
    };
    let pull_request = with_api(&github, read).await?;
    let changed_files = if params.list_changed_files {
        changed_files::of_all(&github, source, &[number]).await?.remove(&number)
    } else {
        None
    };
    let mut base = None;
    if !params.skip_download {
        let lfs = if source.disable_git_lfs { Lfs::Pointers } else { Lfs::Files };
        let token = github.secret().await?;
        let git = Git::new(context, &source.git_access(token), false).await?.with_lfs(lfs);
        let pull_request = &pull_request;
        let checkout = Checkout { git: &git, source, params, pull_request, number, commit: &commit, destination };
        base = Some(checkout.run().await?);
    }
    let metadata = pull_request.metadata(&version, base.as_deref());
    metadata::write(destination, &version, &metadata, changed_files.as_deref())?;
    github.finish();
    let what = match (params.skip_download, params.integration_tool) {
        (true, _) => "wrote the files of",
        (false, IntegrationTool::Merge) => "checked out the merge of",
        (false, IntegrationTool::Rebase) => "checked out the rebase of",
        (false, IntegrationTool::Checkout) => "checked out",
    };
    context.console().step(format_args!("{what} pull request {number} at {commit}"));
    Ok(Response { version, metadata })
}
