//! The repository cache of checks: a bare, partial and often shallow repository.
//!
//! Concourse runs the checks of a resource in one container for a while, so a check can reuse the history that earlier
//! checks fetched. Checks do not depend on the cache: a damaged cache (after a killed check) is recreated, and a cache
//! that another process uses is ignored.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context as _;
use git2::{ObjectFormat, OdbLookupFlags, Oid, Repository, RepositoryInitOptions};
use jetway::{Command, Context, Finished, Interrupted, Result, SilentChild};
use jetway_git_client::object_id::{object_id, other_format};
use jetway_git_client::source::remote::Remote;
use jetway_git_client::transport::refusal::{Refusal, ServerError};
use rustix::fs::{FlockOperation, flock};

use crate::raw_commit;

/// The objects that a check needs of each commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    /// Only the commits.
    Commits,
    /// Commits and trees, to find which paths a commit changes.
    Trees,
}

impl Content {
    /// The filter for fetches.
    fn filter(self) -> Filter {
        match self {
            Self::Commits => Filter::Trees,
            Self::Trees => Filter::Blobs,
        }
    }
}

/// The objects that a fetch omits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// Trees and blobs.
    Trees,
    /// Blobs.
    Blobs,
    /// Nothing.
    None,
}

impl Filter {
    /// The option of `git fetch`.
    fn option(self) -> &'static str {
        match self {
            Self::Trees => "--filter=tree:0",
            Self::Blobs => "--filter=blob:none",
            Self::None => "--no-filter",
        }
    }

    /// The filter to try when the server refuses this one.
    fn weaker(self) -> Option<Self> {
        match self {
            Self::Trees => Some(Self::Blobs),
            Self::Blobs => Some(Self::None),
            Self::None => None,
        }
    }
}

/// The error if the server refuses the filter of a fetch.
#[derive(Debug)]
struct FilterRefused(jetway::Error);

impl fmt::Display for FilterRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl std::error::Error for FilterRefused {}

/// The error if the server's object format (hash function) differs from that of the cache.
#[derive(Debug)]
struct OtherObjectFormat(jetway::Error);

impl fmt::Display for OtherObjectFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl std::error::Error for OtherObjectFormat {}

/// The ref for the tip of the followed branch.
pub(crate) const TIP: &str = "refs/jetway/tip";

/// The ref for the known version.
pub(crate) const KNOWN: &str = "refs/jetway/known";

/// The setting that is written last when a repository is created. A repository without it is incomplete.
const IS_COMPLETE: &str = "remote.origin.promisor";

/// The setting with the weaker filter that is used after the server refused the default one.
const FILTER: &str = "jetway.filter";

/// The cached repository of one check.
pub(crate) struct RepositoryCache {
    path: PathBuf,
    repository: Repository,
    /// The parents of the commits that were read. A search walks the same commits several times.
    parents: RefCell<HashMap<Oid, Rc<[Oid]>>>,
    filter: Filter,
    reused: bool,
    /// Whether the repository was recreated for the server's object format.
    was_reformatted: bool,
    /// Holds the lock until the process ends.
    _lock: Option<File>,
}

