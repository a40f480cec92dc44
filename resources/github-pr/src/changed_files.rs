//! The files that pull requests change, from GitHub's GraphQL API or Gitea's REST API.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jetway::{Result, anyhow};
use jetway_github::GitHub;
use serde::Deserialize;
use serde_json::json;

use crate::glob::Glob;
use crate::listing::PageInfo;
use crate::source::Source;

/// How many pull requests one query asks for.
const BATCH: usize = 25;

/// The maximum number of pages for one pull request. GitHub lists 3,000 files at most.
const MAX_PAGES: usize = 40;

/// The fields of a page of files.
const FIELDS: &str = "{ pageInfo { hasNextPage endCursor } nodes { path } }";

#[derive(Deserialize)]
struct Data {
    repository: Option<BTreeMap<String, Option<Files>>>,
}

#[derive(Deserialize)]
struct Files {
    files: Option<Connection>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    page_info: PageInfo,
    nodes: Vec<Option<File>>,
}

#[derive(Deserialize)]
struct File {
    path: String,
}

/// The changed files of each of the pull requests. Most pull requests take one page, so several are in one query.
pub(crate) async fn of_all(
    github: &GitHub<'_>,
    source: &Source,
    numbers: &[u64],
) -> Result<BTreeMap<u64, Vec<String>>> {
    let mut all: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    if github.is_gitea() {
        for number in numbers {
            all.insert(*number, jetway_github::gitea::changed_files(github, *number).await?);
        }
        return Ok(all);
    }
    let mut pending: Vec<(u64, Option<String>)> = numbers.iter().map(|number| (*number, None)).collect();
    for _ in 0..MAX_PAGES * numbers.len().div_ceil(BATCH).max(1) {
        if pending.is_empty() {
            return Ok(all);
        }
        let batch: Vec<_> = pending.drain(..pending.len().min(BATCH)).collect();
        let mut fields = String::new();
        for (number, after) in &batch {
            let after = after.as_ref().map(|cursor| format!(", after: {}", json!(cursor))).unwrap_or_default();
            // Writing to a string cannot fail.
            let _ =
                write!(fields, " pr{number}: pullRequest(number: {number}) {{ files(first: 100{after}) {FIELDS} }}");
        }
        let (owner, name) = source.owner_and_name();
        let query = format!(
            "query($owner: String!, $name: String!) {{ repository(owner: $owner, name: $name) {{{fields} }} }}"
        );
        let data: Data = github.graphql(&query, &json!({ "owner": owner, "name": name }), "").await?;
        let mut found = data.repository.ok_or_else(|| anyhow!("GitHub returns no repository"))?;
        for (number, _) in batch {
            let files = found.remove(&format!("pr{number}")).flatten().and_then(|found| found.files);
            // GitHub returns no list for a pull request without a difference.
            let Some(files) = files else {
                all.entry(number).or_default();
                continue;
            };
            all.entry(number).or_default().extend(files.nodes.into_iter().flatten().map(|file| file.path));
            if let Some(cursor) = files.page_info.end_cursor.filter(|_| files.page_info.has_next_page) {
                pending.push((number, Some(cursor)));
            }
        }
    }
    if pending.is_empty() { Ok(all) } else { Err(anyhow!("GitHub's lists of changed files do not end")) }
}

/// The patterns of a source.
#[derive(Debug)]
pub(crate) struct PathFilter {
    paths: Vec<Glob>,
    ignored: Vec<Glob>,
}

impl PathFilter {
    /// The patterns of `paths` and `ignore_paths`; `None` if the source has none.
    pub(crate) fn of(source: &Source) -> Option<Self> {
        let parse = |patterns: &[String]| patterns.iter().filter_map(|pattern| Glob::parse(pattern).ok()).collect();
        source.filters_paths().then(|| Self { paths: parse(&source.paths), ignored: parse(&source.ignore_paths) })
    }

    /// Whether a change of these files counts.
    pub(crate) fn accepts(&self, files: &[String]) -> bool {
        files.iter().any(|file| {
            (self.paths.is_empty() || self.paths.iter().any(|path| path.matches(file)))
                && !self.ignored.iter().any(|path| path.matches(file))
        })
    }
}
