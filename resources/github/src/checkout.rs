//! Resolves the commit of a checkout from its files, because the image contains no git.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Metadata, Result};
use serde::Deserialize;

use crate::access::{Access, is_commit_hash};
use crate::inputs::Inputs;
use crate::remote::{self, Remote};

/// The maximum length of a chain of symbolic refs.
const MAX_SYMBOLIC_REFS: usize = 5;

/// Returns an error if the checkout belongs to a repository other than the resource's. `name` is its path in the inputs.
pub fn require_repository(inputs: &Inputs, access: &Access, name: &str, directory: &Path) -> Result<()> {
    let remotes = remotes(inputs, directory);
    let Some(another) = remote::find_other_repository(&remotes, &access.repository, &access.api) else { return Ok(()) };
    Err(anyhow!(
        "the checkout `{name}` belongs to `{}` (remote `{}`), but `repository` of the source is `{}`",
        another.repository,
        another.name,
        access.repository
    )
    .hint("use a checkout of this repository; a commit given by its hash or by a file is not compared with the repository"))
}

/// The git directories of a checkout: its own, and the one that all worktrees of the repository share.
#[derive(Debug)]
struct Directories {
    own: PathBuf,
    common: PathBuf,
}

/// Resolves HEAD of the checkout in `directory`, which is inside the inputs.
pub fn head(inputs: &Inputs, directory: &Path) -> Result<String> {
    let directories = Directories::of(inputs, directory)?;
    if directories.common.join("reftable").is_dir() {
        return Err(anyhow!("it stores its refs in the `reftable` format, which is not supported").hint(
            "set `commit` to a file that contains the commit's hash, such as `.git/ref` of a git resource's get",
        ));
    }
    let head = directories.own.join("HEAD");
    let mut content = inputs.read(&head).context("cannot read its `HEAD`")?;
    for _ in 0..MAX_SYMBOLIC_REFS {
        let line = content.trim();
        let Some(name) = line.strip_prefix("ref:").map(str::trim) else {
            return if is_commit_hash(line) {
                Ok(line.to_ascii_lowercase())
            } else {
                Err(anyhow!("its `HEAD` contains neither a ref nor a commit hash"))
            };
        };
        content = directories.reference(inputs, name)?;
    }
    Err(anyhow!("its `HEAD` is a symbolic ref loop"))
}

/// The remotes of the checkout in `directory`. Empty if its configuration cannot be read.
fn remotes(inputs: &Inputs, directory: &Path) -> Vec<Remote> {
    let read = || {
        let directories = Directories::of(inputs, directory).ok()?;
        let file = inputs.resolve(&directories.common.join("config")).ok()??;
        inputs.read(&file).ok()
    };
    read().map(|config| remote::remotes(&config)).unwrap_or_default()
}

impl Directories {
    /// Finds the directories of the checkout in `directory`.
    fn of(inputs: &Inputs, directory: &Path) -> Result<Self> {
        let dot_git = inputs.resolve(&directory.join(".git"))?.ok_or_else(|| {
            anyhow!("it has no `.git`")
                .hint("name a checkout, a file that contains the commit's hash, or the hash itself")
        })?;
        if dot_git.is_dir() {
            return Ok(Self { own: dot_git.clone(), common: dot_git });
        }
        // In a worktree or a submodule, `.git` is a file that contains the path of the directory.
        let text = inputs.read(&dot_git).context("cannot read its `.git`")?;
        let target = text
            .trim()
            .strip_prefix("gitdir:")
            .map(str::trim)
            .context("its `.git` is neither a directory nor a `gitdir:` file")?;
        let own = locate(inputs, directory, Path::new(target))?;
        let common = match inputs.resolve(&own.join("commondir"))? {
            None => own.clone(),
            Some(file) => locate(inputs, &own, Path::new(inputs.read(&file)?.trim()))?,
        };
        Ok(Self { own, common })
    }

