//! check: which versions are there?

use git2::Oid;
use jetway::{Context, Result, anyhow};

use crate::commit_filter::MessageFilter;
use crate::git::{Git, NoDefaultBranch};
use crate::history::History;
use crate::label_search;
use crate::labels::Followed;
use crate::remote::{NO_SHA256, is_abbreviated_hash, is_commit_hash, is_sha256};
use crate::source::Source;
use crate::version::Version;

/// The versions from `version` on, oldest first.
pub(crate) async fn check(context: &Context, source: &Source, version: Option<Version>) -> Result<Vec<Version>> {
    match search(context, source, version).await {
        // A repository that waits for its first push has no versions; that is no failure.
        Err(error) if error.chain().any(<dyn std::error::Error>::is::<NoDefaultBranch>) => {
            context.console().warn(format_args!("`{}` has no commits yet", source.remote().address));
            Ok(Vec::new())
        }
        outcome => outcome,
    }
}

async fn search(context: &Context, source: &Source, version: Option<Version>) -> Result<Vec<Version>> {
    let git = Git::new(context, source, false).await?;
    let version = version.and_then(Version::filled);
    match source.followed()? {
        Followed::Commits => commits(&git, source, version).await,
        followed => label_search::search(&git, source, &followed, version.as_ref()).await,
    }
}

/// The commits of the branch from `version` on.
///
/// The server is asked for the branch's tip first. When that is the known version, or when nothing needs to be read to
/// know that it is a version, its answer is all that is fetched.
async fn commits(git: &Git<'_>, source: &Source, version: Option<Version>) -> Result<Vec<Version>> {
    // A tag, from before `tag_filter` was taken out, stands for its commit.
    let known = version.map(|version| version.commit.unwrap_or(version.reference));
    let every_commit_counts = MessageFilter::of(source)?.passes_everything() && source.pathspecs().is_empty();
    let mut server_tip = None;
    if known.is_some() || (every_commit_counts && source.version_depth == 1) {
        let tip = git.remote_tip(source.branch.as_deref()).await?;
        if known.as_ref().is_none_or(|known| *known == tip) {
            return Ok(vec![Version::of_commit(tip)]);
        }
        if is_sha256(&tip) {
            return Err(anyhow!(NO_SHA256));
        }
        server_tip = Oid::from_str(&tip).ok();
    }
    let mut history = History::open(git, source)?;
    let known = match known {
        Some(known) => commit_of(git.context(), &history, &known).await?,
        None => None,
    };
    let found = history.search(known, server_tip).await?;
    let versions = known.filter(|_| found.known_is_there).into_iter().chain(found.commits);
    Ok(versions.map(|commit| Version::of_commit(commit.to_string())).collect())
}

/// The commit that a version names, by its hash or the beginning of it.
async fn commit_of(context: &Context, history: &History<'_>, reference: &str) -> Result<Option<Oid>> {
    let (found, why) = if is_commit_hash(reference) {
        (Some(Oid::from_str(reference)?), "")
    } else if is_abbreviated_hash(reference) {
        (history.resolve(reference).await?, "no commit of the branch")
    } else {
        (None, "not a commit hash")
    };
    if found.is_none() {
        context.console().warn(format_args!("version `{reference}` is {why}; going on from the newest commit"));
    }
    Ok(found)
}
