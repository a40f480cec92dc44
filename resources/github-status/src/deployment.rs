//! Deployments: GitHub's record of the commit deployed to each environment.

use anyhow::{Context as _, anyhow};
use jetway::Result;
use jetway::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::github::GitHub;
use crate::params::DeploymentParams;
use crate::source::{DeploymentGate, Followed};
use crate::texts::Texts;
use crate::version::Version;
use jetway_github::description::fit;
use jetway_github::error_response::is_gone;
use jetway_github::github::Pages;
use jetway_github::lenient;
use jetway_github::responses::{self, User, counts_from};
use jetway_github::server::escape_value;
use jetway_github::state::{State, deployment_state};

/// The maximum number of deployments that a check reads, newest first.
const MAX_DEPLOYMENTS: usize = 100;

/// A deployment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Deployment {
    #[serde(deserialize_with = "lenient::number")]
    pub(crate) id: u64,
    #[serde(deserialize_with = "lenient::text_or_empty")]
    pub(crate) sha: String,
    #[serde(deserialize_with = "lenient::text_or_empty")]
    pub(crate) environment: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) description: Option<String>,
    #[serde(deserialize_with = "lenient::text_or_empty")]
    pub(crate) created_at: String,
    #[serde(deserialize_with = "lenient::text_or_empty")]
    pub(crate) updated_at: String,
    #[serde(deserialize_with = "responses::user")]
    pub(crate) creator: Option<User>,
}

/// A status of a deployment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DeploymentStatus {
    #[serde(deserialize_with = "lenient::number")]
    pub(crate) id: u64,
    #[serde(deserialize_with = "lenient::text_or_empty")]
    pub(crate) state: String,
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) description: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) target_url: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) log_url: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) environment_url: Option<String>,
    #[serde(deserialize_with = "lenient::text_or_empty")]
    pub(crate) created_at: String,
    #[serde(deserialize_with = "lenient::text_or_empty")]
    pub(crate) updated_at: String,
    #[serde(deserialize_with = "responses::user")]
    pub(crate) creator: Option<User>,
}

/// Lists the statuses of a deployment, newest first.
pub(crate) fn statuses<'g, 'c>(github: &'g GitHub<'c>, deployment: u64) -> Pages<'g, 'c, DeploymentStatus> {
    github.list(github.of_repository(&format!("deployments/{deployment}/statuses")), "")
}

/// Whether a deployment's status passes the gate.
pub(crate) fn passes(gate: &DeploymentGate, environment: Option<&str>, state: &str, creator: &str) -> bool {
    environment == Some(gate.environment.as_str())
        && deployment_state(&gate.state) == Some(state)
        && counts_from(&gate.creators, creator)
}

/// Returns the deployments that have reached the gate's state, oldest first, starting with the known one.
pub(crate) async fn versions(
    github: &GitHub<'_>,
    gate: &DeploymentGate,
    known: Option<Version>,
) -> Result<Vec<Version>> {
    let known = known.and_then(|version| Some((version.deployment.as_ref()?.parse::<u64>().ok()?, version)));
    let mut query = format!("environment={}", escape_value(&gate.environment));
    match github.source().followed() {
        Followed::Commit(commit) => query = format!("{query}&sha={}", escape_value(commit)),
        // Deployments are often created for commits and not for branches, so a branch filters them only if the source sets it.
        Followed::Ref(reference) if github.source().branch.is_some() => {
            query = format!("{query}&ref={}", escape_value(reference));
        }
        Followed::Ref(_) | Followed::PullRequests(_) => {}
    }
    let mut versions = Vec::new();
    let mut read = 0;
    let mut pages: Pages<'_, '_, Deployment> = github.list(github.of_repository("deployments"), &query);
    'pages: while let Some(page) = pages.next().await? {
        for deployment in page {
            let reached = first_passing_status(github, gate, &deployment).await?;
            let version = reached.map(|status| Version::of_deployment(&deployment.sha, deployment.id, Some(status)));
            match &known {
                Some((id, known)) if *id == deployment.id => {
                    versions.extend(version.filter(|version| version != known));
                    versions.push(known.clone());
                    return Ok(versions.into_iter().rev().collect());
                }
                None if version.is_some() => return Ok(version.into_iter().collect()),
                _ => versions.extend(version),
            }
            read += 1;
            if read == MAX_DEPLOYMENTS {
                break 'pages;
            }
        }
    }
    if let Some((id, known)) = known
        && exists(github, id).await?
    {
        versions.push(known);
    }
    Ok(versions.into_iter().rev().collect())
}

/// Finds the first status of the current run of statuses that pass the gate.
async fn first_passing_status(
    github: &GitHub<'_>,
    gate: &DeploymentGate,
    deployment: &Deployment,
) -> Result<Option<u64>> {
    let mut first = None;
    let mut pages = statuses(github, deployment.id);
    while let Some(page) = pages.next().await? {
        for status in page {
            let creator = status.creator.as_ref().map_or("", |creator| creator.login.as_str());
            if passes(gate, Some(&deployment.environment), &status.state, creator) {
                // A repeated status is not another version.
                first = Some(status.id);
            } else if first.is_some() || status.state != "inactive" {
                return Ok(first);
            }
            // GitHub marks a deployment as inactive once the next one succeeds, so `inactive` does not end the run.
        }
    }
    Ok(first)
}