    /// Reads the value of the ref `name`.
    fn reference(&self, inputs: &Inputs, name: &str) -> Result<String> {
        let is_legal = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.')) && !name.contains('\0');
        if !is_legal {
            return Err(anyhow!("the ref name in its `HEAD` is not valid"));
        }
        for directory in [&self.own, &self.common] {
            if let Some(file) = inputs.resolve(&directory.join(name))?.filter(|file| file.is_file()) {
                return inputs.read(&file).with_context(|| format!("cannot read the ref `{name}`"));
            }
        }
        if let Some(file) = inputs.resolve(&self.common.join("packed-refs"))? {
            let packed = read_packed(&file, name).context("cannot read its packed refs")?;
            if let Some(hash) = packed {
                return Ok(hash);
            }
        }
        Err(anyhow!("its branch `{name}` has no commit yet"))
    }
}

/// Finds a ref in a packed-refs file. Reads it line by line, because a repository may have very many refs.
fn read_packed(file: &Path, name: &str) -> Result<Option<String>> {
    use std::io::BufRead as _;
    let mut reader = std::io::BufReader::new(std::fs::File::open(file)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if let Some((hash, packed)) = text.trim_end().split_once(' ')
            && packed == name
        {
            return Ok(Some(hash.to_owned()));
        }
        line.clear();
    }
    Ok(None)
}

/// Resolves the path of a directory in one of git's files, relative to `base`.
///
/// A worktree stores the absolute path of its repository in the container that created it. This container has the inputs in
/// another directory, so only the end of that path is resolved, below the inputs.
fn locate(inputs: &Inputs, base: &Path, target: &Path) -> Result<PathBuf> {
    let as_written = inputs.resolve(&base.join(target));
    if let Ok(Some(found)) = &as_written {
        return Ok(found.clone());
    }
    if target.is_absolute() {
        let parts: Vec<_> = target.components().skip(1).collect();
        for start in 1..parts.len() {
            let end: PathBuf = parts.iter().skip(start).collect();
            if end.components().all(|part| matches!(part, std::path::Component::Normal(_)))
                && let Ok(Some(found)) = inputs.resolve(&inputs.root().join(end))
            {
                return Ok(found);
            }
        }
    }
    Err(match as_written {
        Err(error) => error.context("cannot use the git directory that its `.git` file refers to"),
        Ok(_) => anyhow!("the git directory that its `.git` file refers to is not in the inputs")
            .hint("add the main repository of the worktree to the inputs"),
    })
}

/// The files that an earlier get of a pull request wrote to its checkout.
#[derive(Debug, Default)]
pub struct PullRequest {
    /// The head of the pull request, if known; the checkout may be at a merge of it.
    pub commit: Option<String>,
    /// Its number.
    pub number: Option<u64>,
    /// The metadata of that get.
    pub metadata: Vec<Metadata>,
}

/// The maximum number of metadata entries that a put copies from another resource.
const MAX_METADATA_ENTRIES: usize = 50;

