//! The `source` of a resource.

use std::time::Duration;

use jetway::http::{HttpSettings, Url};
use jetway::{Parameters, Problems, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::issue_key::is_project;

/// The address of Jira, the credentials, and the issues to follow.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Source {
    /// The URL of Jira: `https://NAME.atlassian.net`, or the URL of a Data Center with its path. A token with scopes needs
    /// `https://api.atlassian.com/ex/jira/CLOUD_ID`.
    pub url: String,

    /// The e-mail address of the account that `api_token` belongs to.
    pub email: Option<String>,

    /// An API token of Jira Cloud, together with `email`.
    pub api_token: Option<Secret>,

    /// A personal access token of Data Center, instead of `email` and `api_token`. It is sent as `Bearer`.
    pub token: Option<Secret>,

    /// The API to use. The default is `cloud` with `api_token` and `data_center` with `token`.
    pub api: Option<Api>,

    /// The key of the project: a check follows its issues, and a put creates issues in it.
    pub project: Option<String>,

    /// A JQL query for the issues to follow, together with `status` or `status_category`. An `ORDER BY` at its end has no effect.
    pub jql: Option<String>,

    /// The status of the gate: an issue that reaches it is a version. A name or a list of names, not case-sensitive. Puts are rejected
    /// then, because the version of a put would also open the gate.
    pub status: Option<Statuses>,

    /// A category of statuses, instead of `status`: every status of the category opens the gate.
    pub status_category: Option<Category>,

    /// Additional CA certificates to trust, in PEM format.
    #[serde(default)]
    pub ca_certs: Vec<String>,

    /// Accept any TLS certificate. An attacker in the network can then read the token.
    #[serde(default)]
    pub insecure: bool,

    /// The proxy for all requests, `http://user:password@host:port`. Without it, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of the
    /// worker are used.
    pub proxy: Option<String>,

    /// The timeout for a connection, in seconds.
    #[serde(default = "connect_timeout")]
    #[schemars(range(min = 1))]
    pub connect_timeout: u32,

    /// The timeout for a read or write without progress, in seconds. By default, the first byte of a response may take 5 minutes.
    #[serde(default = "read_timeout")]
    #[schemars(range(min = 1))]
    pub read_timeout: u32,
}

/// A kind of Jira, by the version of its REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// Jira Cloud, version 3 of the API.
    Cloud,
    /// Jira Data Center or Server, version 2 of the API.
    DataCenter,
}

/// One status or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Statuses {
    /// One status.
    One(String),
    /// Several statuses.
    Several(Vec<String>),
}

impl Statuses {
    fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// A category of statuses. Each status belongs to one category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Work that has not begun.
    ToDo,
    /// Work that has begun.
    InProgress,
    /// Work that is done.
    Done,
}

impl Category {
    /// Its name in JQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ToDo => "To Do",
            Self::InProgress => "In Progress",
            Self::Done => "Done",
        }
    }

    /// Its key in responses, which is the same in all languages.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::ToDo => "new",
            Self::InProgress => "indeterminate",
            Self::Done => "done",
        }
    }
}

/// The statuses that open the gate.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gate<'s> {
    Names(&'s [String]),
    Category(Category),
}

impl Gate<'_> {
    /// The condition in JQL.
    fn jql(self) -> String {
        match self {
            Self::Names(names) => {
                let names: Vec<String> = names.iter().map(|name| quoted(name.trim())).collect();
                format!("status in ({})", names.join(", "))
            }
            Self::Category(category) => format!("statusCategory = {}", quoted(category.name())),
        }
    }

    /// Whether a status is one of the gate's names. A category has no names.
    pub(crate) fn has_name(self, status: &str) -> bool {
        match self {
            Self::Names(names) => names.iter().any(|name| name.trim().to_lowercase() == status.to_lowercase()),
            Self::Category(_) => false,
        }
    }
}

/// The credentials of requests.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Login<'s> {
    Basic(&'s str, &'s Secret),
    Bearer(&'s Secret),
}

fn connect_timeout() -> u32 {
    15
}

fn read_timeout() -> u32 {
    60
}

impl Source {
    /// The address of Jira, without a trailing slash.
    pub(crate) fn base(&self) -> &str {
        self.url.trim().trim_end_matches('/')
    }

    /// The page of an issue. The API for tokens with scopes has no pages.
    pub(crate) fn page(&self, key: &str) -> Option<String> {
        let is_api = Url::parse(self.base()).is_ok_and(|url| url.host_str() == Some("api.atlassian.com"));
        (!is_api).then(|| format!("{}/browse/{key}", self.base()))
    }

