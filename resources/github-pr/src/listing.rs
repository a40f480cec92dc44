//! The list of pull requests, from GitHub's GraphQL API.
//!
//! A page of 100 pull requests costs one point of GitHub's rate limit for GraphQL (5,000 an hour for a user). Labels and reviews
//! cost one point more each, so they are read only if the source filters by them. See "Rate limits and query limits for the
//! GraphQL API" in GitHub's documentation.

use jetway::{Result, anyhow};
use jetway_github::GitHub;
use jetway_github::time::Time;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use crate::source::Source;
use crate::version::Version;

/// The maximum number of pages: 10,000 pull requests.
const MAX_PAGES: usize = 100;

/// How much further back than requested a list goes, because servers show changes with a delay.
const DELAY: SignedDuration = SignedDuration::from_mins(5);

/// The fields of a pull request and its head commit that a check needs.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) commit: String,
    /// The time of the commit, as the server writes it.
    pub(crate) committed: String,
    pub(crate) message: String,
    pub(crate) title: String,
    pub(crate) state: String,
    /// The time of the last change of the pull request, such as a push, a comment or a label.
    pub(crate) updated: Timestamp,
    pub(crate) is_draft: bool,
    pub(crate) is_from_fork: bool,
    pub(crate) association: String,
    pub(crate) labels: Vec<String>,
    /// `None` if they are not read yet.
    pub(crate) approvals: Option<usize>,
}

impl Head {
    /// The version of the head commit.
    pub(crate) fn version(&self) -> Version {
        Version {
            pr: self.number.to_string(),
            commit: self.commit.clone(),
            committed: self.committed.clone(),
            state: Some(self.state.clone()).filter(|state| state != "OPEN"),
            approved_review_count: None,
        }
    }

    /// Whether this is the head commit of a version.
    pub(crate) fn is_of(&self, version: &Version) -> bool {
        version.number() == Some(self.number)
            && version.commit.eq_ignore_ascii_case(&self.commit)
            && version.state() == self.state
    }
}

/// The version that a check was given, as the server knows it now.
#[derive(Debug, Clone)]
pub(crate) struct GivenVersion {
    /// Whether the version's commit is still the head.
    pub(crate) is_head: bool,
    /// The earliest time at which the commit can have become the head, according to the server.
    pub(crate) since: Timestamp,
}

/// The pull requests of a source.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Sorted by their last update, newest first.
    pub(crate) heads: Vec<Head>,
    /// The pull request of the given version, if it still exists.
    pub(crate) given: Option<GivenVersion>,
}

impl Listing {
    /// Reads the list, newest update first, and stops at pull requests that were updated before `until`.
    pub(crate) async fn read(
        github: &GitHub<'_>,
        source: &Source,
        given: Option<&Version>,
        until: Option<Timestamp>,
    ) -> Result<Self> {
        let (owner, name) = source.owner_and_name();
        let states: Vec<&str> = source.states().iter().map(|state| state.word()).collect();
        let number = given.and_then(Version::number);
        let mut listing = Self::default();
        let mut after: Option<String> = None;
        for page in 0..MAX_PAGES {
            let query = query(source, page == 0 && number.is_some());
            let mut variables = json!({
                "owner": owner, "name": name, "states": states, "base": source.base_branch(), "after": after,
            });
            if let (Some(number), 0, Some(variables)) = (number, page, variables.as_object_mut()) {
                variables.insert("given".to_owned(), json!(number));
            }
            let data: Data = github.graphql(&query, &variables, "given").await?;
            let repository = data.repository.ok_or_else(|| anyhow!("GitHub returns no repository"))?;
            if let (Some(found), Some(version)) = (repository.given, given) {
                listing.given = Some(found.of(version));
            }
            let connection = repository.pull_requests;
            listing.heads.extend(connection.nodes.into_iter().filter_map(PullRequest::head));
            let is_enough = listing.heads.last().is_some_and(|last| is_enough(last.updated, until));
            after = connection.page_info.end_cursor.filter(|_| connection.page_info.has_next_page && !is_enough);
            if after.is_none() {
                return Ok(listing);
            }
        }
        Err(anyhow!("the repository has more than {} matching pull requests", MAX_PAGES * 100))
    }
}

/// Whether a list that is read back to `until` may end with this update.
pub(crate) fn is_enough(last: Timestamp, until: Option<Timestamp>) -> bool {
    until.is_some_and(|until| last < until.checked_sub(DELAY).unwrap_or(until))
}