impl PullRequest {
    /// Reads the pull request of the checkout in `directory`.
    pub fn of(inputs: &Inputs, directory: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            pr: Option<String>,
            commit: Option<String>,
        }
        #[derive(Deserialize)]
        struct Entry {
            name: String,
            value: String,
        }
        let git = directory.join(".git");
        let read = |path: &str| -> Result<Option<String>> {
            match inputs.resolve(&git.join(path)) {
                Ok(Some(file)) if file.is_file() => {
                    inputs.read(&file).with_context(|| format!("cannot read `.git/{path}`")).map(Some)
                }
                Ok(_) => Ok(None),
                Err(error) => Err(error.context(format!("cannot read `.git/{path}`"))),
            }
        };
        let mut found = Self::default();
        if let Some(text) = read("resource/version.json")? {
            let version: Version = serde_json::from_str(&text).context("cannot parse `.git/resource/version.json`")?;
            found.number = version.pr.and_then(|number| number.trim().parse().ok());
            found.commit = version.commit;
            if let Some(text) = read("resource/metadata.json")? {
                let entries: Vec<Entry> =
                    serde_json::from_str(&text).context("cannot parse `.git/resource/metadata.json`")?;
                found.metadata = entries
                    .into_iter()
                    .take(MAX_METADATA_ENTRIES)
                    .map(|entry| Metadata::new(entry.name, entry.value))
                    .collect();
            }
        } else {
            // Older pull-request resources write these two files.
            found.number = read("id")?.and_then(|text| text.trim().parse().ok());
            found.commit = read("head_sha")?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        }
        match &found.commit {
            Some(commit) if !is_commit_hash(commit) => {
                Err(anyhow!("the version that the get stored contains no commit hash"))
            }
            _ => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

    struct Fixture {
        root: tempfile::TempDir,
    }

    impl Fixture {
        fn new(files: &[(&str, &str)]) -> Self {
            let root = tempfile::tempdir().unwrap();
            for (path, content) in files {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            Self { root }
        }

        fn head(&self, directory: &str) -> Result<String> {
            let inputs = Inputs::new(self.root.path()).unwrap();
            let directory = inputs.find(directory).unwrap().unwrap();
            head(&inputs, &directory)
        }
    }

    #[test]
    fn head_resolves_detached_heads_loose_refs_and_packed_refs() {
        let hash = format!("{HASH}\n");
        for files in [
            &[("c/.git/HEAD", hash.as_str())][..],
            &[("c/.git/HEAD", "ref: refs/heads/a/b\n"), ("c/.git/refs/heads/a/b", &hash)],
            &[
                ("c/.git/HEAD", "ref: refs/heads/x\n"),
                (
                    "c/.git/packed-refs",
                    &format!(
                        "# pack-refs with: peeled\n{} refs/tags/x\n^{HASH}\n{HASH} refs/heads/x\n",
                        "1".repeat(40)
                    ),
                ),
            ],
        ] {
            assert_eq!(Fixture::new(files).head("c").unwrap(), HASH);
        }
    }

    #[test]
    fn head_resolves_a_worktree_whose_repository_was_moved() {
        let fixture = Fixture::new(&[
            ("repo/.git/HEAD", "ref: refs/heads/main\n"),
            ("repo/.git/refs/heads/side", HASH),
            ("repo/.git/worktrees/tree/HEAD", "ref: refs/heads/side\n"),
            ("repo/.git/worktrees/tree/commondir", "../..\n"),
            ("tree/.git", "gitdir: /tmp/build/0a1b2c/repo/.git/worktrees/tree\n"),
        ]);
        assert_eq!(fixture.head("tree").unwrap(), HASH);
    }

    #[test]
    fn head_resolves_the_commit_of_a_submodule() {
        let fixture = Fixture::new(&[
            ("repo/.git/HEAD", "ref: refs/heads/main\n"),
            ("repo/.git/modules/sub/HEAD", HASH),
            ("repo/sub/.git", "gitdir: ../.git/modules/sub\n"),
        ]);
        assert_eq!(fixture.head("repo/sub").unwrap(), HASH);
    }

    #[test]
    fn head_rejects_paths_outside_the_inputs() {
        let outside = Fixture::new(&[("repo/HEAD", HASH)]);
        let target = format!("gitdir: {}/repo\n", outside.root.path().display());
        let fixture = Fixture::new(&[("c/.git", target.as_str())]);
        let error = format!("{:#}", fixture.head("c").unwrap_err());
        assert!(error.contains("outside the directory of the inputs"), "{error}");
        for name in ["../../../etc/passwd", "refs/heads/../../../x", "/etc/passwd"] {
            let head = format!("ref: {name}\n");
            let fixture = Fixture::new(&[("c/.git/HEAD", head.as_str())]);
            assert_eq!(fixture.head("c").unwrap_err().to_string(), "the ref name in its `HEAD` is not valid");
        }
    }

    #[test]
    fn head_explains_why_a_directory_is_not_a_checkout() {
        for (files, words) in [
            (&[("c/x", "")][..], "it has no `.git`"),
            (&[("c/.git/HEAD", "ref: refs/heads/main\n")], "its branch `refs/heads/main` has no commit yet"),
            (&[("c/.git/HEAD", "nonsense")], "its `HEAD` contains neither a ref nor a commit hash"),
            (&[("c/.git", "nonsense")], "its `.git` is neither a directory nor a `gitdir:` file"),
            (
                &[("c/.git/HEAD", "ref: refs/a\n"), ("c/.git/refs/a", "ref: refs/a\n")],
                "its `HEAD` is a symbolic ref loop",
            ),
        ] {
            assert_eq!(Fixture::new(files).head("c").unwrap_err().to_string(), words);
        }
    }
}
