//! put: sets statuses of a pull request's head commit, and comments on it.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, BuildMetadata, Context, Metadata, Response, Result, UnknownVariables, trimmed};
use jetway_github::access::is_commit_hash;
use jetway_github::address::is_page;
use jetway_github::checkout::{self, PullRequest, require_repository};
use jetway_github::comments;
use jetway_github::context_name::{self, Contexts};
use jetway_github::description::fit;
use jetway_github::inputs::Inputs;
use jetway_github::put_texts::PutTexts;
use jetway_github::state::State;
use jetway_github::status::PlannedStatus;
use jetway_github::variables::fill;
use jetway_github::{GitHub, with_api};

use crate::gitea;
use crate::head::complete;
use crate::metadata::files_of;
use crate::params::PutParams;
use crate::source::Source;
use crate::version::{NO_PULL_REQUEST, Version};

/// Runs a put.
pub(crate) async fn put(
    context: &Context,
    source: &Source,
    params: &PutParams,
    inputs: &Path,
) -> Result<Response<Version>> {
    // All inputs are read before the first request, so that a put with a mistake has no effect.
    let inputs = Inputs::new(inputs)?;
    let github = source.github(context)?;
    let mut plan = Plan::read(&inputs, context.build(), &github, params)?;
    if plan.is_empty() {
        github
            .log()
            .warn("nothing to do: `status`, `comment`, `comment_file` and `delete_previous_comments` are not set");
    } else {
        if plan.version.committed.is_empty() {
            // The checkout was not created by a get of this type.
            let completed = async || {
                if github.is_gitea() {
                    return gitea::complete(&github, &plan.version).await;
                }
                complete(&github, source, &plan.version).await
            };
            plan.version = with_api(&github, completed).await?;
        }
        with_api(&github, async || plan.carry_out(&github).await).await?;
    }
    github.finish();
    Ok(Response { version: plan.version, metadata: plan.metadata })
}

/// The planned work of a put.
#[derive(Debug)]
struct Plan {
    version: Version,
    metadata: Vec<Metadata>,
    statuses: Vec<PlannedStatus>,
    comments: Vec<String>,
    deletes_comments: bool,
}

impl Plan {
    fn read(inputs: &Inputs, build: &BuildMetadata, github: &GitHub<'_>, params: &PutParams) -> Result<Self> {
        let path = params.path.trim();
        let directory = inputs.find(path)?.filter(|found| found.is_dir()).ok_or_else(|| {
            anyhow!("`{path}` is not a directory in the inputs")
                .hint("set `path` to the name of an earlier get of a pull request, or of another checkout")
        })?;
        require_repository(inputs, github.access(), path, &directory)?;
        let (version, metadata) =
            read_version(inputs, &directory).with_context(|| format!("cannot find the commit of `{path}`"))?;
        let texts = Texts { common: PutTexts { inputs, build, log: github.log() }, params };
        Ok(Self {
            metadata,
            statuses: texts.statuses()?,
            comments: texts.common.comments(trimmed(params.comment.as_ref()), trimmed(params.comment_file.as_ref()))?,
            deletes_comments: params.delete_previous_comments,
            version,
        })
    }

    fn is_empty(&self) -> bool {
        self.statuses.is_empty() && self.comments.is_empty() && !self.deletes_comments
    }

    async fn carry_out(&self, github: &GitHub<'_>) -> Result<()> {
        let commit = &self.version.commit;
        for planned in &self.statuses {
            planned.set(github, commit).await.with_context(|| {
                format!("cannot set status `{}` of {commit} to `{}`", planned.context, planned.state)
            })?;
            github.log().step(format_args!("set `{}` of {commit} to `{}`", planned.context, planned.state));
        }
        if self.comments.is_empty() && !self.deletes_comments {
            return Ok(());
        }
        let number = self.version.number().ok_or_else(|| {
            anyhow!("no pull request has the head commit {commit}, and only pull requests have comments")
        })?;
        if self.deletes_comments {
            let deleted = comments::delete_ours(github, number).await?;
            let noun = if deleted == 1 { "comment" } else { "comments" };
            github.log().step(format_args!("deleted {deleted} previous {noun} on pull request {number}"));
        }
        for body in &self.comments {
            comments::add(github, number, body).await?;
            github.log().step(format_args!("added a comment to pull request {number}"));
        }
        Ok(())
    }
}

/// Reads the version and the metadata that an earlier get wrote. For a checkout of another type, resolves its commit.
fn read_version(inputs: &Inputs, directory: &Path) -> Result<(Version, Vec<Metadata>)> {
    let found = PullRequest::of(inputs, directory)?;
    if let Some(file) = inputs.resolve(&files_of(directory).join("version.json"))? {
        let version: Version = serde_json::from_str(&inputs.read(&file)?)?;
        return if is_commit_hash(&version.commit) && version.number().is_some() {
            Ok((version, found.metadata))
        } else {
            Err(anyhow!("its `.git/resource/version.json` has no number in `pr`, or no commit hash in `commit`"))
        };
    }
    let commit = match found.commit {
        Some(commit) => commit.to_ascii_lowercase(),
        None => checkout::head(inputs, directory)?,
    };
    let pr = found.number.map_or_else(|| NO_PULL_REQUEST.to_owned(), |number| number.to_string());
    Ok((Version { pr, commit, ..Version::default() }, Vec::new()))
}

/// Builds the statuses from params, files and variables.
struct Texts<'p> {
    common: PutTexts<'p>,
    params: &'p PutParams,
}

impl Texts<'_> {
    fn statuses(&self) -> Result<Vec<PlannedStatus>> {
        let Some(typed) = trimmed(self.params.status.as_ref()) else { return Ok(Vec::new()) };
        let state = State::parse(typed).ok_or_else(|| anyhow!("`{typed}` is not a status"))?;
        let description = self.common.without_emoji("description", &self.description(typed)?);
        let (description, target_url) = (fit(&description), self.target_url());
        let own = self.params.context.as_ref().map(Contexts::non_empty).unwrap_or_default();
        let contexts = if own.is_empty() { vec![context_name::DEFAULT] } else { own };
        let planned = contexts.into_iter().map(|context| PlannedStatus {
            context: self.context(context),
            state,
            description: description.clone(),
            target_url: target_url.clone(),
        });
        Ok(planned.collect())
    }

    fn context(&self, name: &str) -> String {
        let base = trimmed(self.params.base_context.as_ref()).unwrap_or(context_name::DEFAULT_BASE);
        let name = context_name::join(base, &self.fill("context", name.trim()));
        self.common.without_emoji("context", &name)
    }

    fn description(&self, status: &str) -> Result<String> {
        if let Some(file) = trimmed(self.params.description_file.as_ref()) {
            return self.common.inputs.text("description_file", file);
        }
        Ok(match trimmed(self.params.description.as_ref()) {
            Some(text) => text.to_owned(),
            None => format!("Concourse CI build {status}"),
        })
    }

    /// The page that statuses link to. A URL that GitHub would reject is left out.
    fn target_url(&self) -> Option<String> {
        let page = match trimmed(self.params.target_url.as_ref()) {
            Some(text) => self.fill("target_url", text).trim().to_owned(),
            None => self.common.build.build_url()?,
        };
        if page.is_empty() || is_page(&page) {
            return Some(page).filter(|page| !page.is_empty());
        }
        self.common.log.warn(format_args!("the status has no `target_url`: `{page}` is not an `https://` URL"));
        None
    }

    fn fill(&self, key: &str, text: &str) -> String {
        fill(self.common.build, self.common.log, key, text, UnknownVariables::Keep)
    }
}
