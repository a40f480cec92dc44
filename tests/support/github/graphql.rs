//! The GraphQL API: pull requests, their commits, labels, reviews, events and files.
//!
//! Objects and fields are those of GitHub's reference (<https://docs.github.com/graphql/reference/objects>, `PullRequest`,
//! `Repository`, `Commit`...), of which `FIELDS` lists what a test may ask for. Errors and limits are those of its guides
//! "Rate limits and query limits for the GraphQL API" and "Forming calls with GraphQL". `query.rs` parses and executes.

mod query;

use serde_json::{Map, Value, json};

use self::query::{Arguments, Failure};
use super::State;
use crate::stand_in::{RecordedRequest, Response};

/// A pull request, as tests describe it.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// The hash of its head commit.
    pub head: String,
    /// The branch of the head.
    pub head_name: String,
    /// The base branch.
    pub base: String,
    /// The head commit of the base branch.
    pub base_sha: String,
    /// `OPEN`, `MERGED` or `CLOSED`.
    pub state: &'static str,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// Whether its branch is in a fork.
    pub is_from_fork: bool,
    /// The author's association with the repository: `MEMBER`, `NONE`...
    pub association: &'static str,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// Reviewers, and the state of the latest opinion of each.
    pub reviews: Vec<(String, &'static str)>,
    /// The paths of the files that it changes.
    pub files: Vec<String>,
    /// The message of the head commit.
    pub message: String,
    /// The time of the head commit.
    pub committed: String,
    /// The name and address of the head commit's author.
    pub author: (String, String),
    /// When it was opened; empty for the time at which it is added.
    pub created: String,
    /// When it was updated last, which the server sets.
    pub updated: String,
    /// The time and the new head of the last force-push.
    pub forced: Option<(String, String)>,
}

impl PullRequest {
    /// Creates an open pull request into `main`.
    pub fn new(number: u64, head: &str) -> Self {
        Self {
            number,
            title: format!("Change {number}"),
            head: head.to_owned(),
            head_name: format!("topic-{number}"),
            base: "main".to_owned(),
            base_sha: super::commit(1),
            state: "OPEN",
            is_draft: false,
            is_from_fork: false,
            association: "MEMBER",
            labels: Vec::new(),
            reviews: Vec::new(),
            files: vec!["README.md".to_owned()],
            message: format!("change {number}\n\nin two paragraphs"),
            committed: "2026-01-01T09:00:00Z".to_owned(),
            author: ("Ada Fixture".to_owned(), "ada@example.com".to_owned()),
            created: String::new(),
            updated: String::new(),
            forced: None,
        }
    }

    /// Sets the time of the commit.
    #[must_use]
    pub fn committed(mut self, time: &str) -> Self {
        time.clone_into(&mut self.committed);
        self
    }

    fn commit(&self) -> Value {
        let (name, email) = &self.author;
        json!({
            "__typename": "Commit", "oid": self.head, "message": self.message, "committedDate": self.committed,
            "author": { "__typename": "GitActor", "name": name, "email": email, "user": user("ada") },
        })
    }

    fn value(&self, repository: &str) -> Value {
        let list = |of: &str, nodes: Vec<Value>| json!({ "__list": of, "nodes": nodes });
        let labels = self.labels.iter().map(|name| json!({ "__typename": "Label", "name": name })).collect();
        let reviews = self
            .reviews
            .iter()
            .map(|(login, state)| json!({ "__typename": "PullRequestReview", "state": state, "author": user(login) }));
        let files =
            self.files.iter().map(|path| json!({ "__typename": "PullRequestChangedFile", "path": path })).collect();
        let events = self.forced.iter().map(|(time, head)| {
            let commit = json!({ "__typename": "Commit", "oid": head });
            json!({ "__typename": "HeadRefForcePushedEvent", "createdAt": time, "afterCommit": commit })
        });
        let commits = vec![json!({ "__typename": "PullRequestCommit", "commit": self.commit() })];
        json!({
            "__typename": "PullRequest",
            "number": self.number,
            "title": self.title,
            "url": format!("https://github.example/{repository}/pull/{}", self.number),
            "state": self.state,
            "isDraft": self.is_draft,
            "isCrossRepository": self.is_from_fork,
            "authorAssociation": self.association,
            "author": user("octo-dev"),
            "headRefOid": self.head,
            "headRefName": self.head_name,
            "baseRefOid": self.base_sha,
            "baseRefName": self.base,
            "createdAt": self.created,
            "updatedAt": self.updated,
            "commits": list("PullRequestCommit", commits),
            "labels": list("Label", labels),
            "latestOpinionatedReviews": list("PullRequestReview", reviews.collect()),
            "files": list("PullRequestChangedFile", files),
            "timelineItems": list("PullRequestTimelineItems", events.collect()),
        })
    }
}

