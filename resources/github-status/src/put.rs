//! put: say how a commit fares.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jetway::http::Method;
use jetway::{Advise as _, Context, Metadata, Parameters, Problems, Response, Result, Unknown};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::checkout::{self, PullRequest, is_commit_hash};
use crate::comments;
use crate::context_name;
use crate::deployment::{self, DeploymentParams};
use crate::description::fit;
use crate::get::Said;
use crate::github::{GitHub, Status};
use crate::inputs::Inputs;
use crate::source::Source;
use crate::state::{State, require_state};
use crate::variables::fill;
use crate::version::Version;

/// The pauses between looks at whether a status can be read back: about ten seconds in all.
const PAUSES: [Duration; 7] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
    Duration::from_secs(3),
    Duration::from_secs(4),
];

/// The context of the established pull-request resource, in two parts.
const BASE_CONTEXT: &str = "concourse-ci";
const CONTEXT: &str = "status";

/// What a pipeline may write under a put step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Params {
    /// The commit: a checkout in the inputs, a file in the inputs that holds a full hash, or a full hash. What is in the
    /// inputs comes first.
    pub commit: Option<String>,

    /// In place of `commit`, the checkout of a pull request as a pull-request resource gets it. Contexts then begin with
    /// `base_context`.
    pub path: Option<String>,

    /// How the commit fares: `success`, `failure`, `error` or `pending`, in any case. Without it, what `BUILD_STATUS` says
    /// (in the hooks of a job), unless there is a `deployment` or a comment and so something else to do.
    pub state: Option<String>,

    /// The pull-request resource's name for `state`.
    pub status: Option<String>,

    /// The context. Without it, the source's; with `path` and none in the source either, `status`.
    pub context: Option<String>,

    /// What the context begins with, a slash between. `concourse-ci` where `path` is given and the context is not the
    /// source's; else nothing.
    pub base_context: Option<String>,

    /// A short text, cut at a word when it has more than 140 characters. With `path`, it is `Concourse CI build STATE`
    /// when not given.
    pub description: Option<String>,

    /// A file in the inputs that holds the description; it comes before `description`.
    pub description_file: Option<String>,

    /// A file in the inputs that holds the description; `description` comes before it.
    pub description_path: Option<String>,

    /// Where the status leads. The page of the build when not given.
    pub target_url: Option<String>,

    /// A file in the inputs that holds what `target_url` would; `target_url` comes before it.
    pub target_url_path: Option<String>,

    /// Several statuses of the commit, in place of one. What one of them does not say is taken from the keys above.
    #[serde(default)]
    pub statuses: Vec<StatusParams>,

    /// A comment to make on the pull request.
    pub comment: Option<String>,

    /// A file in the inputs that holds another comment. An empty one is none.
    pub comment_file: Option<String>,

    /// Delete what the same login has commented on the pull request before.
    #[serde(default)]
    pub delete_previous_comments: bool,

    /// Makes a deployment of the commit, or goes on with the one that there is, and sets its status.
    pub deployment: Option<DeploymentParams>,
}

/// One of several statuses.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct StatusParams {
    /// The context.
    pub context: Option<String>,

    /// What the context begins with.
    pub base_context: Option<String>,

    /// How the commit fares.
    pub state: Option<String>,

    /// A short text.
    pub description: Option<String>,

    /// A file in the inputs that holds the description; it comes before `description`.
    pub description_file: Option<String>,

    /// Where the status leads.
    pub target_url: Option<String>,
}

impl Params {
    /// `state`, by either name.
    fn state(&self) -> Option<&str> {
        given(self.state.as_ref()).or_else(|| given(self.status.as_ref()))
    }

    /// Whether there is something to do besides setting a status.
    fn has_other_work(&self) -> bool {
        self.deployment.is_some() || self.delete_previous_comments || self.wants_comments()
    }

    fn wants_comments(&self) -> bool {
        given(self.comment.as_ref()).or_else(|| given(self.comment_file.as_ref())).is_some()
    }
}

