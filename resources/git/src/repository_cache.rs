//! The repository that checks keep between them: bare, partial, and shallow where that is enough.
//!
//! Concourse runs the checks of a resource in one container for a while, so that what a check has fetched is there for
//! the next one. Nothing relies on it: a cache that is damaged (a check was killed at a bad moment) is made anew, and
//! one that another process uses is left to it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use git2::{OdbLookupFlags, Oid, Repository};
use jetway::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use crate::remote::Remote;

/// What a check needs of each commit, and so what it asks the server to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    /// The commits alone.
    Commits,
    /// Their trees too, to tell which paths they change.
    Trees,
}

impl Content {
    /// The argument of `git fetch --filter`.
    pub(crate) fn filter(self) -> &'static str {
        match self {
            Self::Commits => "tree:0",
            Self::Trees => "blob:none",
        }
    }
}

/// The ref that fetches write the followed branch's tip to.
pub(crate) const TIP: &str = "refs/jetway/tip";

/// The setting that a repository gets last when it is made: one without it was left half made.
const IS_MADE: &str = "remote.origin.promisor";

/// A repository for one check.
pub(crate) struct RepositoryCache {
    path: PathBuf,
    repository: Repository,
    reused: bool,
    /// Held for its lock, which goes with the process.
    _lock: Option<File>,
}

impl RepositoryCache {
    /// Opens the cache for this remote, what of it is followed, and what is kept of commits, or makes it.
    pub(crate) fn open(context: &Context, remote: &Remote, followed: &impl Hash, kept: Content) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        (&remote.address, followed, kept).hash(&mut hasher);
        let name = format!("{:016x}", hasher.finish());
        match lock_shared_place(context.temporary(), &name) {
            Some((path, lock)) => Self::open_at(path, remote, Some(lock)),
            None => Self::open_at(context.private_directory().path()?.join(name), remote, None),
        }
    }

    fn open_at(path: PathBuf, remote: &Remote, lock: Option<File>) -> Result<Self> {
        if let Some(repository) = open_sound(&path) {
            return Ok(Self { path, repository, reused: true, _lock: lock });
        }
        let repository = make(&path, remote)?;
        Ok(Self { path, repository, reused: false, _lock: lock })
    }

    /// Throws away what is there and begins again, when what is there came from an earlier check.
    pub(crate) fn renew(&mut self, remote: &Remote) -> Result<()> {
        self.repository = make(&self.path, remote)?;
        self.reused = false;
        Ok(())
    }

    /// Whether an earlier check left it.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The repository, to read.
    pub(crate) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The commit that the last fetch found at the tip.
    pub(crate) fn tip(&self) -> Result<Oid> {
        let oid = self.repository.refname_to_id(TIP).context("the fetch left no tip behind")?;
        Ok(oid)
    }

    /// Whether the commit itself is here.
    pub(crate) fn has(&self, commit: Oid) -> bool {
        self.repository.odb().is_ok_and(|odb| odb.exists(commit))
    }

    /// Which of these objects are not here.
    pub(crate) fn missing(&self, objects: impl IntoIterator<Item = Oid>) -> Result<Vec<Oid>> {
        let database = self.repository.odb()?;
        database.refresh()?;
        let is_here = |object: &Oid| database.exists_ext(*object, OdbLookupFlags::NO_REFRESH);
        Ok(objects.into_iter().filter(|object| !is_here(object)).collect())
    }

    /// Makes these all the refs that there are, so that fetches tell the server what is here. A file of each, as git
    /// writes them, would cost more than the fetch.
    pub(crate) fn write_refs(&self, refs: &BTreeMap<String, Oid>) -> Result<()> {
        let lines: String =
            refs.iter().map(|(name, target)| [target.to_string().as_str(), " ", name, "\n"].concat()).collect();
        self.keep("packed-refs", &format!("# pack-refs with: sorted \n{lines}"))
    }

    /// Keeps a text for the next check, whole or not at all.
    pub(crate) fn keep(&self, name: &str, text: &str) -> Result<()> {
        let (file, written) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let write = || {
            fs::write(&written, text)?;
            fs::rename(&written, &file)
        };
        write().with_context(|| format!("cannot write `{}`", file.display()))
    }

    /// The text that an earlier check has kept.
    pub(crate) fn kept(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path.join(name)).ok()
    }

    /// The commits at which a shallow fetch has cut history off, from git's own list of them.
    pub(crate) fn boundary(&self) -> Result<Vec<Oid>> {
        let file = self.path.join("shallow");
        match fs::read_to_string(&file) {
            Ok(text) => Ok(text.lines().filter_map(|line| Oid::from_str(line.trim()).ok()).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", file.display())),
        }
    }
}

/// The cache's place in the temporary directory, locked for this process; `None` when another process has it, or
/// another user, or when nothing can be written there.
fn lock_shared_place(temporary: &Path, name: &str) -> Option<(PathBuf, File)> {
    let parent = temporary.join("jetway-git-cache");
    match fs::DirBuilder::new().mode(0o700).create(&parent) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(_) => return None,
    }
    let metadata = fs::symlink_metadata(&parent).ok()?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::getuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return None;
    }
    let lock =
        OpenOptions::new().write(true).create(true).truncate(false).open(parent.join(format!("{name}.lock"))).ok()?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    // Children hold it too: when this process is killed, its git may still be at work here.
    rustix::io::fcntl_setfd(&lock, rustix::io::FdFlags::empty()).ok()?;
    Some((parent.join(name), lock))
}

/// Opens a repository that an earlier check left, if it can be used.
fn open_sound(path: &Path) -> Option<Repository> {
    let repository = Repository::open_bare(path).ok()?;
    repository.config().ok()?.get_bool(IS_MADE).ok().filter(|is_made| *is_made)?;
    remove_stale_locks(path);
    // A check that was killed may have written a ref whose objects it had no time to write.
    if let Ok(tip) = repository.refname_to_id(TIP) {
        repository.odb().ok().filter(|odb| odb.exists(tip))?;
    }
    Some(repository)
}

/// Removes git's lock files. Ours is held, by children of ours too, so that whoever made them is gone.
fn remove_stale_locks(path: &Path) {
    let locks = [
        "shallow.lock",
        "config.lock",
        "packed-refs.lock",
        "HEAD.lock",
        "refs/jetway/tip.lock",
        "refs/jetway/known.lock",
    ];
    for file in locks {
        let _ = fs::remove_file(path.join(file));
    }
}

/// Makes an empty repository in place of whatever is there.
fn make(path: &Path, remote: &Remote) -> Result<Repository> {
    let make = || {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let repository = Repository::init_bare(path)?;
        let mut configuration = repository.config()?;
        configuration.set_str("remote.origin.url", &remote.address)?;
        // It need not outlive the machine: to wait for the disk with each pack is to wait for nothing.
        configuration.set_str("core.fsync", "none")?;
        configuration.set_bool(IS_MADE, true)?;
        Ok::<_, jetway::Error>(repository)
    };
    make().with_context(|| format!("cannot make a repository in `{}`", path.display()))
}
