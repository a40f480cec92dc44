//! Alerts: messages about the build itself, formatted like those of the established alert resource.

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, BuildMetadata, Console, Result, UnknownVariables, non_empty, percent_encode};
use serde_json::json;

use crate::alert_type::AlertType;
use crate::inputs::Inputs;
use crate::message::{Message, attachments, base_message, blocks};
use crate::params::Params;
use crate::terminal;
use crate::variables::{TextKind, Variables};

/// The base URL of Concourse's icons.
const ICONS: &str = "https://ci.concourse-ci.org/public/images";

/// Builds the alert that the params of a put describe.
pub(crate) fn compose(
    params: &Params,
    kind: AlertType,
    build: &BuildMetadata,
    concourse: Option<&str>,
    inputs: &Inputs,
    variables: &Variables,
    console: &Console,
) -> Result<Message> {
    let (colour, icon, preset) = kind.preset();
    let fill = |text: &str, place| variables.fill(text, UnknownVariables::Keep, place);
    // The established resource never expands variables in files, and the author of a file may not be trusted.
    let either = |key: &str, file: Option<&String>, here: Option<&String>| -> Result<Option<String>> {
        if let Some(path) = non_empty(file) {
            match inputs.text(path).with_context(|| format!("cannot use `{key}`"))? {
                Some(text) => {
                    let text = if params.strip_ansi { terminal::strip(&text) } else { text };
                    return Ok(Some(variables.escape_untrusted(text.trim())));
                }
                None => console.warn(format_args!("file `{path}` (`{key}`) does not exist")),
            }
        }
        Ok(here.map(|text| fill(text, TextKind::Text)))
    };
    let message = either("message_file", params.message_file.as_ref(), params.message.as_ref())?;
    let message = message.filter(|message| !message.is_empty()).unwrap_or_else(|| preset.to_owned());
    let text = either("text_file", params.text_file.as_ref(), params.text.as_ref())?.unwrap_or_default();
    let colour =
        non_empty(params.color.as_ref()).map_or_else(|| colour.to_owned(), |colour| fill(colour, TextKind::Name));

    let page = page(build, concourse).unwrap_or_default();
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let job = match (&build.pipeline_name, &build.job_name) {
        (None, None) => "one-off".to_owned(),
        (pipeline, job) => format!("{}/{}", part(pipeline), part(job)),
    };
    let name = part(&build.name);
    let alert = json!({
        "fallback": format!("{message}: {job}/{name} -- {page}"),
        "color": colour,
        "author_name": message,
        "fields": [
            { "title": "Job", "value": job, "short": true },
            { "title": "Build", "value": name, "short": true },
        ],
        "footer": page,
        "footer_icon": format!("{ICONS}/favicon-{icon}.png"),
        "text": text,
    });
    let more = attachments(params, inputs, variables, console)?;
    Ok(Message {
        attachments: std::iter::once(alert).chain(more).collect(),
        blocks: blocks(params, inputs, variables, console)?,
        ..base_message(params, variables)
    })
}

/// The URL of the build's page. The source's `concourse_url` overrides the external URL that Concourse reports.
fn page(build: &BuildMetadata, concourse: Option<&str>) -> Option<String> {
    let host = concourse.map(str::to_owned).or_else(|| build.external_url.clone())?;
    match (&build.team_name, &build.pipeline_name, &build.job_name, &build.name) {
        (Some(team), Some(pipeline), Some(job), Some(name)) => {
            let [team, pipeline, job, name] = [team, pipeline, job, name].map(|part| escape_path(part));
            let page = format!("{host}/teams/{team}/pipelines/{pipeline}/jobs/{job}/builds/{name}");
            Some(page + &vars_query(build))
        }
        // A one-off build belongs to no job.
        _ => build.id.as_ref().map(|id| format!("{host}/builds/{}", escape_path(id))),
    }
}

/// `?vars=...` for an instanced pipeline, empty for any other.
pub(crate) fn vars_query(build: &BuildMetadata) -> String {
    let vars = build.pipeline_instance_vars.as_deref();
    vars.map(|vars| format!("?vars={}", escape_query(vars))).unwrap_or_default()
}

/// Escapes a path segment like Go's `url.PathEscape`.
pub(crate) fn escape_path(text: &str) -> String {
    percent_encode(text, "$&+:=@")
}

/// Escapes a query value like Go's `url.QueryEscape`.
fn escape_query(text: &str) -> String {
    percent_encode(text, " ").replace(' ', "+")
}

/// The name of the previous build: `41` for `42`, and `42` for its rerun `42.1`. `None` for the first build.
pub(crate) fn previous_build(name: Option<&str>) -> Result<Option<String>> {
    let Some(name) = name else {
        return Err(anyhow!("this build has no name, so its previous build is unknown")
            .hint("`fixed` and `broke` require a build of a job; a one-off build has no job"));
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let previous = match name.split_once('.') {
        None => number(name).map(|build| build.checked_sub(1).filter(|previous| *previous > 0).map(|n| n.to_string())),
        Some((build, rerun)) => number(build).zip(number(rerun)).map(|(build, rerun)| match rerun {
            0 | 1 => Some(build.to_string()),
            rerun => Some(format!("{build}.{}", rerun - 1)),
        }),
    };
    previous.ok_or_else(|| anyhow!("the build name `{name}` is not a number such as `42` or `42.1`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(name: &str) -> Option<String> {
        previous_build(Some(name)).unwrap()
    }

    #[test]
    fn finds_the_previous_build_by_name() {
        for (name, previous) in [
            ("2", "1"),
            ("42", "41"),
            ("100", "99"),
            ("42.1", "42"),
            // The established resource trims zeros and dots: it requests 1 here, then 1 and 10.1 for the next two.
            ("10.1", "10"),
            ("20.1", "20"),
            ("10.11", "10.10"),
            ("42.2", "42.1"),
        ] {
            assert_eq!(before(name).as_deref(), Some(previous), "{name}");
        }
        assert_eq!(before("1"), None);
        assert!(previous_build(None).is_err());
        for name in ["", "x", "1.x", "-1", "1.2.3"] {
            assert!(previous_build(Some(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn page_url_escapes_each_part_and_has_instance_vars() {
        let build = BuildMetadata::from_lookup(|name| {
            let value = match name {
                "ATC_EXTERNAL_URL" => "https://ci.example/",
                "BUILD_TEAM_NAME" => "a team",
                "BUILD_PIPELINE_NAME" => "p",
                "BUILD_JOB_NAME" => "a/b?",
                "BUILD_NAME" => "4.1",
                "BUILD_PIPELINE_INSTANCE_VARS" => r#"{"branch":"x y"}"#,
                _ => return None,
            };
            Some(value.to_owned())
        });
        assert_eq!(
            page(&build, None).unwrap(),
            "https://ci.example/teams/a%20team/pipelines/p/jobs/a%2Fb%3F/builds/4.1?vars=%7B%22branch%22%3A%22x+y%22%7D"
        );
        assert!(page(&build, Some("https://other")).unwrap().starts_with("https://other/teams/"));
    }
}