impl Parameters for Params {
    fn rules(&self, problems: &mut Problems) {
        match (given(self.commit.as_ref()), given(self.path.as_ref())) {
            (Some(_), Some(_)) => problems.add("path", "excludes `commit`, which says the same in another way"),
            (None, None) => problems.add_with_hint(
                "commit",
                "required, but missing",
                "name a checkout, a file that holds a hash, or a hash; or a pull request's checkout by `path`",
            ),
            // A hash needs no file; whether it is one is seen once the inputs are known.
            (Some(commit), None) => problems.require_input("commit", commit),
            (None, Some(path)) => problems.require_input("path", path),
        }
        let states = [("state", given(self.state.as_ref())), ("status", given(self.status.as_ref()))];
        for (key, state) in states {
            if let Some(state) = state {
                require_state(problems, key, state);
            }
        }
        if let [(_, Some(state)), (_, Some(status))] = states
            && State::parse(state) != State::parse(status)
        {
            problems.add("status", "says something else than `state`, whose other name it is");
        }
        let paths = [
            ("description_file", &self.description_file),
            ("description_path", &self.description_path),
            ("target_url_path", &self.target_url_path),
            ("comment_file", &self.comment_file),
        ];
        for (key, path) in paths {
            if let Some(path) = given(path.as_ref()) {
                problems.require_input(key, path);
            }
        }
        for (index, status) in self.statuses.iter().enumerate() {
            if let Some(state) = given(status.state.as_ref()) {
                require_state(problems, &format!("statuses[{index}].state"), state);
            }
            if let Some(path) = given(status.description_file.as_ref()) {
                problems.require_input(&format!("statuses[{index}].description_file"), path);
            }
        }
        if let Some(deployment) = &self.deployment {
            deployment.rules(problems);
        }
    }
}

/// What a key holds, unless that is nothing: pipelines write an empty text for "not set".
fn given(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|text| !text.trim().is_empty())
}

/// Says of a commit what the params say.
pub(crate) async fn put(
    context: &Context,
    source: &Source,
    params: &Params,
    inputs: &Path,
) -> Result<Response<Version>> {
    for (key, is_set) in [("gate", source.gate.is_some()), ("deployment", source.deployment.is_some())] {
        if is_set {
            return Err(anyhow!("a resource whose source has `{key}` is for waiting only")
                .hint("the version of a put would pass for a go; put through another resource of this type"));
        }
    }
    // Everything is read before the first request: a put that cannot say all says nothing.
    let plan = Plan::read(context, source, params, inputs)?;
    let github = GitHub::new(context, source)?;
    let mut response = Answer::default();
    plan.set_statuses(&github, &mut response).await?;
    plan.deploy(&github, params, &mut response).await?;
    plan.comment(&github, params, &mut response).await?;
    github.finish();
    Ok(response.finish(&plan))
}

/// Which of the established resources a put is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// `commit`: the status resource.
    Commit,
    /// `path`: the pull-request resource.
    PullRequest,
}

/// All that a put is to do.
#[derive(Debug)]
struct Plan {
    commit: String,
    pull_request: PullRequest,
    statuses: Vec<Planned>,
    target_url: Option<String>,
    comments: Vec<String>,
}

/// A status to set.
#[derive(Debug)]
struct Planned {
    context: String,
    state: State,
    description: String,
    target_url: Option<String>,
}

impl Plan {
    fn read(context: &Context, source: &Source, params: &Params, inputs: &Path) -> Result<Self> {
        let inputs = Inputs::new(inputs)?;
        let (manner, commit, pull_request) = subject(&inputs, params)?;
        let texts = Texts { context, source, params, inputs: &inputs, manner };
        let target_url = texts.target_url()?;
        let mut statuses = Vec::new();
        if !params.statuses.is_empty() {
            for (index, status) in params.statuses.iter().enumerate() {
                statuses.push(texts.status(status, &format!("statuses[{index}]."), target_url.as_deref())?);
            }
        } else if params.state().is_some() || !params.has_other_work() {
            statuses.push(texts.status(&StatusParams::default(), "", target_url.as_deref())?);
        }
        let comments = texts.comments()?;
        Ok(Self { commit, pull_request, statuses, target_url, comments })
    }

