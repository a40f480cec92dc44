//! Bare git repositories with a history that a test writes. They are reproducible, and each commit costs one child process.

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::{git, scratch};

/// A bare repository in its own directory.
///
/// Commits are written with `git fast-import`, so there is no work tree. Dates start at [`git::FIRST_COMMIT`] and advance by a
/// minute with each commit and tag, so the same calls produce the same hashes.
pub struct Repository {
    directory: TempDir,
    path: PathBuf,
    clock: Cell<u64>,
}

impl Repository {
    /// Creates an empty repository whose HEAD is the branch `main`.
    pub fn new() -> Self {
        Self::named("repository")
    }

    /// Creates an empty repository in the directory `NAME.git`.
    pub fn named(name: &str) -> Self {
        Self::made(name, "sha1")
    }

    /// Creates an empty repository with this hash function: `sha1` or `sha256`.
    pub fn with_object_format(format: &str) -> Self {
        Self::made("repository", format)
    }

    fn made(name: &str, format: &str) -> Self {
        let directory = scratch::directory();
        let path = directory.path().join(format!("{name}.git"));
        let (format, to) = (format!("--object-format={format}"), path.to_str().expect("UTF-8"));
        git::run(directory.path(), &["init", "-q", "--bare", "--initial-branch=main", &format, to]);
        let repository = Self { directory, path, clock: Cell::new(git::FIRST_COMMIT) };
        repository.settle();
        repository
    }

    /// A bare copy, independent of the original.
    #[must_use]
    pub fn bare_clone(&self) -> Self {
        let directory = scratch::directory();
        let path = directory.path().join(self.path.file_name().expect("a repository has a name"));
        let (from, to) = (self.path.to_str().expect("UTF-8"), path.to_str().expect("UTF-8"));
        git::run(directory.path(), &["clone", "-q", "--mirror", from, to]);
        let repository = Self { directory, path, clock: Cell::new(self.clock.get()) };
        repository.settle();
        repository
    }

    /// The time of the next commit; each later one is a minute later.
    pub fn set_clock(&self, now: SystemTime) {
        self.clock.set(now.duration_since(UNIX_EPOCH).expect("a time since 1970").as_secs());
    }

