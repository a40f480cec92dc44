//! Decrypts files with git-crypt.

use std::path::Path;

use anyhow::Context as _;
use git2::Repository;
use jetway::{Advise as _, Result, Secret, anyhow};

use crate::source::git_crypt_key;
use crate::transport::error_texts::{Meaning, means};
use crate::transport::git::Git;

/// The private file with the key.
const KEY_FILE: &str = "git-crypt.key";

/// A branch that does not exist in any clone.
const NO_COMMIT: &str = "refs/heads/jetway-no-commit";

/// Sets up git-crypt in a fresh clone, before the checkout.
///
/// `git-crypt unlock` checks out all encrypted files of HEAD again, which fails for files that a sparse checkout
/// excludes. So HEAD temporarily names a branch without commits, which has no files.
pub async fn unlock(git: &Git<'_>, secret: &Secret, repository: &Repository, directory: &Path) -> Result<()> {
    let bytes = git_crypt_key::decode(secret.expose()).map_err(|problem| anyhow!("`git_crypt_key` {problem}"))?;
    let file = git.context().private_directory().write(KEY_FILE, &bytes)?;
    let head = repository.find_reference("HEAD").context("cannot read HEAD")?;
    let branch = head.symbolic_target().context("cannot read HEAD")?;
    let branch = branch.ok_or_else(|| anyhow!("HEAD of the new clone does not name a branch"))?;
    repository.set_head(NO_COMMIT).context("cannot move HEAD")?;
    let finished = git.tool("git-crypt").label("git-crypt unlock").directory(directory).arg("unlock").arg(&file);
    let finished = finished.quiet().run().await;
    repository.set_head(branch).context("cannot move HEAD back")?;
    // git-crypt has copied the key below `.git`.
    std::fs::remove_file(&file).context("cannot remove the private copy of the key")?;
    finished?.success().context("cannot set up git-crypt")?;
    Ok(())
}

/// Adds a hint to a checkout error that git-crypt caused.
pub fn explain(error: jetway::Error) -> jetway::Error {
    if error.chain().any(|cause| means(&cause.to_string(), Meaning::GitCrypt)) {
        error.hint("check that `git_crypt_key` is the key of this repository")
    } else {
        error
    }
}