    /// Sets the statuses, and waits until they can be read.
    async fn set_statuses(&self, github: &GitHub<'_>, response: &mut Answer) -> Result<()> {
        for planned in &self.statuses {
            let status = planned.set(github, &self.commit).await.with_context(|| {
                format!("cannot set the status `{}` of {} to `{}`", planned.context, self.commit, planned.state)
            })?;
            github.console().step(format_args!("set `{}` of {} to `{}`", planned.context, self.commit, planned.state));
            response.statuses.push(status);
        }
        if !response.statuses.is_empty() {
            self.wait_until_readable(github, &response.statuses).await?;
        }
        Ok(())
    }

    /// Waits, not for ever, until GitHub gives out what it has taken in: the get that follows wants to find it.
    async fn wait_until_readable(&self, github: &GitHub<'_>, set: &[Status]) -> Result<()> {
        let mut missing: Vec<u64> = set.iter().map(|status| status.id).collect();
        for pause in PAUSES.into_iter().map(Some).chain([None]) {
            let mut pages = github.statuses(&self.commit);
            while !missing.is_empty()
                && let Some(page) = pages.next().await.context("cannot read the status back")?
            {
                missing.retain(|id| page.iter().all(|status| status.id != *id));
            }
            if missing.is_empty() {
                return Ok(());
            }
            if let Some(pause) = pause {
                github.context().interrupt().sleep(pause).await?;
            }
        }
        // GitHub has confirmed it; only its lists lag behind.
        github.console().warn("the status is set, but GitHub does not list it yet; a get of it may fail");
        Ok(())
    }

    async fn deploy(&self, github: &GitHub<'_>, params: &Params, response: &mut Answer) -> Result<()> {
        let Some(params) = &params.deployment else { return Ok(()) };
        let told = deployment::tell(github, params, &self.commit, self.target_url.as_deref()).await?;
        let state = told.status.as_ref().map_or("made", |status| status.state.as_str());
        github.console().step(format_args!(
            "deployment {} of {} to `{}`: {state}",
            told.deployment.id, self.commit, told.deployment.environment
        ));
        response.deployment = Some(told);
        Ok(())
    }

    async fn comment(&self, github: &GitHub<'_>, params: &Params, response: &mut Answer) -> Result<()> {
        if self.comments.is_empty() && !params.delete_previous_comments {
            return Ok(());
        }
        let number = match self.pull_request.number {
            Some(number) => number,
            None => comments::pull_request_of(github, &self.commit).await?,
        };
        response.pull_request = Some(number);
        if params.delete_previous_comments {
            let deleted = comments::delete_ours(github, number).await?;
            github.console().step(format_args!("deleted {deleted} of the comments on the pull request {number}"));
        }
        for body in &self.comments {
            let comment = comments::add(github, number, body).await?;
            github.console().step(format_args!("commented on the pull request {number}"));
            response.comments.push(comment);
        }
        Ok(())
    }
}

impl Planned {
    async fn set(&self, github: &GitHub<'_>, commit: &str) -> Result<Status> {
        let mut body = Map::new();
        body.insert("state".to_owned(), json!(self.state.word()));
        body.insert("context".to_owned(), json!(self.context));
        if !self.description.is_empty() {
            body.insert("description".to_owned(), json!(self.description));
        }
        if let Some(url) = &self.target_url {
            body.insert("target_url".to_owned(), json!(url));
        }
        // The newest status of a context is what counts, so that one set twice is the same as one set once.
        let request = github
            .request(&Method::POST, &github.of_repository(&format!("statuses/{commit}")))
            .json(&Value::Object(body))
            .repeatable();
        github.send(request).await?.json().await
    }
}

