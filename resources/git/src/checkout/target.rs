//! Resolves a version to a commit and its tag or branch.

use git2::{Oid, Reference, Repository};
use jetway::{Advise as _, Result, anyhow};
use jetway_git_client::object_id::object_id;
use jetway_git_client::source::remote::{check_branch_name, is_abbreviated_hash, is_commit_hash};
use jetway_git_client::transport::git::Git;

use crate::source::Source;
use crate::source::labels::VersionType;
use crate::version::Version;

/// The commit that a get checks out, and the tag or branch of the version.
#[derive(Debug, Default)]
pub(crate) struct Target {
    /// The commit; `None` for the tip of the branch.
    pub(crate) commit: Option<Oid>,
    /// The branch of the version, which overrides the source's.
    pub(crate) branch: Option<String>,
    /// The tag of the version.
    pub(crate) tag: Option<String>,
    /// The abbreviated hash of the commit, if the full hash is not known.
    pub(crate) hash_prefix: Option<String>,
}

impl Target {
    /// Resolves a version. Asks the server if the version names a tag or branch without its commit.
    pub(crate) async fn of(git: &Git<'_>, source: &Source, version: Option<&Version>) -> Result<Self> {
        let Some(version) = version else { return Ok(Self::default()) };
        if let Some(branch) = &version.branch {
            check_branch_name(branch).map_err(|problem| anyhow!("the version's branch {problem}"))?;
        }
        let (reference, branch) = (&version.reference, version.branch.clone());
        // HEAD stands for the tip of the followed branch.
        if reference == "HEAD" {
            return Ok(Self { branch, ..Self::default() });
        }
        if is_commit_hash(reference) {
            return Ok(Self { commit: Some(object_id(reference)?), branch, ..Self::default() });
        }
        let short = ["refs/tags/", "refs/heads/"].iter().find_map(|prefix| reference.strip_prefix(prefix));
        let (is_full_tag, is_full_head) = (reference.starts_with("refs/tags/"), reference.starts_with("refs/heads/"));
        let full = reference;
        let reference = &short.unwrap_or(reference).to_owned();
        let (tag, head) = (format!("refs/tags/{reference}"), format!("refs/heads/{reference}"));
        if reference.starts_with('-') || !Reference::is_valid_name(&tag) {
            return Err(anyhow!("version `{full}` is neither a full commit hash nor the name of a tag or branch"));
        }
        let is_branch = source.version_type == VersionType::BranchHeads;
        let of_tag = |commit| Self { commit, branch: branch.clone(), tag: Some(reference.clone()), hash_prefix: None };
        let of_branch = |commit| Self { commit, branch: Some(reference.clone()), ..Self::default() };
        if let Some(commit) = &version.commit {
            if !is_commit_hash(commit) {
                return Err(anyhow!("the version's commit `{commit}` is not a full commit hash"));
            }
            let commit = Some(object_id(commit)?);
            return Ok(if is_branch { of_branch(commit) } else { of_tag(commit) });
        }
        let refs = git.remote_refs(&[tag.clone(), head.clone()], Some(reference)).await?;
        let find = |name: &str| {
            let found = refs.iter().find(|found| found.name == name);
            found.map(|found| object_id(found.peeled.as_ref().unwrap_or(&found.hash))).transpose()
        };
        // A tag takes precedence over a branch of the same name, as in git.
        let (find_tag, find_branch) = (!is_branch && !is_full_head, !is_full_tag);
        match (if find_tag { find(&tag)? } else { None }, if find_branch { find(&head)? } else { None }) {
            (Some(commit), _) => Ok(of_tag(Some(commit))),
            (None, Some(commit)) => Ok(of_branch(Some(commit))),
            (None, None) => {
                let kind = match (find_tag, find_branch) {
                    (true, true) => "tag or branch",
                    (true, false) => "tag",
                    _ => "branch",
                };
                if is_abbreviated_hash(full) {
                    return Ok(Self { branch, hash_prefix: Some(reference.clone()), ..Self::default() });
                }
                Err(anyhow!("version `{full}` is gone: `{}` has no such {kind}", git.remote().address)
                    .hint(format!("the {kind} was deleted since the version was found; run a newer version")))
            }
        }
    }

    /// Warns if the tag was moved since the version was found. The get still checks out the commit of the version.
    pub(crate) fn warn_of_moved_tag(&self, git: &Git<'_>, repository: &Repository) {
        let (Some(tag), Some(commit)) = (&self.tag, self.commit) else { return };
        let current = repository.find_reference(&format!("refs/tags/{tag}")).and_then(|found| found.peel_to_commit());
        if let Ok(current) = current
            && current.id() != commit
        {
            git.context().console().warn(format_args!(
                "tag `{tag}` was moved to {}; checking out {commit}, its commit when the version was found",
                current.id()
            ));
        }
    }
}
