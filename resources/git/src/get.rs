//! get: checks out the work tree of a version, and writes files with its metadata.

use std::path::Path;

use anyhow::Context as _;
use jetway::{Context, Response, Result, anyhow};
use jetway_git_client::Git;
use jetway_git_client::checkout::git_crypt;
use jetway_git_client::checkout::submodules::SubmoduleUpdate;
use jetway_git_client::transport::lfs::Lfs;
use jetway_git_client::transport::settings;

use crate::checkout::metadata::{CommitFacts, Formats};
use crate::checkout::more_refs;
use crate::checkout::target::Target;
use crate::checkout::verification::TrustedKeys;
use crate::checkout::work_tree::{CheckoutRequest, FetchTags};
use crate::history::branches;
use crate::history::labels;
use crate::source::Source;
use crate::source::followed::Followed;
use crate::source::get_params::GetParams;
use crate::source::labels::VersionType;
use crate::version::Version;

/// Fetches a version and checks it out in `destination`.
pub(crate) async fn get(
    context: &Context,
    source: &Source,
    version: Option<Version>,
    params: &GetParams,
    destination: &Path,
) -> Result<Response<Version>> {
    let lfs = if params.disable_git_lfs { Lfs::Pointers } else { Lfs::Files };
    source.warn(context.console());
    let git = Git::new(context, &source.access(), params.debug).await?.with_lfs(lfs).without_fsync();
    let followed = source.followed()?;
    if let Followed::Branches(names) = &followed {
        return branches::get(&git, names, version, destination).await;
    }
    let version = match version.and_then(Version::filled) {
        // Without a version, get the newest tag, not the tip of the branch.
        None if source.version_type == VersionType::Tags => {
            let newest = labels::search(&git, source, &followed, None).await?.pop();
            Some(newest.ok_or_else(|| anyhow!("there is no matching tag to get"))?)
        }
        version => version,
    };
    let target = Target::of(&git, source, version.as_ref()).await?;
    let is_tag = source.version_type == VersionType::Tags;
    let depth = params.depth.or(params.git_depth).or(is_tag.then_some(1)).filter(|depth| *depth > 0);
    let mut request = CheckoutRequest {
        branch: target.branch.as_deref().or(source.branch.as_deref().filter(|_| !is_tag)),
        commit: target.commit,
        hash_prefix: target.hash_prefix.as_deref(),
        tag: target.tag.as_deref(),
        depth,
        tags: match params.fetch_tags.or(source.fetch_tags.filter(|_| !is_tag)) {
            Some(true) => FetchTags::All,
            Some(false) => FetchTags::None,
            None if is_tag => FetchTags::None,
            None if source.follows_tags() => FetchTags::All,
            None => FetchTags::Following,
        },
        all_branches: params.all_branches,
        search_remote_refs: source.search_remote_refs && !is_tag,
        sparse_paths: if is_tag { &[] } else { &source.sparse_paths },
        needs_notes: true,
    };
    let trusted_keys = TrustedKeys::collect(context, source).await?;
    let repository = match (&target.tag, target.commit) {
        (Some(tag), Some(commit)) if is_tag => request.fetch_tag(&git, destination, tag, commit).await?,
        _ => request.fetch(&git, destination).await?,
    };
    let commit = request.commit;
    target.warn_of_moved_tag(&git, &repository);
    if let Some(trusted_keys) = trusted_keys {
        let commit = commit.map_or_else(|| repository.refname_to_id("HEAD"), Ok);
        trusted_keys.verify(&repository, commit.context("cannot read HEAD")?).await?;
    }
    if let Some(key) = source.git_crypt_key() {
        git_crypt::unlock(&git, key, &repository, destination).await?;
    }
    // HEAD names the followed branch until the checkout detaches it.
    let followed = repository.find_reference("HEAD").ok().and_then(|head| branch_of(&head));
    request.check_out(&git, &repository, destination).await.map_err(git_crypt::explain)?;
    settings::write_to_clone(&repository, &source.git_config)?;
    let submodules = SubmoduleUpdate {
        selection: &params.submodules,
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
        has_default_settings: source.git_config.is_empty(),
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
