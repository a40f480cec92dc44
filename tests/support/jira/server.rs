//! The state of a stand-in, and its responses to requests.

use serde_json::{Value, json};

use super::issues::{Issue, STATUSES, TRANSITIONS, status, status_named, user};
use super::jql::Query;
use super::responses::{from_jira, no_issue, no_page, refuse, refuse_field};
use super::{BEGIN, Edition, cloud, data_center, openapi};
use crate::stand_in::{RecordedRequest, Response};

/// The state of a server.
pub(super) struct State {
    pub(super) edition: Edition,
    pub(super) issues: Vec<Issue>,
    /// The server's clock, in milliseconds since 1970.
    pub(super) clock: i64,
    /// Issues that the search's index does not show yet.
    pub(super) hidden: Vec<String>,
    /// The page size that the server imposes.
    pub(super) page: usize,
    pub(super) shows_login: bool,
    pub(super) requires_resolution: bool,
    pub(super) changelog_lags: bool,
    pub(super) faults: Vec<Planned>,
    pub(super) problems: Vec<String>,
    pub(super) next_id: u64,
}

/// A response that replaces the real one.
pub(super) struct Planned {
    pub(super) times: usize,
    pub(super) method: String,
    pub(super) part: String,
    pub(super) answer: Response,
}

impl State {
    /// A server without issues.
    pub(super) fn new(edition: Edition) -> Self {
        Self {
            edition,
            issues: Vec::new(),
            clock: BEGIN,
            hidden: Vec::new(),
            page: 100,
            shows_login: edition == Edition::DataCenter,
            requires_resolution: false,
            changelog_lags: false,
            faults: Vec::new(),
            problems: Vec::new(),
            next_id: 10_000,
        }
    }

