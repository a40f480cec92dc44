//! Finds the pull request of a commit.

use anyhow::Context as _;
use jetway::Result;
use jetway_github::GitHub;
use serde::Deserialize;
use serde_json::json;

use crate::listing::Nodes;
use crate::source::Source;
use crate::version::Version;

const QUERY: &str = "query($owner: String!, $name: String!, $commit: GitObjectID!) {
    repository(owner: $owner, name: $name) {
        object(oid: $commit) {
            ... on Commit { committedDate associatedPullRequests(first: 20) { nodes { number headRefOid state } } }
        }
    }
}";

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    object: Option<Commit>,
}

/// A commit. All fields have their default if the object is not a commit.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Commit {
    committed_date: String,
    associated_pull_requests: Option<Nodes<PullRequest>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequest {
    number: u64,
    head_ref_oid: String,
    state: String,
}

/// Adds the time of the commit to a version, and the number of the open pull request whose head the commit is.
pub(crate) async fn complete(github: &GitHub<'_>, source: &Source, version: &Version) -> Result<Version> {
    let (owner, name) = source.owner_and_name();
    let variables = json!({ "owner": owner, "name": name, "commit": version.commit });
    let data = github.graphql(QUERY, &variables, "").await;
    let data: Data = data.with_context(|| format!("cannot find the pull request of {}", version.commit))?;
    let commit = data.repository.and_then(|repository| repository.object).unwrap_or_default();
    let mut completed = Version { committed: commit.committed_date, ..version.clone() };
    let pull_requests = commit.associated_pull_requests.unwrap_or_default().nodes;
    let is_its_head = |found: &&PullRequest| found.head_ref_oid == version.commit && found.state == "OPEN";
    if let (None, Some(found)) = (version.number(), pull_requests.iter().find(is_its_head)) {
        completed.pr = found.number.to_string();
    }
    Ok(completed)
}
