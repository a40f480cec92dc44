//! get: writes a status, deployment or comment to files for later tasks.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Metadata, Response, Result};
use serde_json::json;

use crate::deployment::{self, Deployment};
use crate::github::GitHub;
use crate::source::Source;
use crate::version::Version;
use jetway_github::access::is_commit_hash;
use jetway_github::comments::Comment;
use jetway_github::error_response::is_gone;
use jetway_github::responses::counts_from;
use jetway_github::state::State;
use jetway_github::with_api;

/// The data of a status, a deployment or a comment.
#[derive(Debug, Default)]
pub(crate) struct StatusFields {
    pub(crate) id: u64,
    pub(crate) state: String,
    pub(crate) context: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) deployment: Option<u64>,
    pub(crate) description: String,
    pub(crate) target_url: String,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) creator: String,
}

/// Fetches a version into `destination`.
pub(crate) async fn get(
    context: &Context,
    source: &Source,
    version: Option<Version>,
    destination: &Path,
) -> Result<Response<Version>> {
    let version = version.ok_or_else(|| anyhow!("the request has no version"))?;
    if !is_commit_hash(&version.commit) {
        return Err(anyhow!("the version's commit, `{}`, is not a full commit hash", version.commit));
    }
    let is_of_gate = match (&source.gate, &source.deployment) {
        (None, None) => true,
        (Some(_), _) => version.deployment.is_none() && version.status.is_some(),
        (None, Some(_)) => version.deployment.is_some() && version.status.is_some(),
    };
    if !is_of_gate {
        return Err(anyhow!("the version does not belong to this gate"));
    }
    let github = GitHub::new(context, source)?;
    let fields = with_api(&github, async || match (&version.deployment, &version.status, &version.comment) {
        (Some(id), status, _) => of_deployment(&github, &version, id, status.as_deref()).await,
        (None, Some(id), _) => of_status(&github, &version, id).await,
        (None, None, Some(id)) => of_comment(&github, id).await,
        // A put that only deleted comments has no other data.
        (None, None, None) => Ok(StatusFields::default()),
    });
    let fields = fields.await?;
    let write = |name: &str, content: &str| {
        let path = destination.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write `{}`", path.display()))
    };
    let has_fields = fields.id != 0;
    let id = fields.id.to_string();
    let number = fields.deployment.map(|number| number.to_string());
    let files = [
        ("commit", Some(version.commit.as_str())),
        ("description", has_fields.then_some(fields.description.as_str())),
        ("state", has_fields.then_some(fields.state.as_str())),
        ("target_url", has_fields.then_some(fields.target_url.as_str())),
        ("updated_at", has_fields.then_some(fields.updated_at.as_str())),
        ("created_at", has_fields.then_some(fields.created_at.as_str())),
        ("creator", has_fields.then_some(fields.creator.as_str())),
        ("id", has_fields.then_some(id.as_str())),
        ("context", fields.context.as_deref()),
        ("environment", fields.environment.as_deref()),
        ("deployment", number.as_deref()),
        ("pr", version.pr.as_deref()),
    ];
    let mut whole = serde_json::Map::new();
    for (name, content) in files.into_iter().filter_map(|(name, content)| Some((name, content?))) {
        write(name, content)?;
        whole.insert(name.to_owned(), json!(content));
    }
    write("status.json", &serde_json::Value::Object(whole).to_string())?;
    github.finish();
    if !has_fields {
        return Ok(Response::new(version));
    }
    github.log().step(format_args!("{} is {}", version.commit, fields.summary()));
    let metadata = fields.metadata();
    Ok(Response { version, metadata })
}

impl StatusFields {
    /// The metadata, starting with the fields of the established resource.
    pub(crate) fn metadata(&self) -> Vec<Metadata> {
        let mut metadata = self.time_and_creator();
        let lines = [
            ("state", Some(&self.state)),
            ("context", self.context.as_ref()),
            ("environment", self.environment.as_ref()),
            ("description", Some(&self.description)),
            ("target_url", Some(&self.target_url)),
        ];
        for (name, value) in lines {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                metadata.push(Metadata::new(name, value));
            }
        }
        metadata
    }

    /// The metadata that all statuses of a put share.
    pub(crate) fn time_and_creator(&self) -> Vec<Metadata> {
        let mut metadata = Vec::new();
        if !self.created_at.is_empty() {
            metadata.push(Metadata::typed("created_at", &self.created_at, "time"));
        }
        if !self.creator.is_empty() {
            metadata.push(Metadata::new("created_by", &self.creator));
        }
        metadata
    }

    fn summary(&self) -> String {
        let by = if self.creator.is_empty() { String::new() } else { format!(" by {}", self.creator) };
        match (&self.context, &self.environment) {
            (Some(context), _) => format!("set to `{}` in `{context}`{by}", self.state),
            (None, Some(environment)) => format!("set to `{}` in the environment `{environment}`{by}", self.state),
            (None, None) => format!("commented on{by}"),
        }
    }
}

