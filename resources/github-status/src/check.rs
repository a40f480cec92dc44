//! check: lists the statuses of the followed commits.

use anyhow::anyhow;
use jetway::{Advise as _, Context, Result};

use crate::deployment;
use crate::github::GitHub;
use crate::source::{Followed, Source};
use crate::version::Version;
use jetway_github::error_response::{NotApiResponse, is_gone};
use jetway_github::responses::{PullRequest, Status, counts_from};
use jetway_github::server::escape_value;
use jetway_github::state::State;
use jetway_github::with_api;

/// Returns the versions from `version` on, oldest first.
pub(crate) async fn check(context: &Context, source: &Source, version: Option<Version>) -> Result<Vec<Version>> {
    let github = GitHub::for_check(context, source)?;
    let known = version.filter(|version| !version.commit.is_empty());
    let versions = with_api(&github, async || match &source.deployment {
        Some(gate) => deployment::versions(&github, gate, known.clone()).await,
        None => statuses(&github, known.clone()).await,
    });
    let versions = versions.await;
    if versions.is_ok() {
        github.finish_check();
    }
    versions
}

async fn statuses(github: &GitHub<'_>, known: Option<Version>) -> Result<Vec<Version>> {
    // The version of a deployment, given after the source was changed, is not a status.
    let known = known.filter(|version| version.deployment.is_none());
    let known = known.as_ref().and_then(|version| {
        let status = version.status.as_ref()?.parse().ok()?;
        Some(KnownStatus { version, status })
    });
    match github.source().followed() {
        Followed::Commit(commit) => of_commit(github, commit, known).await,
        Followed::Ref(reference) => of_commit(github, reference, known).await.map_err(|error| {
            if is_gone(&error) && github.source().branch.is_none() {
                error.hint("`branch` defaults to `master`; set `branch` in the source")
            } else {
                error
            }
        }),
        Followed::PullRequests(base) => of_pull_requests(github, base, known).await,
    }
}

/// The version that was given to the check, and its status.
#[derive(Clone, Copy)]
struct KnownStatus<'v> {
    version: &'v Version,
    status: u64,
}

impl KnownStatus<'_> {
    /// Whether this is the known status. The id alone is ambiguous on Gitea, which numbers the statuses of each commit from 1.
    fn is(self, commit: &str, status: &Status) -> bool {
        self.status == status.id && self.version.commit.eq_ignore_ascii_case(commit)
    }
}

/// The versions of the commit that `reference` resolves to.
async fn of_commit(github: &GitHub<'_>, reference: &str, known: Option<KnownStatus<'_>>) -> Result<Vec<Version>> {
    let found = StatusSearch::run(github, reference, known).await?;
    let versions = found.statuses.iter().rev().map(|(commit, status)| Version::of_status(commit, status.id));
    let (Some(known), false) = (known, found.has_known) else { return Ok(versions.collect()) };
    // The branch has a new head. The known version stays valid as long as GitHub has its status.
    let before = find_known(github, known).await?.map(|_| known.version.clone());
    Ok(before.into_iter().chain(versions).collect())
}

/// The versions of the head commits of open pull requests.
async fn of_pull_requests(
    github: &GitHub<'_>,
    base: Option<&str>,
    known: Option<KnownStatus<'_>>,
) -> Result<Vec<Version>> {
    let base = base.map(|base| format!("&base={}", escape_value(base))).unwrap_or_default();
    let requests: Vec<PullRequest> =
        github.list(github.of_repository("pulls"), &format!("state=open{base}")).all().await?;
    let mut order_of_known = None;
    let mut all = Vec::new();
    // GitHub asks clients to send requests serially.
    for request in requests {
        let found = StatusSearch::run(github, &request.head.sha, known).await?;
        for (commit, status) in found.statuses {
            if known.is_some_and(|known| known.is(&commit, &status)) {
                order_of_known = Some(status.order());
            }
            let version = Version { pr: Some(request.number.to_string()), ..Version::of_status(&commit, status.id) };
            all.push((status.order(), version));
        }
    }
    all.sort_by_key(|(order, _)| *order);
    let mut before = None;
    if let Some(known) = known
        && order_of_known.is_none()
        && let Some(status) = find_known(github, known).await?
    {
        order_of_known = Some(status.order());
        before = Some(known.version.clone());
    }
    if known.is_none() {
        all = all.pop().into_iter().collect();
    }
    all.retain(|(order, _)| order_of_known.is_none_or(|known| *order >= known));
    Ok(before.into_iter().chain(all.into_iter().map(|(_, version)| version)).collect())
}

/// The matching statuses of one commit, each with its commit.
struct StatusSearch {
    /// Newest first.
    statuses: Vec<(String, Status)>,
    /// Whether the known status is among them.
    has_known: bool,
}

impl StatusSearch {
    /// Reads pages until the known status is found, or until the first match if no status is known.
    async fn run(github: &GitHub<'_>, reference: &str, known: Option<KnownStatus<'_>>) -> Result<Self> {
        let source = github.source();
        let mut found = Self { statuses: Vec::new(), has_known: false };
        let mut gate = source.gate.as_ref().map(|gate| (gate, false));
        let mut pages = github.statuses(reference);
        let mut commit = None;
        while let Some(mut page) = pages.next().await? {
            // Gitea orders statuses of the same second at random.
            page.sort_by_key(|status| std::cmp::Reverse(status.order()));
            for status in page {
                let hash = match (status.commit(), &commit) {
                    (Some(hash), _) => hash.to_owned(),
                    (None, Some(hash)) => String::clone(hash),
                    (None, None) => commit.insert(github.commit_of(reference).await?).clone(),
                };
                let is_known = known.is_some_and(|known| known.is(&hash, &status));
                let counts = source.follows_context(status.context())
                    && match &mut gate {
                        None => true,
                        // Only the newest status of a context counts, because any creator can withdraw an approval.
                        Some((_, true)) => false,
                        Some((gate, decided)) => {
                            *decided = true;
                            State::parse(&gate.state).is_some_and(|state| state.word() == status.state)
                                && counts_from(&gate.creators, status.creator())
                        }
                    };
                // A later get finds the status by its id.
                if counts && status.id == 0 {
                    return Err(anyhow!("a status of {hash} has no `id`").context(NotApiResponse));
                }
                if is_known || counts {
                    found.statuses.push((hash, status));
                }
                if is_known {
                    found.has_known = true;
                    return Ok(found);
                }
                if known.is_none() && counts {
                    return Ok(found);
                }
            }
            if known.is_none() && gate.is_some_and(|(_, decided)| decided) {
                break;
            }
        }
        Ok(found)
    }
}

/// Finds the known status, if GitHub still has it.
async fn find_known(github: &GitHub<'_>, known: KnownStatus<'_>) -> Result<Option<Status>> {
    if !jetway_github::access::is_commit_hash(&known.version.commit) {
        return Ok(None);
    }
    match github.statuses(&known.version.commit).find(|status| status.id == known.status).await {
        Err(error) if is_gone(&error) => Ok(None),
        found => found,
    }
}
