//! The `params` of a get and of a put.

use jetway::http::Url;
use jetway::{Parameters, Problems, non_empty};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::issue_key::{is_issue, is_project};

/// The `params` of a get.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct GetParams {
    /// Fields to write to separate files in `fields/`, by id (`customfield_10042`) or by name (`Change window`).
    #[serde(default)]
    pub fields: Vec<String>,

    /// Fail if the issue has left the status of the version, for example because an approval was withdrawn.
    #[serde(default)]
    pub require_status: bool,
}

impl Parameters for GetParams {
    fn validate(&self, problems: &mut Problems) {
        for (index, field) in self.fields.iter().enumerate() {
            let is_file = !field.trim().is_empty()
                && ![".", ".."].contains(&field.trim())
                && !field.contains(|character: char| character == '/' || character.is_control());
            if !is_file {
                problems.add(
                    format!("fields[{index}]"),
                    "expected the id or the name of a field that is valid as a file name",
                );
            }
        }
    }
}

/// The `params` of a put.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PutParams {
    /// Create an issue. The other keys then apply to the new issue.
    pub create: Option<CreateParams>,

    /// The key of the issue, such as `OPS-12`.
    pub issue: Option<String>,

    /// A file in the inputs with the key of the issue, such as `ticket/key` after a get of `ticket`.
    pub issue_file: Option<String>,

    /// Fields to set, by id and in the format of Jira's API: `{priority: {name: High}}`.
    #[serde(default)]
    pub fields: Map<String, Value>,

    /// A comment to add.
    pub comment: Option<String>,

    /// A file in the inputs with the comment, instead of `comment`. An empty file adds no comment.
    pub comment_file: Option<String>,

    /// Link the issue to the page of the build (`true`) or to another page. A second put with the same URL updates the link.
    pub link: Option<LinkParams>,

    /// The transition to make: its name, its number, or the name of its target status. If the issue has that status, the
    /// transition is skipped.
    pub transition: Option<String>,

    /// Fields that the transition requires, such as `{resolution: {name: Done}}`.
    #[serde(default)]
    pub transition_fields: Map<String, Value>,
}

/// An issue to create.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CreateParams {
    /// The key of the project; defaults to the source's `project`.
    pub project: Option<String>,

    /// The name of the issue type.
    #[serde(default = "task")]
    pub issuetype: String,

    /// The summary, in one line.
    pub summary: Option<String>,

    /// A file in the inputs with the summary, instead of `summary`.
    pub summary_file: Option<String>,

    /// The description.
    pub description: Option<String>,

    /// A file in the inputs with the description, instead of `description`.
    pub description_file: Option<String>,

    /// More fields, by id and in the format of Jira's API: `{labels: [release]}`.
    #[serde(default)]
    pub fields: Map<String, Value>,
}

/// A link to the build, or to another page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum LinkParams {
    /// The page of the build if true, no link if false.
    Build(bool),
    /// Another page.
    Page(Link),
}

/// A link of an issue to a page.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct Link {
    /// The URL of the page; defaults to the page of the build.
    pub url: Option<String>,

    /// The text of the link; defaults to the name of the build.
    pub title: Option<String>,

    /// The heading under which Jira shows the link.
    #[serde(default = "build")]
    pub relationship: String,
}

fn task() -> String {
    "Task".to_owned()
}

fn build() -> String {
    "build".to_owned()
}

impl PutParams {
    /// The link to set, if there is one.
    pub(crate) fn link(&self) -> Option<Link> {
        match self.link.as_ref()? {
            LinkParams::Build(false) => None,
            LinkParams::Build(true) => Some(Link { url: None, title: None, relationship: build() }),
            LinkParams::Page(Link { url, title, relationship }) => {
                Some(Link { url: url.clone(), title: title.clone(), relationship: relationship.clone() })
            }
        }
    }

    fn has_work(&self) -> bool {
        self.create.is_some()
            || !self.fields.is_empty()
            || non_empty(self.comment.as_ref()).or_else(|| non_empty(self.comment_file.as_ref())).is_some()
            || self.link().is_some()
            || non_empty(self.transition.as_ref()).is_some()
    }
}

impl Parameters for PutParams {
    fn validate(&self, problems: &mut Problems) {
        let issue = non_empty(self.issue.as_ref());
        match (&self.create, issue, non_empty(self.issue_file.as_ref())) {
            (None, None, None) => problems.add_with_hint(
                "issue",
                "required, but missing",
                "set `issue` or `issue_file`, or `create` for a new issue",
            ),
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                problems.add("create", "excludes `issue` and `issue_file`");
            }
            (None, Some(_), Some(_)) => problems.add("issue_file", "excludes `issue`"),
            _ => {}
        }
        if let Some(issue) = issue
            && !issue.contains('$')
            && !is_issue(issue.trim())
        {
            problems.add("issue", "expected the key of an issue, such as `OPS-12`");
        }
        if !self.has_work() && (issue.is_some() || non_empty(self.issue_file.as_ref()).is_some()) {
            problems.add_with_hint(
                "comment",
                "there is nothing to do",
                "set `comment`, `transition`, `fields` or `link`",
            );
        }
        if non_empty(self.comment.as_ref()).is_some() && non_empty(self.comment_file.as_ref()).is_some() {
            problems.add("comment_file", "excludes `comment`");
        }
        if !self.transition_fields.is_empty() && non_empty(self.transition.as_ref()).is_none() {
            problems.add("transition_fields", "has no effect without `transition`");
        }
        if let Some(create) = &self.create {
            create.validate(problems);
            if !self.fields.is_empty() {
                problems.add("fields", "excludes `create`; set `create.fields` instead");
            }
        }
        if let Some(LinkParams::Page(link)) = &self.link
            && let Some(url) = non_empty(link.url.as_ref())
            && !url.contains('$')
            && !is_page(url)
        {
            problems.add("link.url", "expected `https://...`");
        }
        for (key, path) in [("issue_file", &self.issue_file), ("comment_file", &self.comment_file)] {
            if let Some(path) = non_empty(path.as_ref()) {
                problems.require_input(key, path);
            }
        }
    }
}

impl CreateParams {
    fn validate(&self, problems: &mut Problems) {
        if self.project.as_ref().is_some_and(|project| !is_project(project.trim())) {
            problems.add("create.project", "expected the key of a project, such as `OPS`");
        }
        match (non_empty(self.summary.as_ref()), non_empty(self.summary_file.as_ref())) {
            (None, None) => problems.add("create.summary", "required, but missing"),
            (Some(_), Some(_)) => problems.add("create.summary_file", "excludes `summary`"),
            _ => {}
        }
        if non_empty(self.description.as_ref()).is_some() && non_empty(self.description_file.as_ref()).is_some() {
            problems.add("create.description_file", "excludes `description`");
        }
        let paths = [("create.summary_file", &self.summary_file), ("create.description_file", &self.description_file)];
        for (key, path) in paths {
            if let Some(path) = non_empty(path.as_ref()) {
                problems.require_input(key, path);
            }
        }
        for name in ["project", "issuetype", "summary", "description"] {
            if self.fields.contains_key(name) {
                problems.add(format!("create.fields.{name}"), format!("set `create.{name}` instead"));
            }
        }
    }
}

/// Whether the text is the URL of a page.
pub(crate) fn is_page(text: &str) -> bool {
    Url::parse(text.trim()).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}
