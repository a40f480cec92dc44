//! The benchmark's repository: tens of thousands of commits. It is created once and cached in the target directory.

use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::{git, scratch};

/// The size of the repository.
#[derive(Debug, Clone, Copy, Hash)]
pub struct Size {
    /// The number of commits on `main`, including merges and merged commits.
    pub commits: usize,
    /// The number of files in the last tree.
    pub files: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { commits: 25_000, files: 2_000 }
    }
}

/// The path of the bare repository `large.git`.
///
/// It is created with `git fast-import` if it does not exist, and again if this file or the size changes.
pub fn large_repository(size: Size) -> PathBuf {
    let mut recipe = DefaultHasher::new();
    include_str!("large_repository.rs").hash(&mut recipe);
    size.hash(&mut recipe);
    let fixtures = scratch::target_directory().join("fixtures");
    let kept = fixtures.join(format!("{:016x}", recipe.finish()));
    let repository = kept.join("large.git");
    if repository.is_dir() {
        return repository;
    }
    fs::create_dir_all(&fixtures).expect("create the folder of large fixtures");
    // The repository is created under another name and then renamed, so that an interrupted run leaves no incomplete one.
    let making = tempfile::Builder::new().prefix("making-").tempdir_in(&fixtures).expect("create a directory");
    let path = making.path().join("large.git");
    git::run(making.path(), &["init", "-q", "--bare", "--initial-branch=main", "large.git"]);
    for (key, value) in [("http.receivepack", "true"), ("uploadpack.allowFilter", "true"), ("gc.auto", "0")] {
        git::run(&path, &["config", key, value]);
    }
    let arguments = ["fast-import", "--quiet", "--done", "--date-format=raw"];
    let mut child = git::command(&path).args(arguments).stdin(Stdio::piped()).spawn().expect("start git fast-import");
    let written = write(size, &mut BufWriter::new(child.stdin.take().expect("a pipe")));
    let status = child.wait().expect("wait for git fast-import");
    assert!(status.success(), "git fast-import failed: {status}");
    written.expect("write to git fast-import");
    // Packed as on a server: one pack with a bitmap, and packed refs.
    git::run(&path, &["repack", "-a", "-d", "-q", "--write-bitmap-index", "--depth=50", "--window=10"]);
    git::run(&path, &["pack-refs", "--all"]);
    match fs::rename(making.path(), &kept) {
        // Another process has created the same repository first.
        Err(_) if repository.is_dir() => {}
        result => result.expect("keep the repository"),
    }
    repository
}

/// Writes the history: each commit changes one file, every fifth merges a side branch of one commit, some are tagged.
fn write(size: Size, stream: &mut impl Write) -> io::Result<()> {
    let mut history = History { written: 0, random: 0x9e37_79b9_7f4a_7c15, size };
    let mut tip = None;
    while history.written < size.commits {
        // A merge takes two commits, so one commit may remain for the end.
        if history.written % 5 == 3 && history.written + 2 <= size.commits {
            let branched = history.commit(stream, "refs/heads/side", "Work on the side", tip, None)?;
            tip = Some(history.commit(stream, "refs/heads/main", "Merge the side branch", tip, Some(branched))?);
        } else {
            tip = Some(history.commit(stream, "refs/heads/main", "Change a file", tip, None)?);
        }
        if history.written.is_multiple_of(250) {
            let number = history.written / 250;
            write!(stream, "reset refs/tags/v0.{number}.0\nfrom :{}\n\n", history.written)?;
        }
    }
    // The side branches were merged; only their commits stay.
    write!(stream, "reset refs/heads/side\nfrom 0000000000000000000000000000000000000000\n\ndone\n")?;
    stream.flush()
}

