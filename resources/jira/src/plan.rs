//! Reads all that a put will send, before its first request.

use std::path::Path;

use anyhow::anyhow;
use aws_lc_rs::digest::{SHA256, digest};
use jetway::{Advise as _, Context, Result, non_empty};
use serde_json::{Map, Value, json};

use crate::adf;
use crate::inputs::Inputs;
use crate::issue_key::is_issue;
use crate::params::{CreateParams, Link, PutParams, is_page};
use crate::source::{Api, Source};
use crate::variables::Variables;

/// The maximum length of a summary in Jira, in characters.
const MAX_SUMMARY_LENGTH: usize = 254;

/// The maximum length of a link's id in Jira, in characters.
const MAX_ID_LENGTH: usize = 255;

/// The planned work of a put.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) target: Target,
    /// Fields to set.
    pub(crate) fields: Map<String, Value>,
    /// The body of a comment: a document with Cloud, a text with Data Center.
    pub(crate) comment: Option<Value>,
    /// The body of a link.
    pub(crate) link: Option<Value>,
    pub(crate) transition: Option<String>,
    pub(crate) transition_fields: Map<String, Value>,
}

/// The issue of a put.
#[derive(Debug)]
pub(crate) enum Target {
    /// A new issue with these fields.
    New(Map<String, Value>),
    /// An issue with this key.
    Existing(String),
}

/// The sources of a put's texts: the variables of the build, and the inputs.
struct Texts<'p> {
    variables: Variables<'p>,
    inputs: Inputs,
    api: Api,
}

impl Plan {
    pub(crate) fn read(context: &Context, source: &Source, params: &PutParams, inputs: &Path) -> Result<Self> {
        let variables = Variables { build: context.build(), console: context.console() };
        let texts = Texts { variables, inputs: Inputs::new(inputs)?, api: source.api() };
        let target = match &params.create {
            Some(create) => Target::New(texts.new_issue(source, create)?),
            None => Target::Existing(texts.issue(params)?),
        };
        let comment =
            texts.text(("comment", params.comment.as_ref()), ("comment_file", params.comment_file.as_ref()))?;
        let transition =
            non_empty(params.transition.as_ref()).map(|name| variables.fill("transition", name).trim().to_owned());
        Ok(Self {
            target,
            fields: texts.fields("fields", &params.fields),
            comment: comment.map(|text| texts.rich(&text)),
            link: params.link().map(|link| texts.link(&link)).transpose()?,
            transition,
            transition_fields: texts.fields("transition_fields", &params.transition_fields),
        })
    }
}

impl Texts<'_> {
    /// The key of the issue.
    fn issue(&self, params: &PutParams) -> Result<String> {
        let (key, text) = match (non_empty(params.issue.as_ref()), non_empty(params.issue_file.as_ref())) {
            (Some(issue), _) => ("issue", self.variables.fill("issue", issue)),
            (None, Some(path)) => ("issue_file", self.inputs.text("issue_file", path)?),
            (None, None) => return Err(anyhow!("`issue` is missing")),
        };
        let issue = text.trim();
        if !is_issue(issue) {
            return Err(anyhow!(
                "`{key}`: `{}` is not the key of an issue",
                issue.chars().take(100).collect::<String>()
            )
            .hint("a get of an issue writes the key to the file `key`"));
        }
        Ok(issue.to_owned())
    }

    fn new_issue(&self, source: &Source, create: &CreateParams) -> Result<Map<String, Value>> {
        let project = non_empty(create.project.as_ref()).or_else(|| non_empty(source.project.as_ref()));
        let project = project.ok_or_else(|| {
            anyhow!("the project of the new issue is missing").hint("set `create.project`, or `project` in the source")
        })?;
        let summary = self
            .text(("create.summary", create.summary.as_ref()), ("create.summary_file", create.summary_file.as_ref()))?;
        let summary = summary.ok_or_else(|| anyhow!("the summary of the new issue is empty"))?;
        let description = self.text(
            ("create.description", create.description.as_ref()),
            ("create.description_file", create.description_file.as_ref()),
        )?;
        let mut fields = self.fields("create.fields", &create.fields);
        fields.insert("project".to_owned(), json!({ "key": project.trim() }));
        fields.insert("issuetype".to_owned(), json!({ "name": create.issuetype.trim() }));
        fields.insert("summary".to_owned(), json!(self.one_line(&summary)));
        if let Some(description) = description {
            fields.insert("description".to_owned(), self.rich(&description));
        }
        Ok(fields)
    }

    /// A text in the params with its variables expanded, or the unchanged content of a file. Files are not expanded,
    /// because they may be untrusted. `None` if it is empty.
    fn text(&self, inline: (&str, Option<&String>), file: (&str, Option<&String>)) -> Result<Option<String>> {
        let text = match (non_empty(inline.1), non_empty(file.1)) {
            (Some(text), _) => self.variables.fill(inline.0, text),
            (None, Some(path)) => self.inputs.text(file.0, path)?,
            (None, None) => return Ok(None),
        };
        Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    fn fields(&self, key: &str, fields: &Map<String, Value>) -> Map<String, Value> {
        let mut filled: Map<String, Value> =
            fields.iter().map(|(name, value)| (name.clone(), self.variables.fill_value(key, value))).collect();
        if self.api == Api::Cloud {
            adf::in_fields(&mut filled);
        }
        filled
    }

    /// Converts a text to the format of the API.
    fn rich(&self, text: &str) -> Value {
        match self.api {
            Api::Cloud => adf::document(text),
            Api::DataCenter => json!(text),
        }
    }

    fn one_line(&self, text: &str) -> String {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.chars().count() <= MAX_SUMMARY_LENGTH {
            return line;
        }
        self.variables
            .console
            .warn(format_args!("the summary is truncated to {MAX_SUMMARY_LENGTH} characters, the maximum in Jira"));
        let cut: String = line.chars().take(MAX_SUMMARY_LENGTH - 1).collect();
        format!("{}…", cut.trim_end())
    }

    /// The body of a link. The id is derived from the URL, so that a second put updates the link.
    fn link(&self, link: &Link) -> Result<Value> {
        let build = self.variables.build;
        let url = match non_empty(link.url.as_ref()) {
            Some(url) => self.variables.fill("link.url", url),
            None => build.build_url().ok_or_else(|| {
                anyhow!("the URL of the build is unknown")
                    .hint("set the external URL of Concourse, or `link: {url: ...}`")
            })?,
        };
        let url = url.trim();
        if !is_page(url) {
            return Err(anyhow!("`link`: `{url}` is not a URL that begins with `https://`"));
        }
        let title = match non_empty(link.title.as_ref()) {
            Some(title) => self.variables.fill("link.title", title),
            None => self.name_of_build().unwrap_or_else(|| url.to_owned()),
        };
        let mut id = format!("system=concourse&id={url}");
        if id.chars().count() > MAX_ID_LENGTH {
            id = format!("system=concourse&id={}", jetway::hex(digest(&SHA256, url.as_bytes()).as_ref()));
        }
        Ok(json!({
            "globalId": id,
            "application": { "type": "org.concourse-ci", "name": "Concourse" },
            "relationship": link.relationship.trim(),
            "object": { "url": url, "title": self.one_line(&title) },
        }))
    }

    fn name_of_build(&self) -> Option<String> {
        let build = self.variables.build;
        let (pipeline, job, name) = (build.pipeline_name.as_ref()?, build.job_name.as_ref()?, build.name.as_ref()?);
        Some(format!("{pipeline}/{job} #{name}"))
    }
}