    /// The API to use.
    pub(crate) fn api(&self) -> Api {
        self.api.unwrap_or(if is_set(self.token.as_ref()) { Api::DataCenter } else { Api::Cloud })
    }

    /// The credentials; `None` if they are incomplete.
    pub(crate) fn login(&self) -> Option<Login<'_>> {
        if let Some(token) = self.token.as_ref().filter(|token| is_set(Some(token))) {
            return Some(Login::Bearer(token));
        }
        Some(Login::Basic(self.email.as_deref()?.trim(), self.api_token.as_ref()?))
    }

    /// The gate, if the source has one.
    pub(crate) fn gate(&self) -> Option<Gate<'_>> {
        let names = self.status.as_ref().map(|status| Gate::Names(status.names()));
        names.or_else(|| self.status_category.map(Gate::Category))
    }

    /// The JQL query of a check, newest update first; `None` for a source without a gate.
    pub(crate) fn gate_jql(&self) -> Option<String> {
        let gate = self.gate()?;
        let project = self.project.as_deref().map(|project| format!("project = {}", quoted(project.trim())));
        let jql = self.jql.as_deref().map(|jql| format!("({})", without_order(jql).trim()));
        let conditions: Vec<String> = project.into_iter().chain(jql).chain([gate.jql()]).collect();
        Some(format!("{} ORDER BY updated DESC", conditions.join(" AND ")))
    }

    /// The HTTP settings.
    pub(crate) fn http(&self) -> HttpSettings {
        HttpSettings {
            ca_certs: self.ca_certs.clone(),
            insecure: self.insecure,
            proxy: self.proxy.clone(),
            connect_timeout: Duration::from_secs(self.connect_timeout.into()),
            read_timeout: Duration::from_secs(self.read_timeout.into()),
            ..HttpSettings::default()
        }
    }

    fn validate_login(&self, problems: &mut Problems) {
        let email = self.email.as_deref().map(str::trim).filter(|email| !email.is_empty());
        let (has_api_token, has_token) = (is_set(self.api_token.as_ref()), is_set(self.token.as_ref()));
        match (email, has_api_token, has_token) {
            (None, false, false) => problems.add_with_hint(
                "api_token",
                "required, but missing",
                "set `email` and `api_token` for Jira Cloud, or `token` (a personal access token) for Jira Data Center",
            ),
            (Some(_), false, false) => problems.add("api_token", "required with `email`, but missing"),
            (None, true, false) => problems.add("email", "required with `api_token`, but missing"),
            (None, false, true) | (Some(_), true, false) => {}
            (_, _, true) => problems.add("token", "excludes `email` and `api_token`"),
        }
        if email.is_some_and(|email| email.contains([':', '\n'])) {
            problems.add("email", "must not contain a colon or a line break");
        }
        for (key, secret) in [("api_token", &self.api_token), ("token", &self.token)] {
            let text = secret.as_ref().map(|secret| secret.expose().trim()).unwrap_or_default();
            if text.contains(|character: char| character.is_whitespace() || character.is_control()) {
                problems.add(key, "must not contain a space or a line break");
            }
        }
    }

    fn validate_url(&self, problems: &mut Problems) {
        match Url::parse(self.base()) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) => {
                problems.add("url", "expected `https://...`");
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                problems.add("url", "must not contain a query");
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                problems.add("url", "must not contain a user or a password");
            }
            Ok(url) if url.path().contains("/rest/api") => {
                problems.add("url", "must be the URL of Jira, without `/rest/api`");
            }
            Ok(_) => {}
            Err(error) => problems.add("url", format!("expected `https://...`: {error}")),
        }
    }

    fn validate_gate(&self, problems: &mut Problems) {
        if let Some(status) = &self.status {
            if status.names().is_empty() || status.names().iter().any(|name| name.trim().is_empty()) {
                problems.add("status", "must not be empty");
            } else if status.names().iter().any(|name| name.trim().bytes().all(|byte| byte.is_ascii_digit())) {
                problems.add("status", "expected the name of a status, found its number");
            }
            if self.status_category.is_some() {
                problems.add("status_category", "excludes `status`");
            }
        }
        if self.jql.as_ref().is_some_and(|jql| without_order(jql).trim().is_empty()) {
            problems.add("jql", "must not be empty");
        }
        match (self.gate(), &self.jql, &self.project) {
            (None, Some(_), _) => problems.add_with_hint(
                "status",
                "required with `jql`, but missing",
                "set `status` or `status_category`, so that an issue in the status is a version",
            ),
            (Some(_), None, None) => problems.add_with_hint(
                "jql",
                "required with `status` or `status_category`, but missing",
                "set `jql` or `project`",
            ),
            _ => {}
        }
        if self.project.as_ref().is_some_and(|project| !is_project(project.trim())) {
            problems.add("project", "expected the key of a project, such as `OPS`");
        }
    }
}