async fn exists(github: &GitHub<'_>, id: u64) -> Result<bool> {
    match github.read::<Deployment>(&github.of_repository(&format!("deployments/{id}"))).await {
        Ok(_) => Ok(true),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A deployment that a put has created or updated.
#[derive(Debug)]
pub(crate) struct DeploymentResult {
    pub(crate) deployment: Deployment,
    pub(crate) status: Option<DeploymentStatus>,
}

/// The deployment status that a put sets.
#[derive(Debug)]
pub(crate) struct PlannedDeployment<'p> {
    pub(crate) params: &'p DeploymentParams,
    state: Option<&'static str>,
    description: Option<String>,
    environment_url: Option<String>,
}

impl<'p> PlannedDeployment<'p> {
    /// Reads the params, and drops a description or a URL that GitHub would reject.
    pub(crate) fn new(params: &'p DeploymentParams, texts: &Texts<'_>) -> Self {
        let state = match &params.state {
            Some(word) => deployment_state(word),
            None => texts.build.status.as_deref().and_then(State::of_build).map(State::word),
        };
        let description = params.description.as_deref();
        let description = description.map(|text| fit(&texts.without_emoji("deployment.description", text)));
        Self {
            params,
            state,
            description: description.filter(|text| !text.is_empty()),
            environment_url: texts.plain_page("deployment.environment_url", params.environment_url.as_ref()),
        }
    }

    /// Sets a status on the commit's deployment, and creates a deployment if there is none to continue.
    pub(crate) async fn set_status(
        &self,
        github: &GitHub<'_>,
        commit: &str,
        log_url: Option<&str>,
    ) -> Result<DeploymentResult> {
        let params = self.params;
        let deployment = match find_current(github, params, commit, self.state).await? {
            Some(deployment) => deployment,
            None => create(github, params, commit, self.description.as_deref())
                .await
                .with_context(|| format!("cannot create a deployment of {commit} to `{}`", params.environment))?,
        };
        let Some(state) = self.state else { return Ok(DeploymentResult { deployment, status: None }) };
        let mut body = Map::new();
        body.insert("state".to_owned(), json!(state));
        let texts = [
            ("description", self.description.as_deref()),
            ("log_url", log_url),
            ("environment_url", self.environment_url.as_deref()),
        ];
        for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
            body.insert(name.to_owned(), json!(text));
        }
        if let Some(auto_inactive) = params.auto_inactive {
            body.insert("auto_inactive".to_owned(), json!(auto_inactive));
        }
        let path = github.of_repository(&format!("deployments/{}/statuses", deployment.id));
        // The request is idempotent.
        let request = github.request(&Method::POST, &path).json(&Value::Object(body)).repeatable();
        let mut status: DeploymentStatus = github
            .created(request)
            .await
            .with_context(|| format!("cannot set the status of deployment {} to `{state}`", deployment.id))?;
        if status.state.is_empty() {
            state.clone_into(&mut status.state);
        }
        Ok(DeploymentResult { deployment, status: Some(status) })
    }
}

/// Finds the commit's newest deployment in the environment, if the put should update it: it has not ended, or it has ended in the
/// state that the put sets. So several steps of a job update one deployment, and a retried put does not create a second one.
async fn find_current(
    github: &GitHub<'_>,
    params: &DeploymentParams,
    commit: &str,
    state: Option<&str>,
) -> Result<Option<Deployment>> {
    let mut query = format!("sha={commit}&environment={}", escape_value(&params.environment));
    if let Some(task) = &params.task {
        query = format!("{query}&task={}", escape_value(task));
    }
    let mut pages: Pages<'_, '_, Deployment> = github.list(github.of_repository("deployments"), &query);
    let found = pages.next().await?.and_then(|page| page.into_iter().next());
    let Some(deployment) = found else { return Ok(None) };
    let newest = statuses(github, deployment.id).next().await?.and_then(|page| page.into_iter().next());
    let has_ended = newest
        .as_ref()
        .is_some_and(|newest| ["success", "failure", "error", "inactive"].contains(&newest.state.as_str()));
    let continues = !has_ended || newest.is_some_and(|newest| Some(newest.state.as_str()) == state);
    // A deployment that has ended can only become inactive.
    Ok(Some(deployment).filter(|_| continues || state == Some("inactive")))
}

async fn create(
    github: &GitHub<'_>,
    params: &DeploymentParams,
    commit: &str,
    description: Option<&str>,
) -> Result<Deployment> {
    let mut body = Map::new();
    body.insert("ref".to_owned(), json!(commit));
    body.insert("environment".to_owned(), json!(params.environment));
    // The pipeline has chosen the commit to deploy, so GitHub must not merge another branch into it.
    body.insert("auto_merge".to_owned(), json!(false));
    body.insert("required_contexts".to_owned(), json!(params.required_contexts));
    let texts = [("task", params.task.as_deref()), ("description", description)];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        body.insert(name.to_owned(), json!(text));
    }
    let flags = [
        ("production_environment", params.production_environment),
        ("transient_environment", params.transient_environment),
    ];
    for (name, flag) in flags.into_iter().filter_map(|(name, flag)| Some((name, flag?))) {
        body.insert(name.to_owned(), json!(flag));
    }
    let request = github.request(&Method::POST, &github.of_repository("deployments")).json(&Value::Object(body));
    let deployment: Deployment = github.created(request).await?;
    if deployment.id == 0 {
        return Err(anyhow!("GitHub did not create the deployment, or did not return its id"));
    }
    Ok(deployment)
}