/// The query, with the fields that the source's filters need.
fn query(source: &Source, with_given: bool) -> String {
    let labels = if source.labels().is_empty() { "" } else { "labels(first: 100) { nodes { name } }" };
    let reviews = match source.required_approvals() {
        0 => "",
        _ => "latestOpinionatedReviews(first: 100) { nodes { state } }",
    };
    let (variable, given) = if with_given {
        (
            ", $given: Int!",
            "given: pullRequest(number: $given) {
                headRefOid createdAt
                timelineItems(last: 1, itemTypes: [HEAD_REF_FORCE_PUSHED_EVENT]) {
                    nodes { ... on HeadRefForcePushedEvent { createdAt afterCommit { oid } } }
                }
            }",
        )
    } else {
        ("", "")
    };
    format!(
        "query($owner: String!, $name: String!, $states: [PullRequestState!], $base: String, $after: String{variable}) {{
            repository(owner: $owner, name: $name) {{
                {given}
                pullRequests(first: 100, after: $after, states: $states, baseRefName: $base, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{
                    pageInfo {{ hasNextPage endCursor }}
                    nodes {{
                        number title state updatedAt isDraft isCrossRepository authorAssociation headRefOid
                        commits(last: 1) {{ nodes {{ commit {{ committedDate message }} }} }}
                        {labels} {reviews}
                    }}
                }}
            }}
        }}"
    )
}

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    #[serde(default)]
    given: Option<GivenPullRequest>,
    pull_requests: PullRequests,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequests {
    page_info: PageInfo,
    nodes: Vec<Option<PullRequest>>,
}

/// The end of a page.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageInfo {
    pub(crate) has_next_page: bool,
    pub(crate) end_cursor: Option<String>,
}

/// The nodes of a connection that has only one page.
#[derive(Debug, Deserialize)]
pub(crate) struct Nodes<T> {
    pub(crate) nodes: Vec<T>,
}

impl<T> Default for Nodes<T> {
    fn default() -> Self {
        Self { nodes: Vec::new() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequest {
    number: u64,
    title: String,
    state: String,
    updated_at: Time,
    is_draft: bool,
    is_cross_repository: bool,
    author_association: String,
    head_ref_oid: String,
    commits: Nodes<PullRequestCommit>,
    #[serde(default)]
    labels: Option<Nodes<Label>>,
    #[serde(default)]
    latest_opinionated_reviews: Option<Nodes<Review>>,
}

#[derive(Deserialize)]
struct PullRequestCommit {
    commit: Commit,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commit {
    committed_date: String,
    message: String,
}

/// A label.
#[derive(Debug, Deserialize)]
pub(crate) struct Label {
    pub(crate) name: String,
}

#[derive(Deserialize)]
struct Review {
    state: String,
}

impl PullRequest {
    /// The head of a pull request; `None` if GitHub hides it, or if it has no commit.
    fn head(pull_request: Option<Self>) -> Option<Head> {
        let found = pull_request?;
        let commit = found.commits.nodes.into_iter().next_back()?.commit;
        let reviews = found.latest_opinionated_reviews.unwrap_or_default().nodes;
        Some(Head {
            number: found.number,
            commit: found.head_ref_oid,
            committed: commit.committed_date,
            message: commit.message,
            title: found.title,
            state: found.state,
            updated: found.updated_at.0,
            is_draft: found.is_draft,
            is_from_fork: found.is_cross_repository,
            association: found.author_association,
            labels: found.labels.unwrap_or_default().nodes.into_iter().map(|label| label.name).collect(),
            approvals: Some(reviews.iter().filter(|review| review.state == "APPROVED").count()),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenPullRequest {
    head_ref_oid: String,
    created_at: Time,
    timeline_items: Nodes<ForcePush>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForcePush {
    created_at: Option<Time>,
    after_commit: Option<AfterCommit>,
}

#[derive(Deserialize)]
struct AfterCommit {
    oid: String,
}

impl GivenPullRequest {
    fn of(self, version: &Version) -> GivenVersion {
        let is = |oid: &str| version.commit.eq_ignore_ascii_case(oid);
        let pushed = self.timeline_items.nodes.into_iter().filter_map(|push| {
            let is_head = push.after_commit.is_some_and(|commit| is(&commit.oid));
            push.created_at.filter(|_| is_head).map(|time| time.0)
        });
        let since = pushed.fold(self.created_at.0, Ord::max);
        GivenVersion { is_head: is(&self.head_ref_oid), since }
    }
}