    /// Handles a request.
    pub(super) fn answer(&mut self, request: &RecordedRequest) -> Response {
        let planned = self.faults.iter_mut().find(|planned| {
            planned.times > 0 && planned.method == request.method && request.target.contains(&planned.part)
        });
        if let Some(planned) = planned {
            planned.times -= 1;
            return planned.answer.clone();
        }
        let base = match self.edition {
            Edition::Cloud => cloud::BASE,
            Edition::DataCenter => data_center::BASE,
        };
        let Some(rest) = request.path().strip_prefix(base) else { return no_page() };
        if let Err(refused) = self.let_in(request, rest) {
            return refused;
        }
        let parts: Vec<String> = rest.split('/').map(crate::stand_in::decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let answer = self.route(request, &parts);
        self.note_problems(request, &answer);
        if self.edition == Edition::Cloud {
            openapi::require_conforming(request, &answer);
        }
        match (self.shows_login, self.edition) {
            (false, _) => answer,
            (true, Edition::Cloud) => cloud::with_login(answer),
            (true, Edition::DataCenter) => data_center::with_login(answer),
        }
    }

    fn note_problems(&mut self, request: &RecordedRequest, answer: &Response) {
        let mut problems = Vec::new();
        if request.header("accept") != Some("application/json") {
            problems.push(format!("`accept` is {:?}", request.header("accept")));
        }
        if request.header("user-agent").is_none_or(|agent| !agent.starts_with("jetway-jira/") && agent != "node") {
            problems.push(format!("`user-agent` is {:?}", request.header("user-agent")));
        }
        let has_body = request.method != "GET";
        if has_body && request.header("content-type") != Some("application/json") {
            problems.push(format!("`content-type` is {:?}", request.header("content-type")));
        }
        if !has_body && !request.body.is_empty() {
            problems.push("it has a body".to_owned());
        }
        // A test may send any invalid request that Jira rejects, so only accepted ones are validated.
        if answer.status < 300 && self.edition == Edition::Cloud {
            problems.extend(openapi::problems_of_request(request));
        }
        let note = |problem| format!("{} {}: {problem}", request.method, request.target);
        self.problems.extend(problems.into_iter().map(note));
    }

    /// Authenticates a request.
    fn let_in(&self, request: &RecordedRequest, rest: &str) -> Result<(), Response> {
        let expected = match self.edition {
            Edition::Cloud => cloud::authorization(),
            Edition::DataCenter => data_center::authorization(),
        };
        if request.header("authorization") == Some(expected.as_str()) {
            return Ok(());
        }
        Err(match self.edition {
            Edition::Cloud => cloud::refuse_login(request, rest),
            Edition::DataCenter => data_center::refuse_login(),
        })
    }

    fn route(&mut self, request: &RecordedRequest, parts: &[&str]) -> Response {
        let is_cloud = self.edition == Edition::Cloud;
        match (request.method.as_str(), parts) {
            ("GET", ["myself"]) => from_jira(200, &user()),
            ("GET", ["status", name]) => match status_named(name) {
                Some(number) => from_jira(200, &status(number)),
                None => refuse(404, "The status was not found."),
            },
            ("POST", ["search", "jql"]) if is_cloud => self.search(&request.json()),
            ("POST", ["search"]) if !is_cloud => self.search(&request.json()),
            // The answer of Cloud since the operation was removed (CHANGE-2046 of its changelog).
            (_, ["search"]) => refuse(
                410,
                "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full migration guideline is \
                 available at https://developer.atlassian.com/changelog/#CHANGE-2046",
            ),
            ("POST", ["changelog", "bulkfetch"]) if is_cloud => cloud::changelogs(self, &request.json()),
            ("POST", ["issue"]) => self.create(&request.json()),
            (method, ["issue", key, rest @ ..]) => {
                let Some(key) = self.issues.iter().find(|issue| issue.key == *key || issue.id == *key) else {
                    return no_issue();
                };
                let key = key.key.clone();
                self.of_issue(request, method, &key, rest)
            }
            _ => no_page(),
        }
    }

    fn of_issue(&mut self, request: &RecordedRequest, method: &str, key: &str, rest: &[&str]) -> Response {
        match (method, rest) {
            ("GET", []) => {
                let with_changelog = request.query("expand").is_some_and(|expand| expand.contains("changelog"));
                let fields = request.query("fields").unwrap_or_else(|| "*all".to_owned());
                let fields: Vec<String> = fields.split(',').map(str::to_owned).collect();
                let mut issue = self.shown(self.issue(key), &fields, with_changelog);
                if request.query("expand").is_some_and(|expand| expand.contains("names")) {
                    issue["names"] =
                        json!({ "summary": "Summary", "customfield_10042": "Change window", "labels": "Labels" });
                }
                from_jira(200, &issue)
            }
            ("PUT", []) => match self.edit(key, request.json()["fields"].as_object().expect("fields")) {
                None => Response::text(204, ""),
                Some(refused) => refused,
            },
            ("POST", ["comment"]) => self.comment(key, &request.json()),
            ("POST", ["remotelink"]) => self.link(key, &request.json()),
            ("GET", ["transitions"]) => {
                let from = self.issue(key).status;
                let offered = TRANSITIONS.iter().enumerate().filter(|(number, _)| *number != from);
                let shown = offered.map(|(number, (id, name))| {
                    json!({ "id": id, "name": name, "to": status(number), "hasScreen": false, "isGlobal": true,
                            "isInitial": false, "isAvailable": true, "isConditional": false })
                });
                from_jira(200, &json!({ "expand": "transitions", "transitions": shown.collect::<Vec<_>>() }))
            }
            ("POST", ["transitions"]) => {
                let body = request.json();
                let from = self.issue(key).status;
                let wanted = TRANSITIONS.iter().position(|(id, _)| body["transition"]["id"] == *id);
                let Some(to) = wanted.filter(|to| *to != from) else {
                    // "It seems that you have tried to perform an illegal workflow operation" (Atlassian's knowledge base).
                    return refuse(
                        400,
                        "It seems that you have tried to perform a workflow operation (Close) that is not valid for the current state \
                         of this issue.",
                    );
                };
                if self.requires_resolution && STATUSES[to].1 == "Done" && body["fields"].get("resolution").is_none() {
                    return refuse_field("resolution", "Resolution is required.");
                }
                if let Some(fields) = body["fields"].as_object()
                    && let Some(refused) = self.edit(key, fields)
                {
                    return refused;
                }
                self.clock += 1000;
                self.transition(key, to);
                Response::text(204, "")
            }
            _ => no_page(),
        }
    }

    fn search(&self, body: &Value) -> Response {
        let jql = body["jql"].as_str().expect("a query");
        let query = match Query::parse(jql) {
            Ok(query) => query,
            Err(message) => return refuse(400, &message),
        };
        if let Some(unknown) = query.values("status").iter().find(|name| status_named(name).is_none()) {
            return refuse(400, &format!("The value '{unknown}' does not exist for the field 'status'."));
        }
        let known = ["project", "status", "statusCategory", "key", "labels", "issuetype"];
        if let Some(field) = query.fields().find(|field| !known.contains(field)) {
            return refuse(400, &format!("Field '{field}' does not exist or you do not have permission to view it."));
        }
        if let Some(key) = query.values("key").iter().find(|key| !self.issues.iter().any(|issue| issue.key == **key)) {
            return refuse(400, &format!("An issue with key '{key}' does not exist for field 'key'."));
        }
        let values = |issue: &Issue, field: &str| match field {
            "project" => issue.key.split_once('-').map(|(project, _)| vec![project.to_owned()]),
            "key" => Some(vec![issue.key.clone()]),
            "status" => Some(vec![STATUSES[issue.status].0.to_owned(), STATUSES[issue.status].1.to_owned()]),
            "statusCategory" => Some(vec![STATUSES[issue.status].3.to_owned()]),
            "labels" => issue
                .fields
                .get("labels")
                .and_then(Value::as_array)
                .map(|labels| labels.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            "issuetype" => {
                issue.fields.get("issuetype").map(|kind| vec![kind["name"].as_str().unwrap_or("").to_owned()])
            }
            _ => None,
        };
        let is_shown =
            |issue: &&Issue| !self.hidden.contains(&issue.key) && query.matches(|field| values(issue, field));
        let mut found: Vec<&Issue> = self.issues.iter().filter(is_shown).collect();
        if jql.ends_with(" ORDER BY updated DESC") {
            found.sort_by_key(|issue| std::cmp::Reverse((issue.updated, issue.id.clone())));
        }
        let request = usize::try_from(body["maxResults"].as_u64().unwrap_or(50)).expect("a size");
        let size = request.min(self.page);
        match self.edition {
            Edition::Cloud => cloud::search_page(self, &found, size, body),
            Edition::DataCenter => data_center::search_page(self, &found, size, body),
        }
    }
}

/// The texts of a list.
pub(super) fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