fn user(login: &str) -> Value {
    json!({ "__typename": "User", "login": login })
}

impl State {
    /// Adds or replaces a pull request, which is updated now.
    pub(super) fn put_pull(&mut self, mut pull: PullRequest) {
        self.clock += 60;
        let (minutes, hours) = (self.clock / 60 % 60, self.clock / 3600);
        let now = format!("2026-01-{:02}T{:02}:{minutes:02}:00Z", 2 + hours / 24, hours % 24);
        if pull.created.is_empty() {
            pull.created.clone_from(&now);
        }
        pull.updated = now;
        if !self.commits.contains(&pull.head) {
            self.commits.push(pull.head.clone());
        }
        self.pulls.retain(|known| known["number"] != pull.number);
        self.pulls.push(json!({
            "number": pull.number, "state": pull.state.to_lowercase(),
            "head": { "sha": pull.head, "ref": pull.head_name }, "base": { "ref": pull.base, "sha": pull.base_sha },
        }));
        self.graph.retain(|known| known.number != pull.number);
        self.graph.push(pull);
    }

    /// Executes a query.
    pub(super) fn graphql(&mut self, request: &RecordedRequest) -> Response {
        let body = request.json();
        let text = body["query"].as_str().unwrap_or_default();
        let variables = body["variables"].as_object().cloned().unwrap_or_default();
        let outcome = query::execute(text, &variables, &|kind, field, value, arguments| {
            self.field(kind, field, value, arguments)
        });
        match outcome {
            Ok((data, errors, connections)) => {
                // "Calculating points for GraphQL API requests": the requests for all connections, divided by 100 and rounded.
                self.points += ((connections + 50) / 100).max(1);
                if errors.is_empty() {
                    Response::json(200, &json!({ "data": data }))
                } else {
                    Response::json(200, &json!({ "data": data, "errors": errors }))
                }
            }
            Err(Failure(message)) => {
                self.problems.push(format!("GraphQL: {message} in {text}"));
                Response::json(200, &json!({ "errors": [{ "message": message }] }))
            }
        }
    }

