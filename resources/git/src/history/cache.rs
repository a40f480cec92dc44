//! The repository that checks keep between them: bare, partial, and shallow where that is enough.
//!
//! Concourse runs the checks of a resource in one container for a while, so that what a check has fetched is there for
//! the next one. Nothing relies on it: a cache that is damaged (a check was killed at a bad moment) is made anew, and
//! one that another process uses is left to it.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use git2::{ObjectFormat, OdbLookupFlags, Oid, Repository, RepositoryInitOptions};
use jetway::{Command, Context, Finished, Interrupted, Result, Silent};
use rustix::fs::{FlockOperation, flock};

use crate::object_id::{object_id, other_format};
use crate::raw_commit;
use crate::source::remote::Remote;
use crate::transport::refusal::{FromServer, Refusal};

/// What a check needs of each commit, and so what it asks the server to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    /// The commits alone.
    Commits,
    /// Their trees too, to tell which paths they change.
    Trees,
}

impl Content {
    /// What the server is asked to leave out.
    fn filter(self) -> Filter {
        match self {
            Self::Commits => Filter::Trees,
            Self::Trees => Filter::Blobs,
        }
    }
}

/// What a fetch leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// Trees and files.
    Trees,
    /// Files.
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

    /// The filter to ask for when the server refuses this one.
    fn weaker(self) -> Option<Self> {
        match self {
            Self::Trees => Some(Self::Blobs),
            Self::Blobs => Some(Self::None),
            Self::None => None,
        }
    }
}

/// The server refuses the filter that a fetch asked for.
#[derive(Debug)]
struct FilterRefused(jetway::Error);

impl fmt::Display for FilterRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl std::error::Error for FilterRefused {}

/// The server's objects are named by another hash function than those of the repository here.
#[derive(Debug)]
struct OtherObjectFormat(jetway::Error);

impl fmt::Display for OtherObjectFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl std::error::Error for OtherObjectFormat {}

/// The ref that fetches write the followed branch's tip to.
pub(crate) const TIP: &str = "refs/jetway/tip";

/// The ref that fetches write the known version to.
pub(crate) const KNOWN: &str = "refs/jetway/known";

/// The setting that a repository gets last when it is made: one without it was left half made.
const IS_MADE: &str = "remote.origin.promisor";

/// The setting with the option of a weaker filter than the one for the content, when the server refused that one.
const FILTER: &str = "jetway.filter";

/// A repository for one check.
pub(crate) struct RepositoryCache {
    path: PathBuf,
    repository: Repository,
    filter: Filter,
    reused: bool,
    /// Whether it was made anew for the server's object format.
    was_reformatted: bool,
    /// Held for its lock, which goes with the process.
    _lock: Option<File>,
}

