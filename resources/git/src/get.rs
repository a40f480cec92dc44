//! get: the work tree of a version, and files that tell about it.

use std::path::Path;

use anyhow::Context as _;
use jetway::{Context, Parameters, Problems, Response, Result, anyhow};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::checkout::{Tags, Wanted};
use crate::git::Git;
use crate::labels::{Followed, VersionType};
use crate::lfs::Lfs;
use crate::metadata::{CommitFacts, Formats};
use crate::remote::is_branch_name;
use crate::source::Source;
use crate::submodules::{Submodules, Update};
use crate::target::Target;
use crate::verification::Trusted;
use crate::version::Version;
use crate::{branch_set, git_crypt, label_search, more_refs, settings};

/// What a pipeline may write under a get step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "the keys are the established resource's")]
pub struct Params {
    /// How many generations of history to fetch; all of it when absent or 0. With `version_type: tags`, one when absent.
    pub depth: Option<u32>,

    /// The same as `depth`, in the spelling of older pull-request resources.
    #[serde(rename = "git.depth")]
    pub git_depth: Option<u32>,

    /// Branches, tags, full refs (`refs/pull/7/head`) or full commit hashes to fetch besides. A branch becomes a local branch of that
    /// name, a tag or a full ref is itself, and a commit is there by its hash.
    #[serde(default)]
    pub fetch: Vec<String>,

    /// Whether to fetch all tags, or none; those of the fetched history come when nothing is said here or in the source.
    pub fetch_tags: Option<bool>,

    /// Fetch all branches instead of the followed one alone.
    #[serde(default)]
    pub all_branches: bool,

    /// Delete all tags of the clone at the end; metadata and `.git/tags` still name those of the commit.
    #[serde(default)]
    pub clean_tags: bool,

    /// Which submodules to fetch: `all`, `none`, or a list of paths.
    #[serde(default)]
    pub submodules: Submodules,

    /// Fetch the submodules of submodules too.
    #[serde(default = "yes")]
    pub submodule_recursive: bool,

    /// Check out the tip of each submodule's branch instead of the recorded commit.
    #[serde(default)]
    pub submodule_remote: bool,

    /// Leave files in git-lfs as the pointers that stand in the commits.
    #[serde(default)]
    pub disable_git_lfs: bool,

    /// How `.git/short_ref` is written: `%s` stands for the first seven characters of the version's ref, `%.5s` for five of
    /// them.
    #[serde(default = "plain")]
    pub short_ref_format: String,

    /// How `.git/commit_timestamp` is written: a format of `git log --date`.
    #[serde(default = "iso8601")]
    pub timestamp_format: String,

    /// The options of `git describe` for `.git/describe_ref`, with blanks between them.
    #[serde(default = "always")]
    #[schemars(extend("x-keeps-empty" = true))]
    pub describe_ref_options: String,

    /// Show what git does, as in the source.
    #[serde(default)]
    pub debug: bool,
}

fn yes() -> bool {
    true
}

fn plain() -> String {
    "%s".to_owned()
}

fn iso8601() -> String {
    "iso8601".to_owned()
}

fn always() -> String {
    "--always --dirty --broken".to_owned()
}