    /// The value of a field that is computed; `None` if the object contains the field itself.
    fn field(&self, kind: &str, field: &str, value: &Value, arguments: &Arguments) -> Option<Value> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        match (kind, field) {
            ("Query", "viewer") => Some(user(&self.login)),
            ("Query", "repository") => {
                let named = format!("{}/{}", text("owner"), text("name"));
                if !named.eq_ignore_ascii_case(super::REPOSITORY) {
                    // opencost/opencost-ui issue 36 and others quote it.
                    return Some(missing(&format!("Could not resolve to a Repository with the name '{named}'.")));
                }
                Some(json!({ "__typename": "Repository" }))
            }
            ("Repository", "pullRequest") => {
                let number = arguments.get("number").and_then(Value::as_u64).unwrap_or_default();
                let found = self.graph.iter().find(|pull| pull.number == number);
                let gone = || missing(&format!("Could not resolve to a PullRequest with the number of {number}."));
                Some(found.map_or_else(gone, |pull| pull.value(super::REPOSITORY)))
            }
            ("Repository", "object") => {
                let oid = text("oid");
                let found = self.graph.iter().find(|pull| pull.head == oid).map(PullRequest::commit);
                // A commit of a branch.
                let of_branch = || {
                    let is_known = self.commits.iter().any(|known| known == oid);
                    is_known.then(|| json!({ "__typename": "Commit", "oid": oid, "message": "", "committedDate": "2026-01-01T08:00:00Z" }))
                };
                Some(found.or_else(of_branch).unwrap_or_default())
            }
            ("Commit", "associatedPullRequests") => {
                let of_it = self.graph.iter().filter(|pull| value["oid"] == pull.head.as_str());
                let nodes: Vec<Value> = of_it.map(|pull| pull.value(super::REPOSITORY)).collect();
                Some(json!({ "__list": "PullRequest", "nodes": nodes }))
            }
            ("Repository", "pullRequests") => {
                let states: Vec<&str> = arguments
                    .get("states")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let is_listed = |pull: &&PullRequest| {
                    (states.is_empty() || states.contains(&pull.state))
                        && (text("baseRefName").is_empty() || pull.base == text("baseRefName"))
                };
                let mut pulls: Vec<&PullRequest> = self.graph.iter().filter(is_listed).collect();
                if let Some(order) = arguments.get("orderBy") {
                    assert_eq!(order["field"], "UPDATED_AT");
                    pulls.sort_by_key(|pull| (pull.updated.clone(), pull.number));
                    if order["direction"] == "DESC" {
                        pulls.reverse();
                    }
                }
                let nodes: Vec<Value> = pulls.into_iter().map(|pull| pull.value(super::REPOSITORY)).collect();
                Some(json!({ "__list": "PullRequest", "nodes": nodes }))
            }
            _ => None,
        }
    }
}

/// The error for an object that does not exist.
fn missing(message: &str) -> Value {
    json!({ "__missing": message })
}

/// The fields of each type, with the types of their values: empty for a scalar, `[T]` for a connection of `T`.
const FIELDS: [(&str, &[(&str, &str)]); 14] = [
    ("Query", &[("viewer", "User"), ("repository", "Repository")]),
    (
        "Repository",
        &[
            ("pullRequest", "PullRequest"),
            ("pullRequests", "[PullRequest]"),
            ("object", "Commit"),
            ("url", ""),
            ("nameWithOwner", ""),
        ],
    ),
    (
        "PullRequest",
        &[
            ("number", ""),
            ("title", ""),
            ("url", ""),
            ("state", ""),
            ("isDraft", ""),
            ("isCrossRepository", ""),
            ("authorAssociation", ""),
            ("author", "User"),
            ("headRefOid", ""),
            ("headRefName", ""),
            ("baseRefOid", ""),
            ("baseRefName", ""),
            ("createdAt", ""),
            ("updatedAt", ""),
            ("commits", "[PullRequestCommit]"),
            ("labels", "[Label]"),
            ("latestOpinionatedReviews", "[PullRequestReview]"),
            ("files", "[PullRequestChangedFile]"),
            ("timelineItems", "[PullRequestTimelineItems]"),
        ],
    ),
    ("PullRequestCommit", &[("commit", "Commit")]),
    (
        "Commit",
        &[
            ("oid", ""),
            ("message", ""),
            ("committedDate", ""),
            ("author", "GitActor"),
            ("associatedPullRequests", "[PullRequest]"),
        ],
    ),
    ("GitActor", &[("name", ""), ("email", ""), ("user", "User")]),
    ("User", &[("login", "")]),
    ("Label", &[("name", "")]),
    ("PullRequestReview", &[("state", ""), ("author", "User")]),
    ("PullRequestChangedFile", &[("path", "")]),
    ("HeadRefForcePushedEvent", &[("createdAt", ""), ("afterCommit", "Commit")]),
    ("PullRequestTimelineItems", &[]),
    ("PageInfo", &[("hasNextPage", ""), ("endCursor", ""), ("hasPreviousPage", ""), ("startCursor", "")]),
    ("", &[]),
];

/// The type of a field's value; `None` if the type has no such field.
fn type_of(kind: &str, field: &str) -> Option<&'static str> {
    let (_, fields) = FIELDS.iter().find(|(name, _)| *name == kind)?;
    fields.iter().find(|(name, _)| *name == field).map(|(_, kind)| *kind)
}

/// The variables of a query.
type Variables = Map<String, Value>;
