//! Comments on pull requests.

use anyhow::{Context as _, anyhow};
use jetway::http::{Method, StatusCode};
use jetway::{Advise as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::credentials::{app, as_app};
use crate::error_response::{error_status, explained, is_gone};
use crate::gitea::open_pull_request_of;
use crate::github::GitHub;
use crate::lenient;
use crate::responses::{self, PullRequest, User};

/// A comment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Comment {
    /// The id.
    #[serde(deserialize_with = "lenient::number")]
    pub id: u64,
    /// The page of the comment.
    #[serde(deserialize_with = "lenient::text")]
    pub html_url: Option<String>,
    /// The text.
    #[serde(deserialize_with = "lenient::text")]
    pub body: Option<String>,
    /// The time of its creation.
    #[serde(deserialize_with = "lenient::text_or_empty")]
    pub created_at: String,
    /// The time of its last change.
    #[serde(deserialize_with = "lenient::text_or_empty")]
    pub updated_at: String,
    /// The author.
    #[serde(deserialize_with = "responses::user")]
    pub user: Option<User>,
}

/// Finds the open pull request with this head commit.
pub async fn pull_request_of(github: &GitHub<'_>, commit: &str) -> Result<u64> {
    let none = || anyhow!("no open pull request has the head commit {commit}, and only pull requests have comments");
    if github.is_gitea() {
        let found = open_pull_request_of(github, commit).await;
        return found.with_context(|| format!("cannot find the pull request of {commit}"))?.ok_or_else(none);
    }
    let requests = github.list::<PullRequest>(github.of_repository(&format!("commits/{commit}/pulls")), "").all().await;
    let requests = requests.with_context(|| format!("cannot find the pull request of {commit}"))?;
    let is_its_head = |request: &&PullRequest| {
        request.head.sha == commit && request.state.as_deref().is_none_or(|state| state == "open")
    };
    let found = requests.iter().find(is_its_head).map(|request| request.number);
    found.ok_or_else(none)
}

/// Adds a comment.
pub async fn add(github: &GitHub<'_>, number: u64, body: &str) -> Result<Comment> {
    let path = github.of_repository(&format!("issues/{number}/comments"));
    github
        .created(github.request(&Method::POST, &path).json(&json!({ "body": body })))
        .await
        .with_context(|| format!("cannot add a comment to pull request {number}"))
}

/// Deletes the earlier comments of this login, and returns how many it deleted.
pub async fn delete_ours(github: &GitHub<'_>, number: u64) -> Result<usize> {
    let work = async {
        let path = github.of_repository(&format!("issues/{number}/comments"));
        let comments: Vec<Comment> = github.list(path, "").all().await?;
        if comments.is_empty() {
            return Ok(0);
        }
        let login = login(github).await.context("cannot get the login of the token")?;
        let mut deleted = 0;
        for comment in comments {
            if comment.user.is_some_and(|user| user.login.eq_ignore_ascii_case(&login)) {
                let path = github.of_repository(&format!("issues/comments/{}", comment.id));
                match github.send(github.request(&Method::DELETE, &path)).await {
                    Ok(_) => deleted += 1,
                    // Another client deleted the comment first.
                    Err(error) if is_gone(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(deleted)
    };
    work.await.with_context(|| format!("cannot delete the previous comments on pull request {number}"))
}

/// The login that the token's comments have. The login of an App ends with `[bot]`.
async fn login(github: &GitHub<'_>) -> Result<String> {
    #[derive(Deserialize)]
    struct App {
        slug: String,
    }
    #[derive(Deserialize)]
    struct Author {
        data: Option<Data>,
    }
    #[derive(Deserialize)]
    struct Data {
        viewer: User,
    }
    if let Some((id, private_key)) = app(github.access()) {
        let response = as_app(github.request(&Method::GET, "/app"), id, private_key)?.send().await;
        let app: App = explained(response, github.access().hints)?.json().await?;
        return Ok(format!("{}[bot]", app.slug));
    }
    match github.read::<User>("/user").await {
        Ok(user) => Ok(user.login),
        // An installation token belongs to no user. The GraphQL API returns the App's login.
        Err(error) if error_status(&error) == Some(StatusCode::FORBIDDEN) && !github.is_gitea() => {
            let request = github
                .server()
                .request_to(&Method::POST, &github.server().graphql())
                .json(&json!({ "query": "{ viewer { login } }" }))
                .repeatable();
            let response: Author = github.send(request).await?.json().await?;
            response
                .data
                .map(|data| data.viewer.login)
                .ok_or_else(|| error.hint("GitHub does not return the login of the token"))
        }
        Err(error) => Err(error),
    }
}
