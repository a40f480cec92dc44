//! Opens repositories with libgit2.

use std::path::Path;

use anyhow::Context as _;
use jetway::Result;

/// Opens the repository at `path`.
pub fn open(path: &Path) -> Result<git2::Repository> {
    git2::Repository::open(path).map_err(|error| cannot_open(path, error))
}

/// Opens the repository that contains `directory`. The search stops below `root`.
pub fn open_around(directory: &Path, root: &Path) -> Result<git2::Repository> {
    let flags = git2::RepositoryOpenFlags::empty();
    git2::Repository::open_ext(directory, flags, [root]).map_err(|error| cannot_open(directory, error))
}

/// Configures libgit2 to open every repository that git opens for this verb.
///
/// - Partial clones: they lack objects, but not the commits and refs that a put reads, and git fetches what it needs.
///   libgit2 supports git's other extensions, except those that change the format of objects or refs.
/// - Repositories of other users: inputs come from other containers. `safe.directory` in `defaults.rs` allows them for
///   git, but libgit2 reads that setting only from the machine's configuration.
pub fn prepare_libgit2() -> Result<()> {
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