async fn of_status(github: &GitHub<'_>, version: &Version, id: &str) -> Result<StatusFields> {
    let number: u64 = id.parse().with_context(|| format!("the version's status, `{id}`, is not a number"))?;
    let found = github.statuses(&version.commit).find(|status| status.id == number).await;
    let found = match found {
        Err(error) if is_gone(&error) => Err(error.context(format!("commit {} does not exist", version.commit))),
        found => found,
    };
    let status = found?.ok_or_else(|| {
        anyhow!("status {id} does not exist on commit {} (any more)", version.commit)
            .hint("run a check to find the current statuses")
    })?;
    let fields = StatusFields {
        id: status.id,
        context: Some(status.context().to_owned()),
        creator: status.creator().to_owned(),
        state: status.state,
        description: status.description.unwrap_or_default(),
        target_url: status.target_url.unwrap_or_default(),
        created_at: status.created_at,
        updated_at: status.updated_at,
        ..StatusFields::default()
    };
    if let Some(gate) = &github.source().gate {
        // A version pinned by hand must pass the gate too.
        let passes = State::parse(&gate.state).is_some_and(|state| state.word() == fields.state)
            && fields.context.as_deref() == Some(github.source().gate_context(gate))
            && counts_from(&gate.creators, &fields.creator);
        if !passes {
            return Err(anyhow!(
                "status {id} does not pass the gate: it is `{}` in `{}`, set by {}",
                fields.state,
                fields.context.as_deref().unwrap_or_default(),
                fields.creator
            ));
        }
    }
    Ok(fields)
}

async fn of_deployment(github: &GitHub<'_>, version: &Version, id: &str, status: Option<&str>) -> Result<StatusFields> {
    let number: u64 = id.parse().with_context(|| format!("the version's deployment, `{id}`, is not a number"))?;
    let read = github.read(&github.of_repository(&format!("deployments/{number}"))).await;
    let deployment: Deployment = read.with_context(|| format!("cannot read deployment {id}"))?;
    if deployment.sha != version.commit {
        return Err(anyhow!("deployment {id} is for commit {}, not for {}", deployment.sha, version.commit));
    }
    let mut fields = StatusFields {
        id: deployment.id,
        environment: Some(deployment.environment),
        deployment: Some(deployment.id),
        description: deployment.description.unwrap_or_default(),
        created_at: deployment.created_at,
        updated_at: deployment.updated_at,
        creator: deployment.creator.map(|creator| creator.login).unwrap_or_default(),
        ..StatusFields::default()
    };
    let Some(status) = status else {
        // GitHub shows a deployment without statuses as pending.
        "pending".clone_into(&mut fields.state);
        return Ok(fields);
    };
    let found = deployment::statuses(github, number).find(|found| found.id.to_string() == status).await?;
    let found = found.ok_or_else(|| anyhow!("deployment {id} has no status {status} (any more)"))?;
    fields.id = found.id;
    fields.state = found.state;
    fields.creator = found.creator.map(|creator| creator.login).unwrap_or_default();
    fields.target_url = [found.log_url, found.target_url, found.environment_url]
        .into_iter()
        .flatten()
        .find(|url| !url.is_empty())
        .unwrap_or_default();
    if let Some(description) = found.description.filter(|description| !description.is_empty()) {
        fields.description = description;
    }
    (fields.created_at, fields.updated_at) = (found.created_at, found.updated_at);
    if let Some(gate) = &github.source().deployment
        && !deployment::passes(gate, fields.environment.as_deref(), &fields.state, &fields.creator)
    {
        return Err(anyhow!(
            "status {status} does not pass the gate: it is `{}` in environment `{}`, set by {}",
            fields.state,
            fields.environment.unwrap_or_default(),
            fields.creator
        ));
    }
    Ok(fields)
}

async fn of_comment(github: &GitHub<'_>, id: &str) -> Result<StatusFields> {
    let number: u64 = id.parse().with_context(|| format!("the version's comment, `{id}`, is not a number"))?;
    let read = github.read(&github.of_repository(&format!("issues/comments/{number}"))).await;
    let comment: Comment = read.with_context(|| format!("cannot read comment {id}"))?;
    Ok(StatusFields {
        id: comment.id,
        description: comment.body.unwrap_or_default(),
        target_url: comment.html_url.unwrap_or_default(),
        created_at: comment.created_at,
        updated_at: comment.updated_at,
        creator: comment.user.map(|user| user.login).unwrap_or_default(),
        ..StatusFields::default()
    })
}
