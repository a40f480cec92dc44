//! get: writes an issue's fields to files for later steps.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::http::Method;
use jetway::{Advise as _, Context, Metadata, Response, Result, percent_encode};
use serde_json::{Value, json};

use crate::adf;
use crate::arrivals::{self, Arrival};
use crate::client::Client;
use crate::issue_key::is_issue;
use crate::params::GetParams;
use crate::responses::{Issue, Status};
use crate::source::{Gate, Source};
use crate::version::Version;

/// Fields that may be very long, and that are fetched only on request.
const LONG: [&str; 2] = ["comment", "worklog"];

/// Fetches a version into `destination`.
pub(crate) async fn get(
    context: &Context,
    source: &Source,
    version: Option<Version>,
    params: &GetParams,
    destination: &Path,
) -> Result<Response<Version>> {
    let version = version.ok_or_else(|| anyhow!("there is no version to get"))?;
    if !is_issue(&version.issue) {
        return Err(anyhow!("the version's issue, `{}`, is not the key of an issue", version.issue));
    }
    let client = Client::new(context, source)?;
    let is_wanted = |long: &&str| params.fields.iter().any(|field| field.trim().eq_ignore_ascii_case(long));
    let left_out: Vec<String> = LONG.iter().filter(|long| !is_wanted(long)).map(|long| format!(",-{long}")).collect();
    let fields = format!("*all{}", left_out.concat());
    let read = client.issue(&version.issue, &[("fields", &fields), ("expand", "names")]).await;
    let issue = read.with_context(|| format!("cannot read the issue {}", version.issue))?;
    if let Some(gate) = source.gate() {
        require_passed(&client, gate, &issue, &version).await?;
    }
    if params.require_status && issue.status.name.to_lowercase() != version.status.to_lowercase() {
        return Err(anyhow!(
            "{} has left the status `{}`: it is `{}` now",
            issue.key,
            version.status,
            issue.status.name
        )
        .hint("`require_status` requires the status; a check returns the issues that have it"));
    }
    let metadata = metadata(source, &issue, &version);
    write(source, &issue, &version, &metadata, params, destination)?;
    client.finish();
    client.console().step(format_args!("{} is `{}`: {}", issue.key, issue.status.name, issue.text("summary")));
    Ok(Response { version, metadata })
}

/// Fails unless the issue passed the gate with this version. A user may pin any version, so the get verifies it.
async fn require_passed(client: &Client<'_>, gate: Gate<'_>, issue: &Issue, version: &Version) -> Result<()> {
    let is_of_gate = match gate {
        Gate::Names(_) => gate.has_name(&version.status),
        Gate::Category(category) => {
            let status = if issue.status.name == version.status {
                issue.status.clone()
            } else {
                let path = format!("/status/{}", percent_encode(&version.status, ""));
                let read = client.read::<Value>(client.request(&Method::GET, &path)).await;
                Status::read(&read.with_context(|| format!("cannot read the status `{}`", version.status))?)
            };
            status.category == category.key()
        }
    };
    if !is_of_gate {
        return Err(anyhow!(
            "the version does not belong to this gate: `{}` is not one of its statuses",
            version.status
        ));
    }
    let moves = arrivals::moves_of(client, issue).await?;
    let arrival = Arrival::of_version(version).filter(|arrival| arrival.is_of(issue, &moves));
    if arrival.is_none() {
        return Err(anyhow!(
            "the version does not pass the gate: {} did not reach `{}` at {}",
            version.issue,
            version.status,
            version.changed
        ));
    }
    Ok(())
}

fn metadata(source: &Source, issue: &Issue, version: &Version) -> Vec<Metadata> {
    let entries = [
        ("key", Some(issue.key.clone())),
        ("summary", Some(issue.text("summary"))),
        ("status", Some(issue.status.name.clone())),
        ("assignee", Some(field_text(issue, "assignee"))),
        ("url", source.page(&issue.key)),
    ];
    let entries = entries.into_iter().filter_map(|(name, value)| Some((name, value.filter(|text| !text.is_empty())?)));
    let mut metadata: Vec<Metadata> = entries.map(|(name, value)| Metadata::new(name, value)).collect();
    metadata.push(Metadata::typed("changed", &version.changed, "time"));
    metadata
}

fn write(
    source: &Source,
    issue: &Issue,
    version: &Version,
    metadata: &[Metadata],
    params: &GetParams,
    destination: &Path,
) -> Result<()> {
    let write = |name: &str, content: &str| {
        let path = destination.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write `{}`", path.display()))
    };
    let wanted = params.fields.iter().map(|field| Ok((field.trim(), field_of(issue, field.trim())?)));
    let wanted = wanted.collect::<Result<Vec<_>>>()?;
    let files = [
        ("key", issue.key.clone()),
        ("summary", issue.text("summary")),
        ("status", issue.status.name.clone()),
        ("description", field_text(issue, "description")),
        ("assignee", field_text(issue, "assignee")),
        ("changed", version.changed.clone()),
        ("url", source.page(&issue.key).unwrap_or_default()),
        ("issue.json", issue.value.to_string()),
        ("version.json", json!(version).to_string()),
        ("metadata.json", json!(metadata).to_string()),
    ];
    for (name, content) in &files {
        write(name, content)?;
    }
    if !wanted.is_empty() {
        fs::create_dir(destination.join("fields")).context("cannot create the directory `fields`")?;
    }
    for (field, value) in wanted {
        write(&format!("fields/{field}"), &text_of(value))?;
    }
    Ok(())
}

/// The value of a field that is named by its id or by its name in Jira.
fn field_of<'i>(issue: &'i Issue, name: &str) -> Result<&'i Value> {
    let entries = |part: &str| issue.value.get(part).and_then(Value::as_object);
    let fields = entries("fields");
    let by_id = fields.and_then(|fields| fields.get(name));
    let by_name = || {
        let named = entries("names")?
            .iter()
            .filter(|(_, shown)| shown.as_str().is_some_and(|shown| shown.to_lowercase() == name.to_lowercase()));
        named.into_iter().find_map(|(id, _)| fields?.get(id))
    };
    by_id.or_else(by_name).ok_or_else(|| {
        anyhow!("{} has no field `{name}`", issue.key)
            .hint("use the id of a field, such as `customfield_10042`, or its name in Jira")
    })
}

/// The text of a field of the issue.
fn field_text(issue: &Issue, field: &str) -> String {
    issue.value.get("fields").and_then(|fields| fields.get(field)).map(text_of).unwrap_or_default()
}

/// The text of a field's value: of a document its text, of an option or a person the name, of a list one line each.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join("\n"),
        Value::Object(_) if adf::is_document(value) => adf::text(value),
        Value::Object(entries) => {
            let names = ["displayName", "value", "name", "key", "id"];
            let found = names.iter().find_map(|name| entries.get(*name)?.as_str());
            found.map_or_else(|| value.to_string(), str::to_owned)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_every_kind_of_value_to_text() {
        for (value, expected) in [
            (json!(null), ""),
            (json!(true), "true"),
            (json!(1.50), "1.5"),
            (json!({ "id": "1", "value": "High" }), "High"),
            (json!({ "displayName": "Mia", "name": "mia" }), "Mia"),
            (json!(["a", { "name": "b" }]), "a\nb"),
            (adf::document("one\n\ntwo"), "one\ntwo"),
            (json!({ "progress": 0 }), "{\"progress\":0}"),
        ] {
            assert_eq!(text_of(&value), expected, "{value}");
        }
    }
}
