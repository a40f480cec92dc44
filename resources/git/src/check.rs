//! check: lists the given version and the newer ones.

use git2::Oid;
use jetway::{Context, Result};
use jetway_git_client::Git;
use jetway_git_client::object_id::object_id;
use jetway_git_client::source::remote::{is_abbreviated_hash, is_commit_hash};
use jetway_git_client::transport::refusal::{NoDefaultBranch, no_default_branch};

use crate::history::branches;
use crate::history::commits::History;
use crate::history::labels;
use crate::history::message_filter::MessageFilter;
use crate::source::Source;
use crate::source::followed::Followed;
use crate::version::Version;

/// Lists `version` and the newer versions, oldest first.
pub(crate) async fn check(context: &Context, source: &Source, version: Option<Version>) -> Result<Vec<Version>> {
    source.warn(context.console());
    let git = Git::new(context, &source.access(), false).await?;
    let followed = source.followed()?;
    if let Followed::Branches(names) = &followed {
        return branches::check(&git, names, version).await;
    }
    let version = version.and_then(Version::filled);
    match followed {
        Followed::Commits => match commits(&git, source, version).await {
            Err(error) if error.chain().any(<dyn std::error::Error>::is::<NoDefaultBranch>) => no_versions(&git).await,
            outcome => outcome,
        },
        followed => labels::search(&git, source, &followed, version.as_ref()).await,
    }
}

/// Returns no versions for an empty repository. Fails if the repository has branches, but its HEAD names a missing one.
async fn no_versions(git: &Git<'_>) -> Result<Vec<Version>> {
    let address = &git.remote().address;
    let branches = git.remote_refs(&["refs/heads/".to_owned()], None).await?;
    if !branches.is_empty() {
        return Err(no_default_branch(address, &branches));
    }
    git.context().console().warn(format_args!("`{address}` has no commits yet"));
    Ok(Vec::new())
}

/// Lists `version` and the newer commits of the branch.
///
/// Asks the server for the tip of the branch first. Fetches nothing if the tip is the known version, or if only the tip
/// is wanted and no filter has to read it.
async fn commits(git: &Git<'_>, source: &Source, version: Option<Version>) -> Result<Vec<Version>> {
    // The known version may be a tag from before `tag_filter` was removed: use its commit.
    let known = version.map(|version| version.commit.unwrap_or(version.reference));
    let is_unfiltered = MessageFilter::of(source)?.passes_everything() && source.pathspecs().is_empty();
    let mut server_tip = None;
    if known.is_some() || (is_unfiltered && source.version_depth == 1) {
        let tip = git.remote_tip(source.branch.as_deref()).await?;
        if known.as_ref().is_none_or(|known| *known == tip) {
            return Ok(vec![Version::of_commit(tip)]);
        }
        server_tip = Some(object_id(&tip)?);
    }
    let mut history = History::open(git, source, server_tip.map(|tip| tip.object_format()))?;
    let known = match known {
        Some(known) => commit_of(git.context(), &history, &known).await?,
        None => None,
    };
    let found = history.search(known, server_tip).await?;
    let versions = known.filter(|_| found.known_is_on_branch).into_iter().chain(found.commits);
    Ok(versions.map(|commit| Version::of_commit(commit.to_string())).collect())
}

/// Resolves a version, a full or abbreviated hash, to a commit.
async fn commit_of(context: &Context, history: &History<'_>, reference: &str) -> Result<Option<Oid>> {
    let (found, why) = if is_commit_hash(reference) {
        let commit = object_id(reference)?;
        let is_possible = commit.object_format() == history.object_format();
        (Some(commit).filter(|_| is_possible), "a hash in another object format than the repository's")
    } else if is_abbreviated_hash(reference) {
        (history.resolve(reference).await?, "not a commit of the branch")
    } else {
        (None, "not a commit hash")
    };
    if found.is_none() {
        context.console().warn(format_args!("version `{reference}` is {why}; continuing from the newest commit"));
    }
    Ok(found)
}