impl RepositoryCache {
    /// Opens or creates the cache. Each combination of remote, followed refs and content has its own cache. `format` is
    /// the object format of the remote, if it is known.
    pub(crate) fn open(
        context: &Context,
        remote: &Remote,
        followed: &impl Hash,
        objects: Content,
        format: Option<ObjectFormat>,
    ) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        (&remote.address, followed, objects).hash(&mut hasher);
        let name = format!("{:016x}", hasher.finish());
        let (path, lock) = match lock_shared_directory(context.temporary(), &name) {
            Some((path, lock)) => (path, Some(lock)),
            None => (context.private_directory().path()?.join(name), None),
        };
        let is_usable = |repository: &Repository| format.is_none_or(|format| format == repository.object_format());
        if let Some(repository) = open_complete(&path).filter(is_usable) {
            let filter = accepted_filter(&repository).unwrap_or(objects.filter());
            return Ok(Self {
                path,
                repository,
                parents: RefCell::default(),
                filter,
                reused: true,
                was_reformatted: false,
                _lock: lock,
            });
        }
        let repository = create_repository(&path, remote, format.unwrap_or(ObjectFormat::Sha1))?;
        Ok(Self {
            path,
            repository,
            parents: RefCell::default(),
            filter: objects.filter(),
            reused: false,
            was_reformatted: false,
            _lock: lock,
        })
    }

    /// Recreates the repository after an error that a fresh repository or a weaker filter may avoid; returns whether to
    /// try again. It returns `true` only a few times: once for each filter, the object format and a damaged cache.
    pub(crate) fn renew_after(&mut self, error: &jetway::Error, context: &Context, remote: &Remote) -> Result<bool> {
        let console = context.console();
        if error.chain().any(<dyn std::error::Error>::is::<FilterRefused>) {
            let Some(weaker) = self.filter.weaker() else { return Ok(false) };
            let (refused, instead) = (self.filter.option(), weaker.option());
            console.step(format_args!("the server refuses `git fetch {refused}`; fetching with `{instead}`"));
            self.filter = weaker;
            self.renew(remote, self.repository.object_format())?;
            let keep = || self.repository.config()?.set_str(FILTER, weaker.option());
            keep().with_context(|| format!("cannot write the settings of `{}`", self.path.display()))?;
            return Ok(true);
        }
        if error.chain().any(<dyn std::error::Error>::is::<OtherObjectFormat>) {
            let was_reformatted = std::mem::replace(&mut self.was_reformatted, true);
            self.renew(remote, other_format(self.repository.object_format()))?;
            return Ok(!was_reformatted);
        }
        if !self.reused || !may_be_fixed_by_renewal(error) {
            return Ok(false);
        }
        console.warn(format_args!("discarding the cached repository of an earlier check: {error:#}"));
        self.renew(remote, self.repository.object_format())?;
        Ok(true)
    }

    /// Replaces the repository with an empty one.
    fn renew(&mut self, remote: &Remote, format: ObjectFormat) -> Result<()> {
        self.repository = create_repository(&self.path, remote, format)?;
        self.reused = false;
        Ok(())
    }

    /// Prepares a command in this repository, without lazy fetching: over the dumb HTTP protocol, git would start
    /// itself in an endless loop for each missing object.
    pub(crate) fn local(&self, command: Command) -> Command {
        command.directory(&self.path).env("GIT_NO_LAZY_FETCH", "1")
    }

    /// Prepares a fetch into this repository with its filter. The caller adds the refspecs.
    pub(crate) fn fetch(&self, command: Command) -> Command {
        self.local(command).args(["--progress", "--no-tags", "--no-write-fetch-head", self.filter.option()])
    }

    /// Turns a refusal of the filter or of the object format into an error. Other failures are left to the caller.
    pub(crate) fn accepted(finished: Finished) -> Result<Finished> {
        match Refusal::of(&finished) {
            Some(Refusal::CannotFilter) => Err(jetway::Error::new(FilterRefused(finished.failure()))),
            Some(Refusal::OtherObjectFormat) => Err(jetway::Error::new(OtherObjectFormat(finished.failure()))),
            _ => Ok(finished),
        }
    }

    /// The repository, for reading.
    pub(crate) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The commit at the tip after the last fetch. The followed ref may be an annotated tag, which is peeled.
    pub(crate) fn tip(&self) -> Result<Oid> {
        let tip = self.repository.refname_to_id(TIP).context("the fetch wrote no tip ref")?;
        Ok(raw_commit::peeled(&self.repository, tip))
    }

    /// The commits of the tip and of the known version, as far as they exist in the repository.
    pub(crate) fn ends(&self) -> Vec<Oid> {
        let targets = [TIP, KNOWN].into_iter().filter_map(|name| self.repository.refname_to_id(name).ok());
        targets.map(|target| raw_commit::peeled(&self.repository, target)).filter(|end| self.has(*end)).collect()
    }

    /// Whether the repository has the commit.
    pub(crate) fn has(&self, commit: Oid) -> bool {
        self.repository.odb().is_ok_and(|odb| odb.exists(commit))
    }

    /// The parents that the commit object names. libgit2 hides parents beyond the shallow boundary.
    pub(crate) fn parents(&self, commit: Oid) -> Result<Rc<[Oid]>> {
        if let Some(parents) = self.parents.borrow().get(&commit) {
            return Ok(Rc::clone(parents));
        }
        let parents: Rc<[Oid]> = raw_commit::parents(&self.repository, commit)?.into();
        self.parents.borrow_mut().insert(commit, Rc::clone(&parents));
        Ok(parents)
    }

    /// The objects that the repository lacks.
    pub(crate) fn missing(&self, objects: impl IntoIterator<Item = Oid>) -> Result<Vec<Oid>> {
        let database = self.repository.odb()?;
        database.refresh()?;
        let is_here = |object: &Oid| database.exists_ext(*object, OdbLookupFlags::NO_REFRESH);
        Ok(objects.into_iter().filter(|object| !is_here(object)).collect())
    }

    /// Replaces all refs with these. The next fetch reports them to the server, which then sends only new objects. They
    /// are written to `packed-refs`, because writing a file for each ref would take longer than the fetch.
    pub(crate) fn write_refs(&self, refs: &BTreeMap<String, Oid>) -> Result<()> {
        let lines: String =
            refs.iter().map(|(name, target)| [target.to_string().as_str(), " ", name, "\n"].concat()).collect();
        self.store("packed-refs", &format!("# pack-refs with: sorted \n{lines}"))
    }

    /// Stores a text for the next check. Replaces the file atomically.
    pub(crate) fn store(&self, name: &str, text: &str) -> Result<()> {
        let (file, written) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let write = || {
            fs::write(&written, text)?;
            fs::rename(&written, &file)
        };
        write().with_context(|| format!("cannot write `{}`", file.display()))
    }

    /// The text that an earlier check stored.
    pub(crate) fn stored(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path.join(name)).ok()
    }

    /// The shallow boundary: the commits where history is cut off, from git's `shallow` file.
    pub(crate) fn boundary(&self) -> Result<Vec<Oid>> {
        let file = self.path.join("shallow");
        match fs::read_to_string(&file) {
            Ok(text) => Ok(text.lines().filter_map(|line| object_id(line.trim()).ok()).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", file.display())),
        }
    }

    /// Writes the shallow boundary. If it is empty, removes the file, since git refuses an empty one.
    pub(crate) fn write_boundary(&self, boundary: &HashSet<Oid>) -> Result<()> {
        if boundary.is_empty() {
            let file = self.path.join("shallow");
            return fs::remove_file(&file).with_context(|| format!("cannot remove `{}`", file.display()));
        }
        let lines: Vec<String> = boundary.iter().map(ToString::to_string).collect();
        self.store("shallow", &(lines.join("\n") + "\n"))
    }
}