/// The commit that is spoken of, and its pull request where one is known.
fn subject(inputs: &Inputs, params: &Params) -> Result<(Manner, String, PullRequest)> {
    if let Some(path) = given(params.path.as_ref()) {
        let directory = inputs.find(path)?.filter(|found| found.is_dir()).ok_or_else(|| {
            anyhow!("`{path}` is not a directory in the inputs")
                .hint("`path` is the name of an earlier get of a pull request")
        })?;
        let read = || {
            let pull_request = PullRequest::of(inputs, &directory)?;
            let commit = match &pull_request.commit {
                Some(commit) => commit.to_ascii_lowercase(),
                None => checkout::head(inputs, &directory)?,
            };
            Ok::<_, jetway::Error>((Manner::PullRequest, commit, pull_request))
        };
        return read().with_context(|| format!("cannot tell the commit of `{path}`"));
    }
    let given = given(params.commit.as_ref()).unwrap_or_default().trim();
    let commit = || match inputs.find(given)? {
        Some(found) if found.is_dir() => checkout::head(inputs, &found),
        Some(found) => {
            let text = inputs.read(&found)?;
            let hash = text.trim();
            if is_commit_hash(hash) {
                Ok(hash.to_ascii_lowercase())
            } else {
                Err(anyhow!("the file holds no full commit hash"))
            }
        }
        None if is_commit_hash(given) => Ok(given.to_ascii_lowercase()),
        None => Err(anyhow!("it is neither in the inputs nor a full commit hash")
            .hint("name a checkout, a file that holds a hash, or a hash of 40 digits")),
    };
    let commit = commit().with_context(|| format!("cannot tell the commit from `{given}`"))?;
    Ok((Manner::Commit, commit, PullRequest::default()))
}

/// Where the texts of a put come from.
struct Texts<'p> {
    context: &'p Context,
    source: &'p Source,
    params: &'p Params,
    inputs: &'p Inputs,
    manner: Manner,
}

impl Texts<'_> {
    /// One status; what `one` does not say is taken from the params themselves. `at` is where its keys are.
    fn status(&self, one: &StatusParams, at: &str, target_url: Option<&str>) -> Result<Planned> {
        let typed = given(one.state.as_ref()).or_else(|| self.params.state());
        let build = self.context.build().status.as_deref();
        let state = typed.and_then(State::parse).or_else(|| build.and_then(State::of_build));
        let state = state.ok_or_else(|| {
            anyhow!("there is no state to set").hint(
                "set `state`; without it `BUILD_STATUS` is taken, which Concourse tells in hooks such as `on_failure` only",
            )
        })?;
        let target_url = match given(one.target_url.as_ref()) {
            Some(url) => Some(fill(self.context, &format!("{at}target_url"), url, self.unknown())),
            None => target_url.map(str::to_owned),
        };
        let description = match (given(one.description_file.as_ref()), given(one.description.as_ref())) {
            (Some(file), _) => self.inputs.text(&format!("{at}description_file"), file)?,
            (None, Some(text)) => text.to_owned(),
            (None, None) => self.description(typed.unwrap_or(state.word()))?,
        };
        Ok(Planned { context: self.context_name(one), state, description: fit(&description), target_url })
    }

    /// The context. A put by `commit` is that of the status resource: the source's context as it is. A put by `path` is that of
    /// the pull-request resource: two parts, each with a default. What the source or the put says comes before defaults.
    fn context_name(&self, one: &StatusParams) -> String {
        let own = given(one.context.as_ref()).or_else(|| given(self.params.context.as_ref()));
        let of_source = (self.source.context != "default").then_some(self.source.context.as_str());
        let own = own.map(|name| fill(self.context, "context", name, Unknown::Stays));
        let base = given(one.base_context.as_ref()).or_else(|| given(self.params.base_context.as_ref()));
        let (base, name) = match (self.manner, own, of_source) {
            (Manner::PullRequest, Some(own), _) => (base.or(Some(BASE_CONTEXT)), own),
            (Manner::PullRequest, None, None) => (base.or(Some(BASE_CONTEXT)), CONTEXT.to_owned()),
            (Manner::PullRequest, None, Some(of_source)) => (base, of_source.to_owned()),
            (Manner::Commit, own, _) => (base, own.unwrap_or_else(|| self.source.context.clone())),
        };
        match base {
            Some(base) => context_name::join(base, &name),
            None => name,
        }
    }

    fn description(&self, state: &str) -> Result<String> {
        let params = self.params;
        if let Some(file) = given(params.description_file.as_ref()) {
            return self.inputs.text("description_file", file);
        }
        if let Some(text) = given(params.description.as_ref()) {
            return Ok(text.to_owned());
        }
        if let Some(file) = given(params.description_path.as_ref()) {
            return self.inputs.text("description_path", file);
        }
        Ok(match self.manner {
            Manner::Commit => String::new(),
            Manner::PullRequest => format!("Concourse CI build {state}"),
        })
    }

    /// Where statuses lead when they do not say themselves.
    fn target_url(&self) -> Result<Option<String>> {
        let params = self.params;
        let (key, text) = match (given(params.target_url.as_ref()), given(params.target_url_path.as_ref())) {
            (Some(text), _) => ("target_url", text.to_owned()),
            (None, Some(file)) => ("target_url_path", self.inputs.text("target_url_path", file)?),
            (None, None) => return Ok(self.context.build().build_url()),
        };
        Ok(Some(fill(self.context, key, &text, self.unknown())).filter(|url| !url.is_empty()))
    }

    fn comments(&self) -> Result<Vec<String>> {
        let mut comments = Vec::new();
        if let Some(text) = given(self.params.comment.as_ref()) {
            comments.push(fill(self.context, "comment", text, Unknown::Stays));
        }
        if let Some(file) = given(self.params.comment_file.as_ref()) {
            let text = self.inputs.text("comment_file", file)?;
            comments.push(fill(self.context, "comment_file", &text, Unknown::Stays));
        }
        comments.retain(|text| !text.trim().is_empty());
        Ok(comments)
    }

    /// What becomes of variables that are none, which the two established resources do not agree on.
    fn unknown(&self) -> Unknown {
        match self.manner {
            Manner::Commit => Unknown::Empties,
            Manner::PullRequest => Unknown::Stays,
        }
    }
}