impl RepositoryCache {
    /// Opens the cache for this remote, what of it is followed, and what is kept of commits, or makes it. `format` is the object
    /// format of the remote, where it is known.
    pub(crate) fn open(
        context: &Context,
        remote: &Remote,
        followed: &impl Hash,
        kept: Content,
        format: Option<ObjectFormat>,
    ) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        (&remote.address, followed, kept).hash(&mut hasher);
        let name = format!("{:016x}", hasher.finish());
        let (path, lock) = match lock_shared_place(context.temporary(), &name) {
            Some((path, lock)) => (path, Some(lock)),
            None => (context.private_directory().path()?.join(name), None),
        };
        let is_usable = |repository: &Repository| format.is_none_or(|format| format == repository.object_format());
        if let Some(repository) = open_sound(&path).filter(is_usable) {
            let filter = accepted_filter(&repository).unwrap_or(kept.filter());
            return Ok(Self { path, repository, filter, reused: true, was_reformatted: false, _lock: lock });
        }
        let repository = make(&path, remote, format.unwrap_or(ObjectFormat::Sha1))?;
        Ok(Self { path, repository, filter: kept.filter(), reused: false, was_reformatted: false, _lock: lock })
    }

    /// Makes the repository anew after a failure that another repository, or a weaker filter, may avoid. Returns whether
    /// there is a reason to try again, which ends after as many tries as there are filters.
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
            let had_format = std::mem::replace(&mut self.was_reformatted, true);
            self.renew(remote, other_format(self.repository.object_format()))?;
            return Ok(!had_format);
        }
        if !self.reused || !is_worth_another_try(error) {
            return Ok(false);
        }
        console.warn(format_args!("discarding the cached repository of an earlier check: {error:#}"));
        self.renew(remote, self.repository.object_format())?;
        Ok(true)
    }

    /// Throws away what is there and begins again.
    fn renew(&mut self, remote: &Remote, format: ObjectFormat) -> Result<()> {
        self.repository = make(&self.path, remote, format)?;
        self.reused = false;
        Ok(())
    }

    /// A command on this repository. It never fetches a missing object by itself: over the dumb HTTP protocol git would start
    /// itself again for each of them, without end.
    pub(crate) fn local(&self, command: Command) -> Command {
        command.directory(&self.path).env("GIT_NO_LAZY_FETCH", "1")
    }

    /// A fetch into this repository, of what its content needs. The refspecs are still to come.
    pub(crate) fn fetch(&self, command: Command) -> Command {
        self.local(command).args(["--progress", "--no-tags", "--no-write-fetch-head", self.filter.option()])
    }

    /// The finished fetch, or an error when the server refuses the filter or has another object format.
    pub(crate) fn accepted(finished: Finished) -> Result<Finished> {
        match Refusal::of(&finished) {
            Some(Refusal::CannotFilter) => Err(jetway::Error::new(FilterRefused(finished.failure()))),
            Some(Refusal::OtherObjectFormat) => Err(jetway::Error::new(OtherObjectFormat(finished.failure()))),
            _ => Ok(finished),
        }
    }

    /// The repository, to read.
    pub(crate) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The commit that the last fetch found at the tip. The followed ref may be an annotated tag.
    pub(crate) fn tip(&self) -> Result<Oid> {
        let tip = self.repository.refname_to_id(TIP).context("the fetch wrote no tip ref")?;
        Ok(raw_commit::untagged(&self.repository, tip))
    }

    /// The commits that fetches have written refs to, as far as they are here.
    pub(crate) fn ends(&self) -> Vec<Oid> {
        let targets = [TIP, KNOWN].into_iter().filter_map(|name| self.repository.refname_to_id(name).ok());
        targets.map(|target| raw_commit::untagged(&self.repository, target)).filter(|end| self.has(*end)).collect()
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
            Ok(text) => Ok(text.lines().filter_map(|line| object_id(line.trim()).ok()).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", file.display())),
        }
    }

    /// Replaces git's list of them. git refuses an empty list; a whole history has none.
    pub(crate) fn write_boundary(&self, boundary: &HashSet<Oid>) -> Result<()> {
        if boundary.is_empty() {
            let file = self.path.join("shallow");
            return fs::remove_file(&file).with_context(|| format!("cannot remove `{}`", file.display()));
        }
        let lines: Vec<String> = boundary.iter().map(ToString::to_string).collect();
        self.keep("shallow", &(lines.join("\n") + "\n"))
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

/// The weaker filter that an earlier check had to take.
fn accepted_filter(repository: &Repository) -> Option<Filter> {
    let option = repository.config().ok()?.get_string(FILTER).ok()?;
    [Filter::Blobs, Filter::None].into_iter().find(|filter| filter.option() == option)
}

/// Whether a fresh repository could do better: not when the server is the reason, or its silence, or when the verb is being
/// ended.
fn is_worth_another_try(error: &jetway::Error) -> bool {
    let is_from_server = error.chain().any(<dyn std::error::Error>::is::<FromServer>);
    !is_from_server && !Silent::caused(error) && !Interrupted::caused(error)
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
fn make(path: &Path, remote: &Remote, format: ObjectFormat) -> Result<Repository> {
    let make = || {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut options = RepositoryInitOptions::new();
        let repository = Repository::init_opts(path, options.bare(true).object_format(format))?;
        let mut configuration = repository.config()?;
        configuration.set_str("remote.origin.url", &remote.address)?;
        // It need not outlive the machine: to wait for the disk with each pack is to wait for nothing.
        configuration.set_str("core.fsync", "none")?;
        configuration.set_bool(IS_MADE, true)?;
        Ok::<_, jetway::Error>(repository)
    };
    make().with_context(|| format!("cannot make a repository in `{}`", path.display()))
}