/// Adds tags to commits of a copy, evenly spread over the whole history: `v0`, `v1`... Every other tag is annotated.
pub fn add_tags(repository: &Path, count: usize) {
    let commits = git::run(repository, &["rev-list", "--reverse", "--first-parent", "main"]);
    let commits: Vec<&str> = commits.lines().collect();
    let mut stream = String::new();
    for number in 0..count {
        let commit = commits[number * commits.len() / count];
        let (name, email) = git::IDENTITY;
        let date = git::FIRST_COMMIT + 600 * number as u64;
        if number.is_multiple_of(2) {
            writeln!(stream, "reset refs/tags/v{number}\nfrom {commit}\n").expect("a string");
        } else {
            writeln!(stream, "tag v{number}\nfrom {commit}\ntagger {name} <{email}> {date} +0000").expect("a string");
            writeln!(stream, "data 8\nRelease\n").expect("a string");
        }
    }
    import(repository, &stream);
    git::run(repository, &["pack-refs", "--all"]);
}

/// Puts branches on commits of a copy of it, evenly spread along the whole history: `team/b0` and so on.
pub fn add_branches(repository: &Path, count: usize) {
    let commits = git::run(repository, &["rev-list", "--reverse", "--first-parent", "main"]);
    let commits: Vec<&str> = commits.lines().collect();
    let reset = |number: usize| {
        format!("reset refs/heads/team/b{number}\nfrom {}\n\n", commits[number * commits.len() / count])
    };
    import(repository, &(0..count).map(reset).collect::<String>());
    git::run(repository, &["pack-refs", "--all"]);
}

/// Writes a branch of one commit with many small files.
pub fn add_wide_branch(repository: &Path, branch: &str, files: usize) {
    let (name, email) = git::IDENTITY;
    let mut stream = format!("commit refs/heads/{branch}\ncommitter {name} <{email}> {} +0000\n", git::FIRST_COMMIT);
    stream.push_str("data 5\nBegin\n");
    for number in 0..files {
        let (area, folder) = (number % 40, number / 40 % 50);
        let content = format!("{number} {:016x}\n", (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        writeln!(stream, "M 100644 inline area-{area:02}/folder-{folder:02}/file-{number:05}.txt").expect("a string");
        write!(stream, "data {}\n{content}\n", content.len()).expect("a string");
    }
    import(repository, &stream);
}

/// Runs `git fast-import`.
fn import(repository: &Path, stream: &str) {
    let arguments = ["fast-import", "--quiet", "--force", "--date-format=raw"];
    let mut child =
        git::command(repository).args(arguments).stdin(Stdio::piped()).spawn().expect("start git fast-import");
    child.stdin.take().expect("a pipe").write_all(stream.as_bytes()).expect("write to git fast-import");
    let status = child.wait().expect("wait for git fast-import");
    assert!(status.success(), "git fast-import failed: {status}");
}

struct History {
    written: usize,
    random: u64,
    size: Size,
}

impl History {
    fn commit(
        &mut self,
        stream: &mut impl Write,
        branch: &str,
        subject: &str,
        parent: Option<usize>,
        merged: Option<usize>,
    ) -> io::Result<usize> {
        let number = self.written;
        self.written += 1;
        let mark = self.written;
        let message = format!("{subject}: {number}\n\nWritten for the benchmark.\n");
        let date = git::FIRST_COMMIT + 600 * number as u64;
        let (name, email) = git::IDENTITY;
        writeln!(stream, "commit {branch}\nmark :{mark}\ncommitter {name} <{email}> {date} +0000")?;
        write!(stream, "data {}\n{message}\n", message.len())?;
        for (kind, commit) in [("from", parent), ("merge", merged)] {
            if let Some(commit) = commit {
                writeln!(stream, "{kind} :{commit}")?;
            }
        }
        // The first commits each add a file until all exist; each later commit changes one of them.
        let file = if number < self.size.files { number } else { self.below(self.size.files) };
        let content = self.content(number);
        let (area, folder) = (file % 8, file / 8 % 25);
        writeln!(stream, "M 100644 inline area-{area}/folder-{folder:02}/file-{file:04}.txt\ndata {}", content.len())?;
        stream.write_all(content.as_bytes())?;
        stream.write_all(b"\n\n")?;
        Ok(mark)
    }

    /// About two kilobytes of text that does not compress well.
    fn content(&mut self, number: usize) -> String {
        let lines = (0..40).map(|_| format!("{:016x} {:016x} of change {number}\n", self.next(), self.next()));
        lines.collect()
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or(0)
    }

    /// Xorshift: a deterministic generator, random enough for file contents.
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