    /// The repository's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The parent directory of the repository, for a server.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// The name of the repository's directory, including `.git`.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).expect("a repository has a name")
    }

    /// The repository's `file://` URL.
    pub fn file_url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// Commits files to `main` and returns the commit's hash.
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        self.commit_on("main", message, files)
    }

    /// Commits files to a branch, which is created if it does not exist.
    pub fn commit_on(&self, branch: &str, message: &str, files: &[(&str, &str)]) -> String {
        let change = self.change(message).on(branch);
        files.iter().fold(change, |change, (path, content)| change.write(path, content)).commit()
    }

    /// Creates an empty commit on `main`.
    pub fn empty_commit(&self, message: &str) -> String {
        self.change(message).commit()
    }

    /// Starts a commit with other changes than files on a branch.
    pub fn change(&self, message: &str) -> Change<'_> {
        Change {
            repository: self,
            branch: "main".to_owned(),
            message: message.to_owned(),
            author: format!("{} <{}>", git::IDENTITY.0, git::IDENTITY.1),
            parent: None,
            body: Vec::new(),
        }
    }

    /// Merges a revision into a branch and returns the commit's hash. It always creates a merge commit (`--no-ff`).
    pub fn merge(&self, into: &str, other: &str, message: &str) -> String {
        let (ours, theirs) = (self.tip(into), self.resolve(other));
        let tree = self.git(&["merge-tree", "--write-tree", &ours, &theirs]);
        let arguments = ["commit-tree", &tree, "-p", &ours, "-p", &theirs, "-m", message];
        let output =
            git::command(&self.path).args(arguments).envs(git::dates(self.tick())).output().expect("start git");
        let commit = git::answer(output, &arguments);
        self.move_branch(into, &commit);
        commit
    }

    /// Creates a branch at a revision.
    pub fn branch(&self, name: &str, at: &str) {
        self.git(&["branch", "--no-track", name, at]);
    }

    /// Resets a branch to any revision, as a forced push does.
    pub fn move_branch(&self, name: &str, to: &str) {
        self.git(&["update-ref", &format!("refs/heads/{name}"), &self.resolve(to)]);
    }

    /// Deletes a branch; its commits stay until they are garbage-collected.
    pub fn delete_branch(&self, name: &str) {
        self.git(&["update-ref", "-d", &format!("refs/heads/{name}")]);
    }

    /// Creates a lightweight tag.
    pub fn tag(&self, name: &str, at: &str) {
        self.git(&["tag", name, at]);
    }

    /// Creates an annotated tag and returns the hash of the tag object.
    pub fn annotated_tag(&self, name: &str, at: &str, message: &str) -> String {
        let arguments = ["tag", "--annotate", "--message", message, name, at];
        let output =
            git::command(&self.path).args(arguments).envs(git::dates(self.tick())).output().expect("start git");
        git::answer(output, &arguments);
        self.resolve(&format!("refs/tags/{name}"))
    }

    /// Deletes a tag.
    pub fn delete_tag(&self, name: &str) {
        self.git(&["tag", "--delete", name]);
    }

    /// The head commit of a branch.
    pub fn tip(&self, branch: &str) -> String {
        self.resolve(&format!("refs/heads/{branch}"))
    }

    /// Resolves a revision to an object.
    pub fn resolve(&self, revision: &str) -> String {
        self.git(&["rev-parse", "--verify", revision])
    }

    /// The hashes of a revision's history, newest first.
    pub fn history(&self, revision: &str) -> Vec<String> {
        self.git(&["rev-list", revision]).lines().map(str::to_owned).collect()
    }

    /// The content of a file at a revision.
    pub fn file(&self, revision: &str, path: &str) -> String {
        self.git(&["show", &format!("{revision}:{path}")])
    }

    /// Prunes all unreachable objects, so that a rewritten history is gone.
    pub fn forget_unreachable(&self) {
        self.git(&["reflog", "expire", "--expire=now", "--all"]);
        self.git(&["gc", "-q", "--prune=now"]);
    }

    /// Sets a key in the repository's configuration.
    pub fn configure(&self, key: &str, value: &str) {
        self.git(&["config", key, value]);
    }

    /// Enables or disables partial clones (`--filter`) on the server.
    pub fn allow_filters(&self, allowed: bool) {
        self.configure("uploadpack.allowFilter", &allowed.to_string());
    }

    /// Enables or disables fetches of commits that no ref points to (protocol v2 always allows them; this applies to v0 and v1).
    pub fn allow_any_commit(&self, allowed: bool) {
        self.configure("uploadpack.allowAnySHA1InWant", &allowed.to_string());
        self.configure("uploadpack.allowReachableSHA1InWant", &allowed.to_string());
    }

    /// Runs `git` in the repository and returns its output.
    pub fn git(&self, arguments: &[&str]) -> String {
        git::run(&self.path, arguments)
    }

    /// Writes a stream of many commits or tags (git-fast-import(1)), which costs one child process for all of them.
    pub fn fast_import(&self, stream: &str) {
        import(&self.path, format!("{stream}done\n").as_bytes());
    }

    /// The configuration for a server: pushes are allowed, and automatic maintenance is off.
    fn settle(&self) {
        self.configure("http.receivepack", "true");
        self.configure("uploadpack.allowFilter", "true");
        self.configure("receive.advertisePushOptions", "true");
        self.configure("gc.auto", "0");
        self.configure("maintenance.auto", "false");
        // fast-import writes loose objects, as other commits do, and not one pack per commit.
        self.configure("fastimport.unpackLimit", "100");
    }

    /// Returns the time of the next object and advances the clock.
    fn tick(&self) -> u64 {
        let now = self.clock.get();
        self.clock.set(now + 60);
        now
    }
}

impl Default for Repository {
    fn default() -> Self {
        Self::new()
    }
}

