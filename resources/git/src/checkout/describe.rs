//! The text of `git describe` for a fresh checkout.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Context as _;
use git2::{ErrorCode, ObjectType, Oid, Repository};
use jetway::Result;
use jetway_git_client::transport::git::Git;

/// The fewest hexadecimal digits of an abbreviated hash.
const FEWEST_DIGITS: u32 = 7;

/// The output of `git describe`, or an empty text if it fails. `has_default_settings` tells whether the checkout used
/// git's default settings.
pub(crate) async fn text(
    git: &Git<'_>,
    repository: &Repository,
    directory: &Path,
    options: &str,
    has_default_settings: bool,
) -> Result<String> {
    let detects_changes = |option: &&str| option.starts_with("--dirty") || option.starts_with("--broken");
    let mut options: Vec<&str> = options.split_whitespace().collect();
    if has_default_settings && is_as_committed(repository)? {
        // Skip these options, which compare every file: git cannot trust the timestamps of files that were just
        // written.
        options.retain(|option| !detects_changes(option));
        if options == ["--always"]
            && !has_annotated_tags(repository)?
            && let Some(hash) = abbreviated_head(repository)?
        {
            return Ok(hash);
        }
    }
    let described = git.command("describe").directory(directory).args(options).quiet().run().await?;
    Ok(if described.is_success() { described.text() } else { String::new() })
}

/// Whether a fresh checkout is certainly identical to its commit. It may differ if there are attributes
/// (gitattributes(5)), which can convert files, or submodules, which can be at another commit.
fn is_as_committed(repository: &Repository) -> Result<bool> {
    const SUBMODULE: u32 = 0o160_000;
    let index = repository.index().context("cannot read the index")?;
    let is_plain = |entry: git2::IndexEntry| {
        let name = entry.path.rsplit(|byte| *byte == b'/').next();
        entry.mode != SUBMODULE && name != Some(b".gitattributes")
    };
    let has_user_attributes =
        repository.config().is_ok_and(|settings| settings.get_path("core.attributesFile").is_ok());
    Ok(!has_user_attributes && !repository.path().join("info/attributes").exists() && index.iter().all(is_plain))
}

/// Whether the repository has tags that `git describe` uses by default.
fn has_annotated_tags(repository: &Repository) -> Result<bool> {
    let objects = repository.odb()?;
    for tag in repository.references_glob("refs/tags/*")? {
        let Some(target) = tag?.target() else { return Ok(true) };
        if objects.read_header(target)?.1 == ObjectType::Tag {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The hash of HEAD, abbreviated to the same length as by git: the expected length for the number of objects, or longer
/// if the hash of another object begins with the same digits. `None` if `core.abbrev` sets the length.
fn abbreviated_head(repository: &Repository) -> Result<Option<String>> {
    if repository.config()?.get_string("core.abbrev").is_ok() {
        return Ok(None);
    }
    let head = repository.refname_to_id("HEAD")?;
    let objects = packed_objects(repository).context("cannot read the packs")?;
    let hash = head.to_string();
    for digits in expected_digits(objects)..hash.len() {
        if is_unique(repository, head, digits)? {
            return Ok(hash.get(..digits).map(str::to_owned));
        }
    }
    Ok(Some(hash))
}

/// The length of abbreviated hashes in a repository with this number of objects (object-name.c in git's sources).
fn expected_digits(objects: u64) -> usize {
    let bits = objects.checked_ilog2().unwrap_or(0) + 1;
    usize::try_from(bits.div_ceil(2).max(FEWEST_DIGITS)).unwrap_or(usize::MAX)
}

/// The number of objects in packs, from the fan-out tables of their indexes (gitformat-pack(5)).
fn packed_objects(repository: &Repository) -> io::Result<u64> {
    /// The offset of the last count: after a signature, a version and 255 counts.
    const TOTAL: u64 = 8 + 255 * 4;
    let mut objects = 0;
    for entry in fs::read_dir(repository.path().join("objects/pack"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "idx") {
            let mut total = [0; 4];
            File::open(path)?.read_exact_at(&mut total, TOTAL)?;
            objects += u64::from(u32::from_be_bytes(total));
        }
    }
    Ok(objects)
}

/// Whether no other object's hash has the same first `digits`.
fn is_unique(repository: &Repository, object: Oid, digits: usize) -> Result<bool> {
    match repository.odb()?.exists_prefix(object, digits) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == ErrorCode::Ambiguous => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn git(directory: &Path, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.current_dir(directory).args(["-c", "user.name=A", "-c", "user.email=a@b", "-c", "gc.auto=0"]);
        git.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]);
        let output = git.args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn length_of_hashes_grows_with_the_number_of_objects() {
        for (objects, digits) in [(0, 7), (16_383, 7), (16_384, 8), (65_535, 8), (65_536, 9), (1_000_000, 10)] {
            assert_eq!(expected_digits(objects), digits, "{objects}");
        }
    }

    #[test]
    fn abbreviated_hash_agrees_with_git() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        git(path, &["init", "-q", "."]);
        // With this many objects, some hashes begin with the same seven digits.
        let blob = |number: u32| format!("blob\ndata <<X\n{number}\nX\n");
        fs::write(path.join("blobs"), (0..17_000).map(blob).collect::<String>()).unwrap();
        let mut import = Command::new("git");
        import.current_dir(path).args(["fast-import", "--quiet"]).stdin(File::open(path.join("blobs")).unwrap());
        assert!(import.status().unwrap().success());
        for commit in ["one", "two", "three"] {
            git(path, &["commit", "-q", "--allow-empty", "-m", commit]);
            let repository = Repository::open(path).unwrap();
            assert!(!has_annotated_tags(&repository).unwrap());
            assert_eq!(abbreviated_head(&repository).unwrap().unwrap(), git(path, &["describe", "--always"]));
            git(path, &["tag", commit]);
        }
        git(path, &["config", "core.abbrev", "12"]);
        assert_eq!(abbreviated_head(&Repository::open(path).unwrap()).unwrap(), None);
        git(path, &["tag", "-a", "-m", "annotated", "v1"]);
        assert!(has_annotated_tags(&Repository::open(path).unwrap()).unwrap());
    }
}
