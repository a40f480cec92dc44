//! get: the work tree of a version, and files that tell about it.

use std::path::Path;

use git2::Oid;
use jetway::{Context, Parameters, Problems, Response, Result, anyhow};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::checkout::Wanted;
use crate::git::Git;
use crate::metadata::CommitFacts;
use crate::remote::{is_branch_name, is_commit_hash};
use crate::source::Source;
use crate::version::Version;

/// What a pipeline may write under a get step's `params:`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct Params {
    /// How many generations of history to fetch; all of it when absent or 0.
    pub depth: Option<u32>,

    /// The same as `depth`, in the spelling of older pull-request resources.
    #[serde(rename = "git.depth")]
    pub git_depth: Option<u32>,

    /// Show what git does, as in the source.
    #[serde(default)]
    pub debug: bool,
}

impl Parameters for Params {
    fn rules(&self, problems: &mut Problems) {
        if let (Some(depth), Some(alias)) = (self.depth, self.git_depth)
            && depth != alias
        {
            problems.add("git.depth", "says something else than `depth`, whose other name it is");
        }
    }
}

/// Fetches a version into `destination`.
pub(crate) async fn get(
    context: &Context,
    source: &Source,
    version: Option<Version>,
    params: &Params,
    destination: &Path,
) -> Result<Response<Version>> {
    let git = Git::new(context, source, params.debug)?;
    let (reference, branch) = match version {
        Some(version) => (Some(version.reference).filter(|text| !text.is_empty()), version.branch),
        None => (None, None),
    };
    let branch = branch.filter(|branch| !branch.is_empty());
    if let Some(branch) = &branch {
        is_branch_name(branch).map_err(|problem| anyhow!("the version's branch {problem}"))?;
    }
    let commit = reference.as_deref().map(commit_of).transpose()?;
    let wanted = Wanted {
        branch: branch.as_deref().or(source.branch.as_deref()),
        commit,
        depth: params.depth.or(params.git_depth).filter(|depth| *depth > 0),
    };
    let repository = wanted.make(&git, destination).await?;
    let facts = CommitFacts::of_head(&repository, &git.remote().address)?;
    let reference = reference.unwrap_or_else(|| facts.hash().to_owned());
    facts.write_files(&repository, &reference)?;
    context.console().step(format_args!("checked out {} {}", facts.hash(), facts.subject()));
    Ok(Response { version: Version::of_commit(reference), metadata: facts.metadata() })
}

fn commit_of(reference: &str) -> Result<Oid> {
    if !is_commit_hash(reference) {
        return Err(anyhow!("version `{reference}` is not a full commit hash"));
    }
    Ok(Oid::from_str(reference)?)
}
