//! check: what has been said of the commits that are followed?

use jetway::{Advise as _, Context, Result};

use crate::deployment;
use crate::github::{GitHub, PullRequest, Status, escape_value, is_gone};
use crate::source::{Followed, Source};
use crate::state::State;
use crate::version::Version;

/// The versions from `version` on, oldest first.
pub(crate) async fn check(context: &Context, source: &Source, version: Option<Version>) -> Result<Vec<Version>> {
    let github = GitHub::for_check(context, source)?;
    let known = version.filter(|version| !version.commit.is_empty());
    let versions = match &source.deployment {
        Some(gate) => deployment::versions(&github, gate, known).await,
        None => statuses(&github, known).await,
    };
    if versions.is_ok() {
        github.finish_check();
    }
    versions
}

async fn statuses(github: &GitHub<'_>, known: Option<Version>) -> Result<Vec<Version>> {
    // A version of a deployment, from before the source was changed, is none of these.
    let known = known.filter(|version| version.deployment.is_none());
    let known = known.as_ref().and_then(|version| {
        let status = version.status.as_ref()?.parse().ok()?;
        Some(Known { version, status })
    });
    match github.source().followed() {
        Followed::Commit(commit) => of_commit(github, commit, known).await,
        Followed::Ref(reference) => of_commit(github, reference, known).await.map_err(|error| {
            if is_gone(&error) && github.source().branch.is_none() {
                error.hint("`branch` is `master` when the source names none")
            } else {
                error
            }
        }),
        Followed::PullRequests(base) => of_pull_requests(github, base, known).await,
    }
}

/// The version that the check was given, and its status.
#[derive(Clone, Copy)]
struct Known<'v> {
    version: &'v Version,
    status: u64,
}

/// The versions of the commit that `reference` names.
async fn of_commit(github: &GitHub<'_>, reference: &str, known: Option<Known<'_>>) -> Result<Vec<Version>> {
    let found = Found::search(github, reference, known.map(|known| known.status)).await?;
    let (Some(known), false) = (known, found.has_known) else { return found.versions(None) };
    // The branch has moved on since; the version stays one for as long as GitHub has it.
    let before = is_there(github, known).await?.then(|| known.version.clone());
    Ok(before.into_iter().chain(found.versions(None)?).collect())
}

/// The versions of the newest commits of open pull requests.
async fn of_pull_requests(github: &GitHub<'_>, base: Option<&str>, known: Option<Known<'_>>) -> Result<Vec<Version>> {
    let base = base.map(|base| format!("&base={}", escape_value(base))).unwrap_or_default();
    let requests: Vec<PullRequest> =
        github.list(github.of_repository("pulls"), &format!("state=open{base}")).all().await?;
    let mut has_known = false;
    let mut all = Vec::new();
    // One after the other, as GitHub asks for.
    for request in requests {
        let found = Found::search(github, &request.head.sha, known.map(|known| known.status)).await?;
        has_known |= found.has_known;
        let number = request.number.to_string();
        all.extend(found.statuses.into_iter().map(|status| (status, number.clone())));
    }
    // Numbers of statuses grow over all commits.
    all.sort_by_key(|(status, _)| status.id);
    all.retain(|(status, _)| known.is_none_or(|known| status.id >= known.status));
    if known.is_none() {
        all = all.pop().into_iter().collect();
    }
    let before = match known {
        Some(known) if !has_known && is_there(github, known).await? => Some(known.version.clone()),
        _ => None,
    };
    let versions: Result<Vec<Version>> =
        all.iter().map(|(status, number)| version_of(status, Some(number.clone()))).collect();
    Ok(before.into_iter().chain(versions?).collect())
}

/// The statuses of one commit that count.
struct Found {
    /// Newest first.
    statuses: Vec<Status>,
    /// Whether the known version is among them.
    has_known: bool,
}

impl Found {
    /// Reads no more pages than it takes: to the known status, or else to the first one that counts.
    async fn search(github: &GitHub<'_>, reference: &str, known: Option<u64>) -> Result<Self> {
        let source = github.source();
        let mut found = Self { statuses: Vec::new(), has_known: false };
        let mut gate = source.gate.as_ref().map(|gate| (gate, false));
        let mut pages = github.statuses(reference);
        while let Some(page) = pages.next().await? {
            for status in page {
                let is_known = known == Some(status.id);
                let counts = source.follows_context(status.context())
                    && match &mut gate {
                        None => true,
                        // Only the newest word of the context counts, whoever says it: a go can be taken back.
                        Some((_, true)) => false,
                        Some((gate, decided)) => {
                            *decided = true;
                            State::parse(&gate.state).is_some_and(|state| state.word() == status.state)
                                && counts_from(&gate.creators, status.creator())
                        }
                    };
                if is_known || counts {
                    found.statuses.push(status);
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

    /// Oldest first.
    fn versions(&self, number: Option<&str>) -> Result<Vec<Version>> {
        self.statuses.iter().rev().map(|status| version_of(status, number.map(str::to_owned))).collect()
    }
}

/// Whether the word of somebody counts.
pub(crate) fn counts_from(creators: &[String], login: &str) -> bool {
    creators.is_empty() || creators.iter().any(|creator| creator.trim().eq_ignore_ascii_case(login))
}

fn version_of(status: &Status, pr: Option<String>) -> Result<Version> {
    Ok(Version { pr, ..Version::of_status(&status.commit()?, status.id) })
}

/// Whether GitHub still has a version.
async fn is_there(github: &GitHub<'_>, known: Known<'_>) -> Result<bool> {
    if !crate::checkout::is_commit_hash(&known.version.commit) {
        return Ok(false);
    }
    match github.statuses(&known.version.commit).find(|status| status.id == known.status).await {
        Ok(found) => Ok(found.is_some()),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