impl Parameters for Params {
    fn rules(&self, problems: &mut Problems) {
        if let (Some(depth), Some(alias)) = (self.depth, self.git_depth)
            && depth != alias
        {
            problems.add("git.depth", "says something else than `depth`, whose other name it is");
        }
        for (index, branch) in self.fetch.iter().enumerate() {
            if let Err(problem) = is_branch_name(branch) {
                problems.add(format!("fetch[{index}]"), problem);
            }
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
    let lfs = if params.disable_git_lfs { Lfs::Pointers } else { Lfs::Files };
    let git = Git::new(context, source, params.debug).await?.with_lfs(lfs);
    let followed = source.followed()?;
    if let Followed::Branches(names) = &followed {
        return branch_set::get(&git, names, version, destination).await;
    }
    let version = match version.and_then(Version::filled) {
        // The branch's tip is not a tag.
        None if source.version_type == VersionType::Tags => {
            let newest = label_search::search(&git, source, &followed, None).await?.pop();
            Some(newest.ok_or_else(|| anyhow!("there is no tag to get"))?)
        }
        version => version,
    };
    let target = Target::of(&git, source, version.as_ref()).await?;
    let is_tag = source.version_type == VersionType::Tags;
    let depth = params.depth.or(params.git_depth).or(is_tag.then_some(1)).filter(|depth| *depth > 0);
    let mut wanted = Wanted {
        branch: target.branch.as_deref().or(source.branch.as_deref().filter(|_| !is_tag)),
        commit: target.commit,
        beginning: target.beginning.as_deref(),
        tag: target.tag.as_deref(),
        depth,
        tags: match params.fetch_tags.or(source.fetch_tags.filter(|_| !is_tag)) {
            Some(true) => Tags::All,
            Some(false) => Tags::None,
            None if is_tag => Tags::None,
            None if source.follows_tags() => Tags::All,
            None => Tags::Following,
        },
        all_branches: params.all_branches,
        search_remote_refs: source.search_remote_refs && !is_tag,
        sparse_paths: if is_tag { &[] } else { &source.sparse_paths },
    };
    let trusted = Trusted::gather(context, source).await?;
    let repository = match (&target.tag, target.commit) {
        (Some(tag), Some(commit)) if is_tag => wanted.fetch_tag(&git, destination, tag, commit).await?,
        _ => wanted.fetch(&git, destination).await?,
    };
    let commit = wanted.commit;
    target.tell_of_moved_tag(&git, &repository);
    if let Some(trusted) = trusted {
        let commit = commit.map_or_else(|| repository.refname_to_id("HEAD"), Ok);
        trusted.verify(&repository, commit.context("cannot read HEAD")?).await?;
    }
    if let Some(key) = source.git_crypt_key() {
        git_crypt::unlock(&git, key, &repository, destination).await?;
    }
    // Before HEAD is detached, it is the followed branch.
    let followed = repository.find_reference("HEAD").ok().and_then(|head| branch_of(&head));
    wanted.check_out(&git, &repository, destination).await.map_err(git_crypt::explain)?;
    settings::keep(&repository, &source.git_config)?;
    let submodules = Update {
        which: &params.submodules,
        recursive: params.submodule_recursive,
        remote: params.submodule_remote,
        branch: followed.as_deref(),
        depth,
    };
    submodules.run(&git, &repository, destination).await?;
    more_refs::fetch(&git, &repository, destination, &params.fetch).await?;

    let facts = CommitFacts::of_head(&repository, &git.remote().address)?;
    let version = version.unwrap_or_else(|| Version::of_commit(facts.hash()));
    let formats = Formats {
        short_ref: &params.short_ref_format,
        timestamp: &params.timestamp_format,
        describe: &params.describe_ref_options,
        tag: target.tag.as_deref().filter(|_| is_tag),
        is_untouched: source.git_config.is_empty(),
    };
    let reference = if is_tag { facts.hash() } else { &version.reference };
    facts.write_files(&git, &repository, destination, reference, &formats).await?;
    if params.clean_tags {
        delete_tags(&repository).context("cannot delete the clone's tags")?;
    }
    context.console().step(format_args!("checked out {} {}", facts.hash(), facts.subject()));
    Ok(Response { version, metadata: facts.metadata() })
}

/// The branch that a symbolic HEAD names.
fn branch_of(head: &git2::Reference<'_>) -> Option<String> {
    let target = head.symbolic_target().ok().flatten()?;
    target.strip_prefix("refs/heads/").map(str::to_owned)
}

fn delete_tags(repository: &git2::Repository) -> Result<(), git2::Error> {
    for tag in repository.references_glob("refs/tags/*")? {
        tag?.delete()?;
    }
    Ok(())
}
