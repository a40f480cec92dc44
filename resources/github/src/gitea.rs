//! Pull requests of Gitea and Forgejo, whose REST API has them in another form than GitHub's and which have no GraphQL API.
//!
//! The fields of the answers are those of Gitea's API description (`templates/swagger/v1_json.tmpl` in its source).

use std::collections::BTreeMap;

use anyhow::anyhow;
use jetway::Result;
use jetway::http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error_response::is_gone;
use crate::github::GitHub;
use crate::responses::User;
use crate::time::Time;

/// The maximum number of requests for a list: 10,000 pull requests with Gitea's default of 50 in a page.
const MAX_PAGES: usize = 200;

/// The beginnings of the titles of drafts, for servers that do not say which pull requests are drafts.
const DRAFT_PREFIXES: [&str; 2] = ["wip:", "[wip]"];

/// A pull request.
#[derive(Debug, Clone, Deserialize)]
pub struct PullRequest {
    /// The number.
    pub number: u64,
    /// The title.
    pub title: String,
    /// Its page.
    pub html_url: String,
    /// `open` or `closed`.
    pub state: String,
    /// Whether it was merged.
    #[serde(default)]
    pub merged: bool,
    draft: Option<bool>,
    /// The time of its creation.
    pub created_at: Time,
    /// The time of its last change: a push, a comment, a review, a label...
    pub updated_at: Time,
    /// Who opened it.
    pub user: Option<User>,
    labels: Option<Vec<Label>>,
    /// The branch to merge.
    pub head: Branch,
    /// The branch to merge into.
    pub base: Branch,
}

/// A branch of a pull request.
#[derive(Debug, Clone, Deserialize)]
pub struct Branch {
    /// The name, also of a branch that was deleted. Empty for the head of a push to `refs/for/BRANCH`.
    #[serde(rename = "label")]
    pub name: String,
    /// The hash of the branch's tip now, also if the pull request was closed before. Empty if the branch does not exist.
    #[serde(default)]
    pub sha: String,
    #[serde(default)]
    repo_id: i64,
}

#[derive(Debug, Clone, Deserialize)]
struct Label {
    name: String,
}

/// A commit.
#[derive(Debug, Deserialize)]
pub struct Commit {
    /// What git knows.
    pub commit: CommitText,
    /// The user with the author's email.
    pub author: Option<User>,
}

/// What git knows of a commit.
#[derive(Debug, Deserialize)]
pub struct CommitText {
    /// The message.
    pub message: String,
    /// The author.
    pub author: Person,
    /// The committer.
    pub committer: Person,
}

/// An author or committer.
#[derive(Debug, Deserialize)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The email.
    pub email: String,
    /// The time of the commit.
    pub date: Time,
}

#[derive(Deserialize, Serialize)]
struct Review {
    user: Option<User>,
    state: String,
    #[serde(default)]
    dismissed: bool,
}

#[derive(Deserialize, Serialize)]
struct ChangedFile {
    filename: String,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "ref")]
    name: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    sha: String,
}

impl PullRequest {
    /// Whether it is a draft.
    pub fn is_draft(&self) -> bool {
        let title = self.title.to_lowercase();
        self.draft.unwrap_or_else(|| DRAFT_PREFIXES.iter().any(|prefix| title.starts_with(prefix)))
    }

    /// Whether its author may have no right to push to the repository. That is so for a fork, and for a push to `refs/for/BRANCH`.
    pub fn is_from_fork(&self) -> bool {
        self.head.repo_id != self.base.repo_id || self.head.name.is_empty()
    }

    /// The names of its labels.
    pub fn labels(&self) -> Vec<String> {
        self.labels.iter().flatten().map(|label| label.name.clone()).collect()
    }
}

/// Lists pull requests, the newest update first, until `is_enough` for a page or the end of the list.
///
/// # Errors
/// If the server refuses, or if the list does not end.
pub async fn pull_requests(
    github: &GitHub<'_>,
    query: &str,
    is_enough: impl Fn(&[PullRequest]) -> bool,
) -> Result<Vec<PullRequest>> {
    let mut found = BTreeMap::new();
    let (mut page, mut last_total) = (1, 0);
    for _ in 0..MAX_PAGES {
        let path = github.of_repository(&format!("pulls?{query}&sort=recentupdate&limit=100&page={page}"));
        let response = github.send(github.request(&Method::GET, &path)).await?;
        let total = response.header("x-total-count").and_then(|total| total.parse().ok()).unwrap_or(usize::MAX);
        let pulls: Vec<PullRequest> = github.decode(response).await?;
        if total < last_total {
            // One that left the list moved another one to a page that was read before.
            found.clear();
            (page, last_total) = (1, 0);
            continue;
        }
        let is_last = pulls.is_empty() || is_enough(&pulls);
        found.extend(pulls.into_iter().map(|pull| (pull.number, pull)));
        if is_last || found.len() >= total {
            let mut found: Vec<PullRequest> = found.into_values().collect();
            found.sort_by_key(|pull| std::cmp::Reverse((pull.updated_at, pull.number)));
            return Ok(found);
        }
        (page, last_total) = (page + 1, total);
    }
    Err(anyhow!("the list of pull requests has more than {MAX_PAGES} pages"))
}