/// What a put has done.
#[derive(Debug, Default)]
struct Answer {
    statuses: Vec<Status>,
    deployment: Option<deployment::Told>,
    comments: Vec<comments::Comment>,
    pull_request: Option<u64>,
}

impl Answer {
    fn finish(self, plan: &Plan) -> Response<Version> {
        let commit = &plan.commit;
        let last = self.statuses.last();
        let version = match (last, &self.deployment, self.comments.last()) {
            (Some(status), _, _) => Version::of_status(commit, status.id),
            (None, Some(told), _) => {
                Version::of_deployment(commit, told.deployment.id, told.status.as_ref().map(|status| status.id))
            }
            (None, None, Some(comment)) => {
                Version { commit: commit.clone(), comment: Some(comment.id.to_string()), ..Version::default() }
            }
            // Comments were deleted, or the only one was empty.
            (None, None, None) => Version { commit: commit.clone(), ..Version::default() },
        };
        let mut metadata = self.metadata(commit);
        metadata.extend(plan.pull_request.metadata.iter().cloned());
        Response { version, metadata }
    }

    fn metadata(&self, commit: &str) -> Vec<Metadata> {
        let mut metadata = Vec::new();
        match self.statuses.as_slice() {
            [] => {}
            [status] => metadata.extend(said(status).metadata()),
            [first, ..] => {
                metadata.push(Metadata::typed("created_at", &first.created_at, "time"));
                metadata.push(Metadata::new("created_by", first.creator()));
                metadata.extend(self.statuses.iter().map(|status| Metadata::new(status.context(), &status.state)));
            }
        }
        metadata.push(Metadata::new("commit", commit));
        if let Some(told) = &self.deployment {
            let state = told.status.as_ref().map_or("made", |status| status.state.as_str());
            let text = format!("{} to {}: {state}", told.deployment.id, told.deployment.environment);
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

fn said(status: &Status) -> Said {
    Said {
        id: status.id,
        state: status.state.clone(),
        context: Some(status.context().to_owned()),
        description: status.description.clone().unwrap_or_default(),
        target_url: status.target_url.clone().unwrap_or_default(),
        created_at: status.created_at.clone(),
        updated_at: status.updated_at.clone(),
        creator: status.creator().to_owned(),
        ..Said::default()
    }
}