/// A commit under construction.
#[must_use = "nothing is written before `commit` is called"]
pub struct Change<'a> {
    repository: &'a Repository,
    branch: String,
    message: String,
    author: String,
    parent: Option<String>,
    body: Vec<u8>,
}

impl Change<'_> {
    /// The branch of the commit; `main` by default.
    pub fn on(mut self, branch: &str) -> Self {
        branch.clone_into(&mut self.branch);
        self
    }

    /// Sets a parent other than the branch's head. The branch is reset to the new commit.
    pub fn from(mut self, revision: &str) -> Self {
        self.parent = Some(self.repository.resolve(&format!("{revision}^{{commit}}")));
        self
    }

    /// Sets an author other than the committer.
    pub fn author(mut self, name: &str, email: &str) -> Self {
        self.author = format!("{name} <{email}>");
        self
    }

    /// Writes a file.
    pub fn write(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry("100644", path, content.as_ref())
    }

    /// Writes an executable file.
    pub fn write_executable(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry("100755", path, content.as_ref())
    }

    /// Writes a symlink.
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry("120000", path, target.as_bytes())
    }

    /// Records a commit of another repository, as a submodule does. (`.gitmodules` is an ordinary file.)
    pub fn submodule(mut self, path: &str, commit: &str) -> Self {
        self.body.extend_from_slice(format!("M 160000 {commit} {}\n", quoted(path)).as_bytes());
        self
    }

    /// Deletes a file or directory.
    pub fn delete(mut self, path: &str) -> Self {
        self.body.extend_from_slice(format!("D {}\n", quoted(path)).as_bytes());
        self
    }

    /// Moves a file or directory.
    pub fn rename(mut self, from: &str, to: &str) -> Self {
        self.body.extend_from_slice(format!("R {} {}\n", quoted(from), quoted(to)).as_bytes());
        self
    }

    /// Writes the commit, updates the branch and returns the commit's hash.
    pub fn commit(self) -> String {
        let Self { repository, branch, message, author, parent, body } = self;
        let reference = format!("refs/heads/{branch}");
        let now = repository.tick();
        let mut stream = Vec::new();
        // `reset` makes fast-import forget the branch's old head, which is correct only with an explicit parent.
        let parent = match parent {
            Some(parent) => {
                stream.extend_from_slice(format!("reset {reference}\n").as_bytes());
                Some(parent)
            }
            None => repository.existing(&reference),
        };
        let (name, email) = git::IDENTITY;
        let mut header = format!("commit {reference}\nmark :1\nauthor {author} {now} +0000\n");
        write!(header, "committer {name} <{email}> {now} +0000\ndata {}\n{message}\n", message.len())
            .expect("a string");
        if let Some(parent) = parent {
            writeln!(header, "from {parent}").expect("a string");
        }
        stream.extend_from_slice(header.as_bytes());
        stream.extend_from_slice(&body);
        stream.extend_from_slice(b"\nget-mark :1\ndone\n");
        import(&repository.path, &stream)
    }

    fn entry(mut self, mode: &str, path: &str, content: &[u8]) -> Self {
        self.body.extend_from_slice(format!("M {mode} inline {}\ndata {}\n", quoted(path), content.len()).as_bytes());
        self.body.extend_from_slice(content);
        self.body.push(b'\n');
        self
    }
}

impl Repository {
    fn existing(&self, reference: &str) -> Option<String> {
        let output =
            git::command(&self.path).args(["rev-parse", "--verify", "--quiet", reference]).output().expect("start git");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// Runs `git fast-import` on one stream and returns its output.
fn import(repository: &Path, stream: &[u8]) -> String {
    let arguments = ["fast-import", "--quiet", "--force", "--done", "--date-format=raw"];
    let mut child = git::command(repository)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start git fast-import");
    let mut input = child.stdin.take().expect("a pipe");
    // If fast-import rejects a stream, it closes the pipe early; its own message is more useful than the broken pipe.
    let written = input.write_all(stream);
    drop(input);
    let answer = git::answer(child.wait_with_output().expect("wait for git fast-import"), &arguments);
    written.expect("write to git fast-import");
    answer
}

/// Quotes a path for fast-import.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