/// Finds the open pull request with this head commit.
///
/// # Errors
/// If the server refuses.
pub async fn open_pull_request_of(github: &GitHub<'_>, commit: &str) -> Result<Option<u64>> {
    let is_its_head = |pull: &PullRequest| pull.head.sha.eq_ignore_ascii_case(commit);
    let pulls = pull_requests(github, "state=open", |pulls| pulls.iter().any(is_its_head)).await?;
    Ok(pulls.into_iter().find(is_its_head).map(|pull| pull.number))
}

/// Reads a pull request; `None` if it does not exist.
///
/// # Errors
/// If the server refuses.
pub async fn pull_request(github: &GitHub<'_>, number: u64) -> Result<Option<PullRequest>> {
    existing(github, &format!("pulls/{number}")).await
}

/// Reads a commit; `None` if it is not in the repository.
///
/// # Errors
/// If the server refuses.
pub async fn commit(github: &GitHub<'_>, hash: &str) -> Result<Option<Commit>> {
    existing(github, &format!("git/commits/{hash}?stat=false&verification=false&files=false")).await
}

/// The head commit of a pull request as git fetches it. That of a closed one stays when the branch moves on.
///
/// # Errors
/// If the server refuses.
pub async fn fetched_head(github: &GitHub<'_>, number: u64) -> Result<Option<String>> {
    let name = format!("pull/{number}/head");
    let references: Option<Vec<Reference>> = existing(github, &format!("git/refs/{name}")).await?;
    let is_its = |reference: &Reference| reference.name.strip_prefix("refs/") == Some(name.as_str());
    Ok(references.into_iter().flatten().find(is_its).map(|reference| reference.object.sha))
}

/// The number of reviewers whose latest opinion is an approval.
///
/// # Errors
/// If the server refuses.
pub async fn approvals(github: &GitHub<'_>, number: u64) -> Result<usize> {
    let path = github.of_repository(&format!("pulls/{number}/reviews"));
    // The oldest comes first.
    let reviews: Vec<Review> = github.list(path, "").all().await?;
    let mut opinions = BTreeMap::new();
    for review in reviews {
        if let (Some(user), "APPROVED" | "REQUEST_CHANGES") = (review.user, review.state.as_str()) {
            opinions.insert(user.login, review.state == "APPROVED" && !review.dismissed);
        }
    }
    Ok(opinions.into_values().filter(|is_approval| *is_approval).count())
}

/// The paths of the files that a pull request changes.
///
/// # Errors
/// If the server refuses.
pub async fn changed_files(github: &GitHub<'_>, number: u64) -> Result<Vec<String>> {
    let path = github.of_repository(&format!("pulls/{number}/files"));
    let files: Vec<ChangedFile> = github.list(path, "").all().await?;
    Ok(files.into_iter().map(|file| file.filename).collect())
}

/// Reads an object of the repository; `None` if it does not exist.
async fn existing<T: DeserializeOwned>(github: &GitHub<'_>, path: &str) -> Result<Option<T>> {
    match github.read(&github.of_repository(path)).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pull(more: &serde_json::Value) -> PullRequest {
        let mut pull = json!({
            "number": 1, "title": "A change", "html_url": "http://x/1", "state": "open",
            "created_at": "2026-01-01T01:00:00+01:00", "updated_at": "2026-01-01T01:00:00Z", "user": { "login": "ada" },
            "head": { "label": "change", "ref": "change", "sha": "a", "repo_id": 1 },
            "base": { "label": "main", "ref": "main", "repo_id": 1 },
        });
        for (key, value) in more.as_object().unwrap() {
            pull[key] = value.clone();
        }
        serde_json::from_value(pull).unwrap()
    }

    #[test]
    fn draft_is_known_by_its_title_if_the_server_does_not_say_it() {
        for (more, is_draft) in [
            (json!({}), false),
            (json!({ "title": "WIP: a change" }), true),
            (json!({ "title": "[wip] a change" }), true),
            (json!({ "title": "WIP: a change", "draft": false }), false),
            (json!({ "draft": true }), true),
        ] {
            assert_eq!(pull(&more).is_draft(), is_draft, "{more}");
        }
    }

    #[test]
    fn fork_is_another_repository_one_that_was_deleted_or_none() {
        let head = |label: &str, repo_id: i64| json!({ "head": { "label": label, "sha": "a", "repo_id": repo_id } });
        assert!(!pull(&head("change", 1)).is_from_fork());
        for more in [head("change", 2), head("change", -1), head("", 1)] {
            assert!(pull(&more).is_from_fork(), "{more}");
        }
    }

    #[test]
    fn times_of_any_zone_are_read() {
        let found = pull(&json!({ "labels": null }));
        assert_eq!(String::from(found.created_at), "2026-01-01T00:00:00Z");
        assert_eq!((found.labels(), found.base.sha.as_str()), (Vec::new(), ""));
    }
}
