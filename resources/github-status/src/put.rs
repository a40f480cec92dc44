//! put: sets the status of a commit.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use jetway::http::StatusCode;
use jetway::{Advise as _, Context, Interrupted, Metadata, Response, Result};

use crate::deployment;
use crate::get::StatusFields;
use crate::github::GitHub;
use crate::params::Params;
use crate::source::Source;
use crate::subject::Subject;
use crate::texts::Texts;
use crate::version::Version;
use jetway_github::comments;
use jetway_github::error_response::has_status_and_message;
use jetway_github::inputs::Inputs;
use jetway_github::responses::Status;
use jetway_github::status::PlannedStatus;
use jetway_github::with_api;

/// The pauses between attempts to read a status back: about ten seconds in total.
const PAUSES: [Duration; 7] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
    Duration::from_secs(3),
    Duration::from_secs(4),
];

/// No further attempt to read a status back starts after this time.
const MAX_READ_BACK: Duration = Duration::from_secs(15);

/// Runs a put.
pub(crate) async fn put(
    context: &Context,
    source: &Source,
    params: &Params,
    inputs: &Path,
) -> Result<Response<Version>> {
    for (key, is_set) in [("gate", source.gate.is_some()), ("deployment", source.deployment.is_some())] {
        if is_set {
            return Err(anyhow!("a put is not supported with `{key}` in the source").hint(format!(
                "the version of a put would pass the gate; put to another resource of this type, without `{key}`"
            )));
        }
    }
    // All inputs are read before the first request, so that a put with a mistake has no effect.
    let plan = Plan::read(context, source, params, inputs)?;
    let github = GitHub::new(context, source)?;
    let result = with_api(&github, async || plan.carry_out(&github, params).await).await?;
    github.finish();
    Ok(result.finish(&plan))
}

/// The planned work of a put.
#[derive(Debug)]
struct Plan<'p> {
    subject: Subject,
    statuses: Vec<PlannedStatus>,
    target_url: Option<String>,
    deployment: Option<deployment::PlannedDeployment<'p>>,
    comments: Vec<String>,
}

impl<'p> Plan<'p> {
    fn read(context: &Context, source: &Source, params: &'p Params, inputs: &Path) -> Result<Self> {
        let inputs = Inputs::new(inputs)?;
        let subject = Subject::find(&inputs, source, params)?;
        let (build, log) = (context.build(), source.log(context.console()));
        let texts = Texts { build, log, source, params, inputs: &inputs, manner: subject.manner };
        let target_url = texts.target_url()?;
        let statuses = texts.statuses(target_url.as_deref())?;
        let deployment =
            params.deployment.as_ref().map(|deployment| deployment::PlannedDeployment::new(deployment, &texts));
        let comments = texts.comments()?;
        Ok(Self { subject, statuses, target_url, deployment, comments })
    }

    async fn carry_out(&self, github: &GitHub<'_>, params: &Params) -> Result<PutResult> {
        let mut result = PutResult::new(self.subject.commit.clone());
        self.set_statuses(github, &mut result).await?;
        self.deploy(github, &mut result).await?;
        self.comment(github, params, &mut result).await?;
        Ok(result)
    }

    /// Sets the statuses, and waits until they can be read back.
    async fn set_statuses(&self, github: &GitHub<'_>, result: &mut PutResult) -> Result<()> {
        for planned in &self.statuses {
            let mut outcome = planned.set(github, &result.commit).await;
            if let (Err(error), Some(head)) = (&outcome, &self.subject.head_of_pull_request)
                && has_status_and_message(error, StatusCode::UNPROCESSABLE_ENTITY, "No commit found")
            {
                github.log().step(format_args!(
                    "{} does not exist on GitHub; setting the status on {head}, the head of the pull request",
                    result.commit
                ));
                result.commit.clone_from(head);
                outcome = planned.set(github, &result.commit).await;
            }
            let status = outcome.with_context(|| {
                format!("cannot set status `{}` of {} to `{}`", planned.context, result.commit, planned.state)
            })?;
            github.log().step(format_args!("set `{}` of {} to `{}`", planned.context, result.commit, planned.state));
            result.statuses.push(status);
        }
        wait_until_readable(github, &result.commit, &result.statuses).await
    }

    async fn deploy(&self, github: &GitHub<'_>, result: &mut PutResult) -> Result<()> {
        let Some(planned) = &self.deployment else { return Ok(()) };
        let deployed = planned.set_status(github, &result.commit, self.target_url.as_deref()).await?;
        let state = deployed.status.as_ref().map_or("created", |status| status.state.as_str());
        github.log().step(format_args!(
            "deployment {} of {} to `{}`: {state}",
            deployed.deployment.id, result.commit, planned.params.environment
        ));
        result.deployment = Some(deployed);
        Ok(())
    }

