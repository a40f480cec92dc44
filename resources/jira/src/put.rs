//! put: creates an issue, or edits, links, comments and transitions one.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::http::Method;
use jetway::{Advise as _, Context, Error, Interrupted, Metadata, Response, Result};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::arrivals::{self, Arrival};
use crate::client::Client;
use crate::error_response::may_be_applied;
use crate::params::PutParams;
use crate::plan::{Plan, Target};
use crate::responses::{Issue, Status, text_at};
use crate::source::Source;
use crate::time;
use crate::version::Version;

/// The fields of an issue that a put reads.
const FIELDS: [(&str, &str); 1] = [("fields", "status,summary,created,updated")];

/// Runs a put.
pub(crate) async fn put(
    context: &Context,
    source: &Source,
    params: &PutParams,
    inputs: &Path,
) -> Result<Response<Version>> {
    for (key, is_set) in [("status", source.status.is_some()), ("status_category", source.status_category.is_some())] {
        if is_set {
            return Err(anyhow!("a resource with `{key}` in its source is a gate and has no puts")
                .hint("the version of a put would open the gate; use a second resource without `status` and `status_category`"));
        }
    }
    // Reads all inputs before the first request, so that a put with invalid input changes nothing.
    let plan = Plan::read(context, source, params, inputs)?;
    let client = Client::new(context, source)?;
    let response = carry_out(&client, &plan).await?;
    client.finish();
    Ok(response)
}

async fn carry_out(client: &Client<'_>, plan: &Plan) -> Result<Response<Version>> {
    let (key, is_new) = match &plan.target {
        Target::New(fields) => (create(client, fields).await?, true),
        Target::Existing(key) => (key.clone(), false),
    };
    let done = work(client, plan, &key).await;
    if is_new { done.map_err(|error| error.hint(format!("the issue {key} was created before"))) } else { done }
}

/// Does all the work after the creation. It looks up the transition first, since that may fail. Requests that may be
/// repeated come before the comment.
async fn work(client: &Client<'_>, plan: &Plan, key: &str) -> Result<Response<Version>> {
    let issue = client.issue(key, &FIELDS).await.with_context(|| format!("cannot read the issue {key}"))?;
    let step = match &plan.transition {
        Some(wanted) => Some(step(client, &issue, wanted).await?),
        None => None,
    };
    if !plan.fields.is_empty() {
        let request = client.request(&Method::PUT, &format!("/issue/{key}")).json(&json!({ "fields": plan.fields }));
        client.change(request).await.with_context(|| format!("cannot edit {key}"))?;
        client.console().step(format_args!("set {} of {key}", names(&plan.fields)));
    }
    if let Some(link) = &plan.link {
        // A second link with the same id updates the first.
        let request = client.request(&Method::POST, &format!("/issue/{key}/remotelink")).json(link).repeatable();
        client.change(request).await.with_context(|| format!("cannot link {key}"))?;
        client.console().step(format_args!("linked {key} to {}", text_at(link, &["object", "url"])));
    }
    if let Some(comment) = &plan.comment {
        let request = client.request(&Method::POST, &format!("/issue/{key}/comment")).json(&json!({ "body": comment }));
        let added = client.change(request).await.map_err(|error| {
            hint_if_applied(error, "the comment may have been added; it is not sent again, to avoid a duplicate")
        });
        added.with_context(|| format!("cannot comment on {key}"))?;
        client.console().step(format_args!("commented on {key}"));
    }
    let mut status = issue.status.clone();
    match step {
        None => {}
        Some(Step::There) => client.console().step(format_args!("{key} is `{}` already", status.name)),
        Some(Step::Make { id, to }) => {
            let made = transition(client, key, &id, &to, &plan.transition_fields).await;
            let made = match (made, &plan.comment) {
                (Err(error), Some(_)) => Err(error.hint("the comment was added; a second put would add it again")),
                (made, _) => made,
            };
            made.with_context(|| format!("cannot move {key} from `{}` to `{}`", status.name, to.name))?;
            client.console().step(format_args!("moved {key} from `{}` to `{}`", status.name, to.name));
            status = to;
        }
    }
    finish(client, issue, status).await
}

/// Creates an issue, and returns its key.
async fn create(client: &Client<'_>, fields: &Map<String, Value>) -> Result<String> {
    #[derive(Deserialize)]
    struct Created {
        key: String,
    }
    let hint = "the issue may have been created; it is not sent again, to avoid a duplicate: search for it in Jira before the next put";
    let request = client.request(&Method::POST, "/issue").json(&json!({ "fields": fields }));
    let created = client.read::<Created>(request).await.map_err(|error| hint_if_applied(error, hint));
    let key = created.context("cannot create an issue")?.key;
    client.console().step(format_args!("created {key}"));
    Ok(key)
}

