//! API responses: statuses, users and pull requests.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::access::is_commit_hash;
use crate::lenient;

/// A status of a commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "StatusResponse")]
pub struct Status {
    /// Gitea numbers the statuses of each commit from 1. It is 0 if the response has no id.
    pub id: u64,
    /// The URL of the status in the API.
    pub url: Option<String>,
    /// The state.
    pub state: String,
    /// The context.
    pub context: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The page that the status links to.
    pub target_url: Option<String>,
    /// The time of its creation.
    pub created_at: String,
    /// The time of its last change.
    pub updated_at: String,
    /// The user who set it.
    pub creator: Option<User>,
}

/// A status as servers send it: GitHub names its state `state`, Gitea and Forgejo name it `status`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusResponse {
    #[serde(deserialize_with = "lenient::number")]
    id: u64,
    #[serde(deserialize_with = "lenient::text")]
    url: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    state: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    status: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    context: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    description: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    target_url: Option<String>,
    #[serde(deserialize_with = "lenient::text_or_empty")]
    created_at: String,
    #[serde(deserialize_with = "lenient::text_or_empty")]
    updated_at: String,
    #[serde(deserialize_with = "user")]
    creator: Option<User>,
}

impl From<StatusResponse> for Status {
    fn from(response: StatusResponse) -> Self {
        Self {
            id: response.id,
            url: response.url,
            state: response.state.or(response.status).unwrap_or_default(),
            context: response.context,
            description: response.description,
            target_url: response.target_url,
            created_at: response.created_at,
            updated_at: response.updated_at,
            creator: response.creator,
        }
    }
}

/// The author of a status, comment or deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    /// The login.
    pub login: String,
}

/// The fields of a pull request that this crate uses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PullRequest {
    /// The number.
    pub number: u64,
    /// `open` or `closed`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub state: Option<String>,
    /// The commit to merge.
    pub head: Head,
}

/// The head of a pull request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Head {
    /// The hash of the commit.
    pub sha: String,
}

impl Status {
    /// The name of the context.
    pub fn context(&self) -> &str {
        self.context.as_deref().unwrap_or("default")
    }

    /// The login of the status's creator.
    pub fn creator(&self) -> &str {
        self.creator.as_ref().map_or("", |creator| creator.login.as_str())
    }

    /// The status's commit. A list has no field for it, so it is parsed from the status's URL.
    pub fn commit(&self) -> Option<&str> {
        let last = self.url.as_deref().and_then(|url| url.trim_end_matches('/').rsplit('/').next());
        last.filter(|hash| is_commit_hash(hash))
    }

    /// A key that sorts statuses by time. The id alone does not, because Gitea numbers them per commit.
    pub fn order(&self) -> (i64, u64) {
        let time = self.created_at.parse::<Timestamp>().map_or(0, Timestamp::as_second);
        (time, self.id)
    }
}

/// Whether a gate with these `creators` counts statuses of this user. An empty list counts every user.
pub fn counts_from(creators: &[String], login: &str) -> bool {
    creators.is_empty() || creators.iter().any(|creator| creator.trim().eq_ignore_ascii_case(login))
}

/// Deserializes a user; `None` if it has no login.
pub fn user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<User>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let login = value.get("login").and_then(Value::as_str).filter(|login| !login.is_empty());
    Ok(login.map(|login| User { login: login.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(value: Value) -> Status {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn reads_a_status_with_missing_fields_and_other_types() {
        let read = status(json!({ "id": "7", "state": "success", "creator": "octo", "updated_at": 1, "url": {} }));
        assert_eq!((read.id, read.state.as_str(), read.updated_at.as_str()), (7, "success", "1"));
        assert_eq!((read.creator(), read.url.clone(), read.created_at.as_str()), ("", None, ""));
        assert_eq!(status(json!({})).id, 0);
    }

    #[test]
    fn reads_the_state_from_the_status_key_of_gitea() {
        assert_eq!(status(json!({ "id": 1, "status": "failure" })).state, "failure");
        assert_eq!(status(json!({ "id": 1, "state": "success", "status": "failure" })).state, "success");
    }
}
