//! The metadata of a pull request, and the files that tasks read.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jetway::{Metadata, Result, anyhow};
use jetway_github::GitHub;
use serde::Deserialize;
use serde_json::json;

use crate::listing::{Label, Nodes};
use crate::source::Source;
use crate::version::Version;

const QUERY: &str = "query($owner: String!, $name: String!, $number: Int!, $commit: GitObjectID!) {
    repository(owner: $owner, name: $name) {
        pullRequest(number: $number) {
            title url state isDraft headRefName baseRefName baseRefOid
            author { login }
            labels(first: 100) { nodes { name } }
        }
        object(oid: $commit) { ... on Commit { message author { name email user { login } } } }
    }
}";

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    pull_request: Option<PullRequest>,
    object: Option<Commit>,
}

/// The fields of a pull request that a get needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PullRequest {
    pub(crate) title: String,
    pub(crate) url: String,
    pub(crate) state: String,
    pub(crate) is_draft: bool,
    pub(crate) head_ref_name: String,
    pub(crate) base_ref_name: String,
    pub(crate) base_ref_oid: String,
    pub(crate) author: Option<Login>,
    pub(crate) labels: Option<Nodes<Label>>,
    #[serde(skip)]
    pub(crate) commit: Option<Commit>,
}

/// A user.
#[derive(Debug, Deserialize)]
pub(crate) struct Login {
    pub(crate) login: String,
}

/// A commit. All fields have their default if the object is not a commit.
#[derive(Debug, Deserialize)]
pub(crate) struct Commit {
    #[serde(default)]
    pub(crate) message: String,
    pub(crate) author: Option<Author>,
}

/// The author of a commit.
#[derive(Debug, Deserialize)]
pub(crate) struct Author {
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) user: Option<Login>,
}

impl PullRequest {
    /// Reads the pull request of a version.
    pub(crate) async fn read(github: &GitHub<'_>, source: &Source, number: u64, commit: &str) -> Result<Self> {
        let (owner, name) = source.owner_and_name();
        let variables = json!({ "owner": owner, "name": name, "number": number, "commit": commit });
        let read = async {
            let data: Data = github.graphql(QUERY, &variables, "").await?;
            let repository = data.repository.ok_or_else(|| anyhow!("GitHub returns no repository"))?;
            let found = repository.pull_request.ok_or_else(|| anyhow!("GitHub returns no pull request"))?;
            Ok::<_, jetway::Error>(Self { commit: repository.object, ..found })
        };
        read.await.with_context(|| format!("cannot read pull request {number} of `{}`", source.repository()))
    }

    /// The metadata of a version, one entry for each file. `base` is the commit that the head was integrated with.
    pub(crate) fn metadata(&self, version: &Version, base: Option<&str>) -> Vec<Metadata> {
        let author = self.commit.as_ref().and_then(|commit| commit.author.as_ref());
        let login = author.and_then(|author| author.user.as_ref()).map(|user| user.login.as_str());
        let opener = self.author.as_ref().map(|author| author.login.as_str());
        let email = author.and_then(|author| author.email.as_deref()).unwrap_or_default();
        let name = author.and_then(|author| author.name.as_deref()).unwrap_or_default();
        let labels: Vec<&str> =
            self.labels.iter().flat_map(|labels| &labels.nodes).map(|label| label.name.as_str()).collect();
        let entry = |name: &str, value: &str| Metadata::new(name, value);
        vec![
            entry("pr", &version.pr),
            entry("title", &self.title),
            entry("url", &self.url),
            entry("head_name", &self.head_ref_name),
            entry("head_sha", &version.commit),
            entry("base_name", &self.base_ref_name),
            entry("base_sha", base.unwrap_or(&self.base_ref_oid)),
            Metadata::typed("message", self.commit.as_ref().map_or("", |commit| commit.message.as_str()), "message"),
            entry("author", login.or(opener).unwrap_or_default()),
            entry("author_name", name),
            entry("author_email", email),
            entry("opened_by", opener.unwrap_or_default()),
            entry("labels", &labels.join(",")),
            entry("state", &self.state),
            entry("draft", if self.is_draft { "true" } else { "false" }),
        ]
    }
}

/// The directory with the files for tasks: below the destination of a get, which is an input of a later put.
pub(crate) fn files_of(directory: &Path) -> PathBuf {
    directory.join(".git").join("resource")
}

/// Writes `version.json`, `metadata.json`, a file for each entry of the metadata, and the changed files if they are given.
pub(crate) fn write(
    directory: &Path,
    version: &Version,
    metadata: &[Metadata],
    changed_files: Option<&[String]>,
) -> Result<()> {
    let directory = files_of(directory);
    fs::create_dir_all(&directory).with_context(|| format!("cannot create `{}`", directory.display()))?;
    let write = |name: &str, content: &str| {
        let path = directory.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write `{}`", path.display()))
    };
    let pairs: Vec<_> = metadata.iter().map(|entry| json!({ "name": entry.name, "value": entry.value })).collect();
    write("version.json", &serde_json::to_string(version)?)?;
    write("metadata.json", &serde_json::to_string(&pairs)?)?;
    for entry in metadata {
        write(&entry.name, &entry.value)?;
    }
    if let Some(files) = changed_files {
        let lines: Vec<&str> = files.iter().flat_map(|file| [file.as_str(), "\n"]).collect();
        write("changed_files", &lines.concat())?;
    }
    Ok(())
}