impl Parameters for Source {
    fn validate(&self, problems: &mut Problems) {
        self.validate_url(problems);
        self.validate_login(problems);
        self.validate_gate(problems);
        self.http().validate(problems);
    }

    fn hidden_secrets(&self) -> Vec<String> {
        self.http().hidden_secrets()
    }
}

fn is_set(secret: Option<&Secret>) -> bool {
    secret.is_some_and(|secret| !secret.expose().trim().is_empty())
}

/// A text in JQL.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A JQL query without its `ORDER BY`.
fn without_order(jql: &str) -> &str {
    let mut quote = None;
    let mut is_escaped = false;
    for (at, character) in jql.char_indices() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(_) if character == '\\' => is_escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if matches!(character, '"' | '\'') => quote = Some(character),
            None => {
                let (before, rest) = jql.split_at(at);
                if is_order_by(rest) && !before.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
                    return before;
                }
            }
        }
    }
    jql
}

/// Whether the text begins with `ORDER BY`.
fn is_order_by(text: &str) -> bool {
    let mut words = text.split_whitespace();
    text.starts_with(['o', 'O'])
        && words.next().is_some_and(|word| word.eq_ignore_ascii_case("order"))
        && words.next().is_some_and(|word| word.eq_ignore_ascii_case("by"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(more: &serde_json::Value) -> Source {
        let mut value = serde_json::json!({ "url": "https://x.atlassian.net/", "email": "a@b", "api_token": "t" });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_query_is_bounded_by_project_jql_and_status() {
        let jql = |more: serde_json::Value| source(&more).gate_jql().unwrap();
        assert_eq!(
            jql(
                serde_json::json!({ "project": "OPS", "jql": "type = Change or x = 1 order by key", "status": "Approved" })
            ),
            "project = \"OPS\" AND (type = Change or x = 1) AND status in (\"Approved\") ORDER BY updated DESC"
        );
        assert_eq!(
            jql(serde_json::json!({ "jql": "a = b", "status": ["A \"1\"", "B\\"] })),
            "(a = b) AND status in (\"A \\\"1\\\"\", \"B\\\\\") ORDER BY updated DESC"
        );
        assert_eq!(
            jql(serde_json::json!({ "project": "OPS", "status_category": "to_do" })),
            "project = \"OPS\" AND statusCategory = \"To Do\" ORDER BY updated DESC"
        );
        assert_eq!(source(&serde_json::json!({ "project": "OPS" })).gate_jql(), None);
    }

    #[test]
    fn an_order_is_cut_off_but_not_in_a_text() {
        for (jql, expected) in [
            ("a = 1 ORDER BY key", "a = 1 "),
            ("a = 1 order\n  by key", "a = 1 "),
            ("order by key", ""),
            ("summary ~ \"order by\"", "summary ~ \"order by\""),
            ("summary ~ 'it\\'s order by' AND b = 2", "summary ~ 'it\\'s order by' AND b = 2"),
            ("reorder = by", "reorder = by"),
            ("border by", "border by"),
            ("a = ü Order By x", "a = ü "),
        ] {
            assert_eq!(without_order(jql), expected, "{jql}");
        }
    }

    #[test]
    fn the_api_follows_from_the_credentials() {
        assert_eq!(source(&serde_json::json!({})).api(), Api::Cloud);
        let bearer = serde_json::json!({ "email": null, "api_token": null, "token": "t" });
        assert_eq!(source(&bearer).api(), Api::DataCenter);
        let bearer = serde_json::json!({ "email": null, "api_token": null, "token": "t", "api": "cloud" });
        assert_eq!(source(&bearer).api(), Api::Cloud);
    }

    #[test]
    fn the_address_of_the_api_alone_has_no_pages() {
        assert_eq!(source(&serde_json::json!({})).page("A-1").as_deref(), Some("https://x.atlassian.net/browse/A-1"));
        assert_eq!(source(&serde_json::json!({ "url": "https://api.atlassian.com/ex/jira/1" })).page("A-1"), None);
    }
}