    async fn comment(&self, github: &GitHub<'_>, params: &Params, result: &mut PutResult) -> Result<()> {
        if self.comments.is_empty() && !params.delete_previous_comments {
            return Ok(());
        }
        let number = match self.subject.pull_request.number {
            Some(number) => number,
            None => comments::pull_request_of(github, &result.commit).await?,
        };
        result.pull_request = Some(number);
        if params.delete_previous_comments {
            let deleted = comments::delete_ours(github, number).await?;
            let noun = if deleted == 1 { "comment" } else { "comments" };
            github.log().step(format_args!("deleted {deleted} previous {noun} on pull request {number}"));
        }
        for body in &self.comments {
            let comment = comments::add(github, number, body).await?;
            github.log().step(format_args!("added a comment to pull request {number}"));
            result.comments.push(comment);
        }
        Ok(())
    }
}

/// Waits for a limited time until GitHub lists the new statuses, because the get after the put must find them. If they cannot be
/// listed, this only warns, because GitHub has already confirmed that they are set.
async fn wait_until_readable(github: &GitHub<'_>, commit: &str, set: &[Status]) -> Result<()> {
    let mut missing: Vec<u64> = set.iter().map(|status| status.id).filter(|id| *id != 0).collect();
    let begin = Instant::now();
    let mut failure = None;
    for pause in PAUSES.into_iter().map(Some).chain([None]) {
        match drop_readable(github, commit, &mut missing).await {
            Ok(()) => failure = None,
            Err(error) if Interrupted::caused(&error) => return Err(error),
            Err(error) => failure = Some(error),
        }
        if missing.is_empty() {
            return Ok(());
        }
        match pause.filter(|_| begin.elapsed() < MAX_READ_BACK) {
            Some(pause) => github.context().interrupt().sleep(pause).await?,
            None => break,
        }
    }
    let reason = match failure {
        Some(error) => format!("it cannot be read back: {error}"),
        None => "GitHub does not return it yet".to_owned(),
    };
    github.log().warn(format_args!("the status is set, but {reason}; a get of it may fail"));
    Ok(())
}

/// Removes the statuses that GitHub lists from `missing`.
async fn drop_readable(github: &GitHub<'_>, commit: &str, missing: &mut Vec<u64>) -> Result<()> {
    let mut pages = github.statuses(commit);
    while !missing.is_empty()
        && let Some(page) = pages.next().await?
    {
        missing.retain(|id| page.iter().all(|status| status.id != *id));
    }
    Ok(())
}

/// The result of a put.
#[derive(Debug)]
struct PutResult {
    /// The commit that the statuses are set on.
    commit: String,
    statuses: Vec<Status>,
    deployment: Option<deployment::DeploymentResult>,
    comments: Vec<comments::Comment>,
    pull_request: Option<u64>,
}

impl PutResult {
    fn new(commit: String) -> Self {
        Self { commit, statuses: Vec::new(), deployment: None, comments: Vec::new(), pull_request: None }
    }

    fn finish(self, plan: &Plan<'_>) -> Response<Version> {
        let commit = &self.commit;
        let last = self.statuses.iter().rfind(|status| status.id != 0);
        let version = match (last, &self.deployment, self.comments.last()) {
            (Some(status), _, _) => Version::of_status(commit, status.id),
            (None, Some(deployed), _) => Version::of_deployment(
                commit,
                deployed.deployment.id,
                deployed.status.as_ref().map(|status| status.id).filter(|id| *id != 0),
            ),
            (None, None, Some(comment)) if comment.id != 0 => {
                Version { commit: commit.clone(), comment: Some(comment.id.to_string()), ..Version::default() }
            }
            // Comments were deleted, the only comment was empty, or GitHub returned no id.
            (None, None, _) => Version { commit: commit.clone(), ..Version::default() },
        };
        let mut metadata = self.metadata(plan);
        metadata.extend(plan.subject.pull_request.metadata.iter().cloned());
        Response { version, metadata }
    }

    fn metadata(&self, plan: &Plan<'_>) -> Vec<Metadata> {
        let mut metadata = Vec::new();
        match self.statuses.as_slice() {
            [] => {}
            [status] => metadata.extend(fields(status).metadata()),
            [first, ..] => {
                metadata.extend(fields(first).time_and_creator());
                metadata.extend(self.statuses.iter().map(|status| Metadata::new(status.context(), &status.state)));
            }
        }
        metadata.push(Metadata::new("commit", &self.commit));
        if let Some(deployed) = &self.deployment {
            let state = deployed.status.as_ref().map_or("created", |status| status.state.as_str());
            let environment = plan.deployment.as_ref().map_or("", |planned| planned.params.environment.as_str());
            let text = format!("{} to {environment}: {state}", deployed.deployment.id);
            metadata.push(Metadata::new("deployment", text));
        }
        if let Some(number) = self.pull_request {
            metadata.push(Metadata::new("pull_request", number.to_string()));
        }
        for comment in &self.comments {
            if let Some(url) = &comment.html_url {
                metadata.push(Metadata::new("comment", url));
            }
        }
        metadata
    }
}

fn fields(status: &Status) -> StatusFields {
    StatusFields {
        id: status.id,
        state: status.state.clone(),
        context: Some(status.context().to_owned()),
        description: status.description.clone().unwrap_or_default(),
        target_url: status.target_url.clone().unwrap_or_default(),
        created_at: status.created_at.clone(),
        updated_at: status.updated_at.clone(),
        creator: status.creator().to_owned(),
        ..StatusFields::default()
    }
}
