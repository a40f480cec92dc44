//! Pull requests of Gitea and Forgejo in the form of GitHub's.
//!
//! Their list has neither commits nor reviews. A check reads these for the heads that may be new, and no more.

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Result};
use jetway_github::GitHub;
use jetway_github::gitea::{self, PullRequest};
use jetway_github::server::escape_value;
use jiff::Timestamp;

use crate::listing::{GivenVersion, Head, Label, Listing, Nodes, is_enough};
use crate::memory::Memory;
use crate::metadata::{self, Author, Commit, Login};
use crate::source::{NO_ROLES, Source, State};
use crate::version::Version;

fn state(pull: &PullRequest) -> State {
    match pull.state.as_str() {
        "open" => State::Open,
        _ if pull.merged => State::Merged,
        _ => State::Closed,
    }
}

fn head(pull: PullRequest) -> Head {
    Head {
        number: pull.number,
        state: state(&pull).word().to_owned(),
        is_draft: pull.is_draft(),
        is_from_fork: pull.is_from_fork(),
        labels: pull.labels(),
        updated: pull.updated_at.0,
        commit: pull.head.sha,
        title: pull.title,
        committed: String::new(),
        message: String::new(),
        association: String::new(),
        approvals: None,
    }
}

/// Reads the list, at most back to pull requests that were updated before `until`.
pub(crate) async fn listing(
    github: &GitHub<'_>,
    source: &Source,
    given: Option<&Version>,
    until: Option<Timestamp>,
) -> Result<Listing> {
    if source.authorship_restriction {
        return Err(anyhow!("`authorship_restriction` {NO_ROLES}"));
    }
    let is_open = |wanted: &State| *wanted == State::Open;
    let state_query = match (source.states().iter().any(is_open), source.states().iter().all(is_open)) {
        (_, true) => "open",
        (false, _) => "closed",
        (true, false) => "all",
    };
    // Servers that do not know `base_branch` send the pull requests into all branches.
    let base = source.base_branch().map(|branch| format!("&base_branch={}", escape_value(branch)));
    let query = format!("state={state_query}{}", base.unwrap_or_default());
    let ends = |pulls: &[PullRequest]| pulls.last().is_some_and(|last| is_enough(last.updated_at.0, until));
    let mut pulls = gitea::pull_requests(github, &query, ends).await?;
    let listed = |number: u64| pulls.iter().find(|pull| pull.number == number).cloned();
    let found = match given.and_then(Version::number) {
        // Only a check without a memory needs one that is not in the list.
        Some(number) if until.is_none() && listed(number).is_none() => gitea::pull_request(github, number).await?,
        number => number.and_then(listed),
    };
    let given = given.zip(found).map(|(version, pull)| GivenVersion {
        is_head: version.commit.eq_ignore_ascii_case(&pull.head.sha),
        since: pull.created_at.0,
    });
    pulls.retain(|pull| {
        source.states().contains(&state(pull))
            && source.base_branch().is_none_or(|branch| pull.base.name == branch)
            && !pull.head.sha.is_empty()
    });
    Ok(Listing { heads: pulls.into_iter().map(head).collect(), given })
}

/// The heads with as many approvals as the source requires.
pub(crate) async fn approved(
    github: &GitHub<'_>,
    source: &Source,
    memory: &mut Memory,
    heads: Vec<Head>,
    newest: Option<Timestamp>,
) -> Result<Vec<Head>> {
    if source.required_approvals() == 0 {
        return Ok(heads);
    }
    let mut approved = Vec::new();
    for head in heads {
        if memory.lacks_approvals(&head) {
            continue;
        }
        let head = Head { approvals: Some(gitea::approvals(github, head.number).await?), ..head };
        if source.accepts(&head) {
            approved.push(head);
        } else if newest.is_some_and(|newest| head.updated < newest) {
            // A review updates its pull request, but a time has whole seconds: one may follow in that of the newest update.
            memory.remember_lack_of_approvals(&head);
        }
    }
    Ok(approved)
}

/// Reads the commits of heads. Leaves out those that are not new, not in the repository, or to be skipped by their message.
pub(crate) async fn with_commits(
    github: &GitHub<'_>,
    source: &Source,
    memory: &mut Memory,
    heads: Vec<Head>,
) -> Result<Vec<Head>> {
    let mut complete = Vec::new();
    for mut head in heads {
        if head.state != State::Open.word() {
            let Some(commit) = gitea::fetched_head(github, head.number).await? else { continue };
            head.commit = commit;
        }
        if memory.knows(&head) {
            continue;
        }
        // The commits of a fork are in the repository a moment after the push. Then they are new to the next check.
        let Some(commit) = gitea::commit(github, &head.commit).await? else { continue };
        head.committed = commit.commit.committer.date.into();
        head.message = commit.commit.message;
        if source.accepts(&head) {
            complete.push(head);
        } else {
            memory.know([&head]);
        }
    }
    Ok(complete)
}

/// Reads the pull request of a version.
pub(crate) async fn pull_request(
    github: &GitHub<'_>,
    source: &Source,
    number: u64,
    commit: &str,
) -> Result<metadata::PullRequest> {
    let read = async {
        let pull = gitea::pull_request(github, number).await?;
        let pull = pull.ok_or_else(|| anyhow!("there is no such pull request").hint(source.hints().not_found))?;
        Ok::<_, jetway::Error>((pull, gitea::commit(github, commit).await?))
    };
    let (pull, commit) =
        read.await.with_context(|| format!("cannot read pull request {number} of `{}`", source.repository()))?;
    let commit = commit.map(|found| Commit {
        message: found.commit.message,
        author: Some(Author {
            name: Some(found.commit.author.name),
            email: Some(found.commit.author.email),
            user: found.author.map(|user| Login { login: user.login }),
        }),
    });
    Ok(metadata::PullRequest {
        state: state(&pull).word().to_owned(),
        is_draft: pull.is_draft(),
        labels: Some(Nodes { nodes: pull.labels().into_iter().map(|name| Label { name }).collect() }),
        title: pull.title,
        url: pull.html_url,
        head_ref_name: pull.head.name,
        base_ref_name: pull.base.name,
        base_ref_oid: pull.base.sha,
        author: pull.user.map(|user| Login { login: user.login }),
        commit,
    })
}

/// Completes the version of a commit with its time, and with the number of the open pull request whose head it is.
pub(crate) async fn complete(github: &GitHub<'_>, version: &Version) -> Result<Version> {
    let found = async {
        let number = match version.number() {
            None => gitea::open_pull_request_of(github, &version.commit).await?,
            number => number,
        };
        Ok::<_, jetway::Error>((number, gitea::commit(github, &version.commit).await?))
    };
    let (number, commit) =
        found.await.with_context(|| format!("cannot find the pull request of {}", version.commit))?;
    Ok(Version {
        pr: number.map_or_else(|| version.pr.clone(), |number| number.to_string()),
        committed: commit.map(|found| found.commit.committer.date.into()).unwrap_or_default(),
        ..version.clone()
    })
}