/// Locks the directory of the cache; `None` if another process or user has it, or if it is not writable.
fn lock_shared_directory(temporary: &Path, name: &str) -> Option<(PathBuf, File)> {
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
    // Child processes inherit the lock, since a git process may still be writing after this process was killed.
    rustix::io::fcntl_setfd(&lock, rustix::io::FdFlags::empty()).ok()?;
    Some((parent.join(name), lock))
}

/// The weaker filter that an earlier check stored.
fn accepted_filter(repository: &Repository) -> Option<Filter> {
    let option = repository.config().ok()?.get_string(FILTER).ok()?;
    [Filter::Blobs, Filter::None].into_iter().find(|filter| filter.option() == option)
}

/// Whether a fresh repository may avoid the error. It cannot if the server, a timeout or an interrupt caused it.
fn may_be_fixed_by_renewal(error: &jetway::Error) -> bool {
    let is_from_server = error.chain().any(<dyn std::error::Error>::is::<ServerError>);
    !is_from_server && !SilentChild::caused(error) && !Interrupted::caused(error)
}

/// Opens the repository of an earlier check, if it is complete.
fn open_complete(path: &Path) -> Option<Repository> {
    let repository = Repository::open_bare(path).ok()?;
    repository.config().ok()?.get_bool(IS_COMPLETE).ok().filter(|is_complete| *is_complete)?;
    remove_stale_locks(path);
    // A killed check may have written a ref without its objects.
    if let Ok(tip) = repository.refname_to_id(TIP) {
        repository.odb().ok().filter(|odb| odb.exists(tip))?;
    }
    Some(repository)
}

/// Removes git's lock files. They are stale: this process holds the cache lock, which every process that creates such
/// files inherits.
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

/// Creates an empty repository, and deletes an existing one.
fn create_repository(path: &Path, remote: &Remote, format: ObjectFormat) -> Result<Repository> {
    let create = || {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut options = RepositoryInitOptions::new();
        let repository = Repository::init_opts(path, options.bare(true).object_format(format))?;
        let mut configuration = repository.config()?;
        configuration.set_str("remote.origin.url", &remote.address)?;
        // The cache need not survive a crash of the machine, so do not sync it to disk.
        configuration.set_str("core.fsync", "none")?;
        configuration.set_bool(IS_COMPLETE, true)?;
        Ok::<_, jetway::Error>(repository)
    };
    create().with_context(|| format!("cannot create a repository in `{}`", path.display()))
}
