//! Repositories, as libgit2 opens them.

use std::path::Path;

use anyhow::Context as _;
use jetway::Result;

/// Opens a repository in this process.
pub(crate) fn open(path: &Path) -> Result<git2::Repository> {
    git2::Repository::open(path).map_err(|error| cannot_open(path, error))
}

/// Opens the repository in whose work tree a directory is. Nothing is looked for in `root` itself or above it.
pub(crate) fn open_around(directory: &Path, root: &Path) -> Result<git2::Repository> {
    let flags = git2::RepositoryOpenFlags::empty();
    git2::Repository::open_ext(directory, flags, [root]).map_err(|error| cannot_open(directory, error))
}

/// Lets libgit2 open every repository that git itself opens for this verb.
///
/// - A partial clone lacks objects, but never the commits and refs that a put reads; git fetches what it needs. libgit2 knows the
///   other extensions that git writes without a new format of objects or refs.
/// - Inputs come from other containers, and may belong to another user. `safe.directory` trusts all of them (`defaults.rs`), but
///   libgit2 reads that setting from the configuration of the machine alone.
pub(crate) fn prepare_libgit2() -> Result<()> {
    #[allow(
        unsafe_code,
        reason = "libgit2 keeps both settings in static variables, and nothing else runs yet that reads them"
    )]
    // SAFETY: the verb runs on one thread, and has opened no repository.
    let set = unsafe {
        git2::opts::set_extensions(&["partialclone"]).and_then(|()| git2::opts::set_verify_owner_validation(false))
    };
    set.context("cannot prepare libgit2")
}

fn cannot_open(path: &Path, error: git2::Error) -> jetway::Error {
    jetway::Error::new(error).context(format!("cannot open the repository `{}`", path.display()))
}
