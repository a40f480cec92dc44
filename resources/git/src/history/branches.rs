//! Sets of branch names as versions: a version is new when a branch is created or deleted, not when a branch moves.

use std::path::Path;

use anyhow::Context as _;
use jetway::{Advise as _, Metadata, Response, Result, anyhow};
use jetway_git_client::transport::git::Git;
use jiff::Timestamp;

use crate::source::names::NameFilter;
use crate::version::Version;

/// The value of `branches` in a version without branches.
const NONE: &str = "NONE";

/// The file that a get writes.
const FILE: &str = "branches.json";

/// The most branches that the metadata lists.
const MAX_NAMES: usize = 100;

const HEADS: &str = "refs/heads/";

/// Returns the known version if the set of branches is unchanged, otherwise a new version.
///
/// A new version contains the time, because Concourse ignores a version that it has seen before: if a branch is created
/// and deleted again, the set is the same as before, but must be a new version.
pub(crate) async fn check(git: &Git<'_>, names: &NameFilter, known: Option<Version>) -> Result<Vec<Version>> {
    let branches = list(git, names).await?;
    if branches.is_empty()
        && let Some(written) = names.description()
    {
        git.context().console().warn(format_args!("no branch of `{}` matches {written}", git.remote().address));
    }
    let known = known.filter(|known| {
        let of_known = known.branches.as_deref().and_then(parse_names);
        of_known.is_some_and(|mut known| {
            known.sort();
            known == branches
        })
    });
    Ok(vec![known.map_or_else(|| version_of(&branches), Ok)?])
}

/// Writes the branch names of a version to a file. Does not fetch the repository.
pub(crate) async fn get(
    git: &Git<'_>,
    names: &NameFilter,
    version: Option<Version>,
    destination: &Path,
) -> Result<Response<Version>> {
    let version = match version {
        Some(version) => version,
        None => version_of(&list(git, names).await?)?,
    };
    let text = version.branches.as_deref().unwrap_or_default();
    let branches = parse_names(text).ok_or_else(|| {
        anyhow!("the version's `branches` is neither a JSON array of names nor `{NONE}`: `{text}`")
            .hint("the version was found before `version_type: branches` was set; run a newer version")
    })?;
    let json = serde_json::to_string(&branches).context("cannot write the branches' names")?;
    let file = destination.join(FILE);
    std::fs::write(&file, format!("{json}\n")).with_context(|| format!("cannot write `{}`", file.display()))?;
    let shown: Vec<&str> = branches.iter().take(MAX_NAMES).map(String::as_str).collect();
    let more = match branches.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let count = branches.len();
    let noun = if count == 1 { "branch" } else { "branches" };
    git.context().console().step(format_args!("wrote the names of {count} {noun} to `{FILE}`"));
    let metadata = vec![
        Metadata::new("count", count.to_string()),
        Metadata::new("branches", format!("{}{more}", shown.join(", "))),
    ];
    Ok(Response { version, metadata })
}

/// Lists the matching branch names on the server, sorted bytewise.
async fn list(git: &Git<'_>, names: &NameFilter) -> Result<Vec<String>> {
    let prefixes: Vec<String> = names.prefixes().iter().map(|prefix| format!("{HEADS}{prefix}")).collect();
    let refs = git.remote_refs(&prefixes, None).await?;
    let found = refs.iter().filter_map(|found| found.name.strip_prefix(HEADS)).filter(|name| names.matches(name));
    let mut branches: Vec<String> = found.map(str::to_owned).collect();
    branches.sort();
    branches.dedup();
    Ok(branches)
}

fn version_of(branches: &[String]) -> Result<Version> {
    let text = match branches {
        [] => NONE.to_owned(),
        branches => serde_json::to_string(branches).context("cannot write the branches' names")?,
    };
    Ok(Version::of_branches(text, Timestamp::now().to_string()))
}

/// Parses the branch names of a version.
fn parse_names(text: &str) -> Option<Vec<String>> {
    if text == NONE { Some(Vec::new()) } else { serde_json::from_str(text).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_lists_branch_names_or_none() {
        let names = |version: Version| parse_names(&version.branches.unwrap());
        let branches = ["a".to_owned(), "é/\"b\"".to_owned()];
        assert_eq!(names(version_of(&branches).unwrap()).unwrap(), branches);
        let none = version_of(&[]).unwrap();
        assert_eq!(none.branches.as_deref(), Some("NONE"));
        assert_eq!(names(none).unwrap(), Vec::<String>::new());
        assert_eq!(parse_names("main"), None);
        assert_eq!(parse_names(""), None);
    }

    #[test]
    fn equal_sets_become_different_versions() {
        assert_ne!(version_of(&[]).unwrap(), version_of(&[]).unwrap());
    }
}