/// The result of looking up a transition.
enum Step {
    /// The issue is in the target status of the transition.
    There,
    Make {
        id: String,
        to: Status,
    },
}

/// Finds the transition with this number, name or target status.
async fn step(client: &Client<'_>, issue: &Issue, wanted: &str) -> Result<Step> {
    #[derive(Deserialize)]
    struct Transitions {
        transitions: Vec<Value>,
    }
    let is_wanted = |name: &str| name.to_lowercase() == wanted.to_lowercase();
    if is_wanted(&issue.status.name) {
        return Ok(Step::There);
    }
    let path = format!("/issue/{}/transitions", issue.key);
    let read = client.read::<Transitions>(client.request(&Method::GET, &path)).await;
    let offered = read.with_context(|| format!("cannot list the transitions of {}", issue.key))?.transitions;
    let find = |fits: &dyn Fn(&Value) -> bool| offered.iter().find(|transition| fits(transition));
    let found = find(&|transition| text_at(transition, &["id"]) == wanted)
        .or_else(|| find(&|transition| is_wanted(&text_at(transition, &["name"]))))
        .or_else(|| find(&|transition| is_wanted(&text_at(transition, &["to", "name"]))));
    let Some(found) = found else {
        let texts = offered.iter().map(|transition| {
            format!("`{}` (to `{}`)", text_at(transition, &["name"]), text_at(transition, &["to", "name"]))
        });
        let texts: Vec<String> = texts.collect();
        let hint = if texts.is_empty() {
            "the account may not make any transition from this status".to_owned()
        } else {
            format!("the possible transitions are {}", texts.join(", "))
        };
        return Err(anyhow!("{} has no transition `{wanted}` from `{}`", issue.key, issue.status.name).hint(hint));
    };
    let to = Status::read(found.get("to").unwrap_or(&Value::Null));
    if !to.id.is_empty() && to.id == issue.status.id {
        return Ok(Step::There);
    }
    Ok(Step::Make { id: text_at(found, &["id"]), to })
}

/// Makes a transition. If its effect is unknown, the issue's status decides.
async fn transition(client: &Client<'_>, key: &str, id: &str, to: &Status, fields: &Map<String, Value>) -> Result<()> {
    let mut body = Map::new();
    body.insert("transition".to_owned(), json!({ "id": id }));
    if !fields.is_empty() {
        body.insert("fields".to_owned(), json!(fields));
    }
    let request = client.request(&Method::POST, &format!("/issue/{key}/transitions")).json(&body);
    let Err(error) = client.change(request).await else { return Ok(()) };
    if Interrupted::caused(&error) || !may_be_applied(&error) {
        return Err(error);
    }
    match client.issue(key, &FIELDS).await {
        Ok(issue) if issue.status.name == to.name => Ok(()),
        _ => Err(error),
    }
}

/// Reads the issue back. If that fails, the version contains the state that the put knows, because its work is done.
async fn finish(client: &Client<'_>, issue: Issue, status: Status) -> Result<Response<Version>> {
    let read = async {
        let issue = client.issue(&issue.key, &FIELDS).await?;
        let moves = arrivals::moves_of(client, &issue).await?;
        Ok::<_, Error>((issue, moves))
    };
    let (issue, arrival) = match read.await {
        Ok((now, moves)) => {
            let arrival = Arrival::latest(&now, &moves);
            (now, arrival)
        }
        Err(error) if Interrupted::caused(&error) => return Err(error),
        Err(error) => {
            client.console().warn(format_args!("the put is complete, but the issue cannot be read back: {error}"));
            (Issue { status, ..issue }, None)
        }
    };
    let version = match arrival {
        Some(arrival) => arrival.version(),
        // The changelog lags behind the status.
        None => Version {
            issue: issue.key.clone(),
            status: issue.status.name.clone(),
            changed: time::text(issue.updated.unwrap_or_else(Timestamp::now)),
        },
    };
    let mut metadata = vec![
        Metadata::new("key", &issue.key),
        Metadata::new("summary", issue.text("summary")),
        Metadata::new("status", &issue.status.name),
    ];
    metadata.extend(client.source().page(&issue.key).map(|page| Metadata::new("url", page)));
    metadata.retain(|entry| !entry.value.is_empty());
    Ok(Response { version, metadata })
}

fn hint_if_applied(error: Error, hint: &str) -> Error {
    if may_be_applied(&error) { error.hint(hint) } else { error }
}

fn names(fields: &Map<String, Value>) -> String {
    fields.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
