//! Stand-ins for Jira Cloud (version 3 of the REST API) and Jira Data Center (version 2). They are stateful, and validate requests.
//!
//! Each answer of Cloud, and each request to it, is validated against Atlassian's `OpenAPI` description (`jira/openapi.rs`), and has
//! the shape of the description's examples. Data Center answers with the same objects by another path; where it differs, the
//! "Jira Data Center platform REST API" reference (<https://developer.atlassian.com/server/jira/platform/rest/>) says so: `startAt` and
//! `total` of a search, changelogs by `expand`, texts in place of documents. The sources of error responses are beside them.
//!
//! A request that Jira accepts against its documentation is recorded as a [`problem`](Jira::problems). A server with a recorded problem
//! panics when it is dropped, so a test need not check.

mod client;
mod jql;
mod openapi;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

pub use self::client::{Call, call};
use self::jql::Query;
pub use self::openapi::example;
use crate::stand_in::{Answer, Asked, Fault, StandIn};

/// The account of Cloud.
pub const EMAIL: &str = "ci@example.com";

/// Its API token.
pub const API_TOKEN: &str = "ATATT3xFfGF0-SECRET-0123456789";

/// The personal access token of Data Center.
pub const TOKEN: &str = "NjY2SECRETpersonal0123456789access";

/// The kinds of Jira.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// Jira Cloud.
    Cloud,
    /// Jira Data Center.
    DataCenter,
}

/// Both editions.
pub const EDITIONS: [Edition; 2] = [Edition::Cloud, Edition::DataCenter];

/// A status of the workflow: number, name, and the key and name of its category.
type StatusRow = (&'static str, &'static str, &'static str, &'static str);

/// A workflow in which every status can be reached from every other.
const STATUSES: [StatusRow; 4] = [
    ("10000", "To Do", "new", "To Do"),
    ("10001", "In Review", "indeterminate", "In Progress"),
    ("10002", "Approved", "indeterminate", "In Progress"),
    ("10003", "Done", "done", "Done"),
];

/// The transition to each status: number and name.
const TRANSITIONS: [(&str, &str); 4] =
    [("11", "Reopen"), ("21", "Ask for a review"), ("31", "Approve"), ("41", "Close")];

/// 2026-01-01T00:00:00Z, the time at which the servers' clock begins, in milliseconds.
pub const BEGIN: i64 = 1_767_225_600_000;

/// A running stand-in.
pub struct Jira {
    server: StandIn,
    state: Arc<Mutex<State>>,
    edition: Edition,
}

struct State {
    edition: Edition,
    issues: Vec<Issue>,
    /// The server's clock, in milliseconds since 1970.
    clock: i64,
    /// Issues that the search's index does not show yet.
    hidden: Vec<String>,
    /// The page size that the server imposes.
    page: usize,
    shows_login: bool,
    requires_resolution: bool,
    changelog_lags: bool,
    faults: Vec<Planned>,
    problems: Vec<String>,
    next_id: u64,
}

/// A response that replaces the real one.
struct Planned {
    times: usize,
    method: String,
    part: String,
    answer: Answer,
}

/// A value of a field: number and name.
type Named = (String, String);

/// A change: time, field, old value and new value.
type Change = (i64, String, Named, Named);

struct Issue {
    id: String,
    key: String,
    status: usize,
    created: i64,
    updated: i64,
    fields: Map<String, Value>,
    histories: Vec<Change>,
    comments: Vec<Value>,
    links: Vec<Value>,
}

impl Jira {
    /// Starts a server without issues.
    pub fn start(edition: Edition) -> Self {
        Self::serve(edition, |state| StandIn::start(move |asked| lock(&state).answer(asked)))
    }

    /// Starts a TLS server with a certificate of its own CA.
    pub fn start_tls(edition: Edition) -> Self {
        Self::serve(edition, |state| StandIn::start_tls(move |asked| lock(&state).answer(asked)))
    }

    fn serve(edition: Edition, start: impl FnOnce(Arc<Mutex<State>>) -> StandIn) -> Self {
        let state = Arc::new(Mutex::new(State {
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
        }));
        Self { server: start(Arc::clone(&state)), state, edition }
    }

    /// The source of this server, without a gate.
    pub fn source(&self) -> Value {
        match self.edition {
            Edition::Cloud => json!({ "url": self.url(), "email": EMAIL, "api_token": API_TOKEN }),
            Edition::DataCenter => json!({ "url": self.url(), "token": TOKEN }),
        }
    }

    /// The server's address, for `url`. Data Center often has a path.
    pub fn url(&self) -> String {
        match self.edition {
            Edition::Cloud => self.server.url(),
            Edition::DataCenter => format!("{}/jira", self.server.url()),
        }
    }

    /// The CA of the certificate, in PEM form.
    pub fn authority(&self) -> &str {
        self.server.authority()
    }

    /// Every request, `METHOD /path?query`, in the order of arrival.
    pub fn requests(&self) -> Vec<String> {
        self.asked().iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect()
    }

    /// Every request with its headers and body.
    pub fn asked(&self) -> Vec<Asked> {
        self.server.asked()
    }

    /// The bodies of the requests with this method to a path that contains `part`.
    pub fn bodies(&self, method: &str, part: &str) -> Vec<Value> {
        let asked = self.asked();
        asked.iter().filter(|asked| asked.method == method && asked.target.contains(part)).map(Asked::json).collect()
    }

    /// Injects a fault into the next connection.
    pub fn fail_next(&self, fault: Fault) {
        self.server.fail_next(fault);
    }

    /// Sends this response to the next `times` requests with this method to a path that contains `part`, without processing them.
    pub fn answer(&self, times: usize, method: &str, part: &str, answer: Answer) {
        let planned = Planned { times, method: method.to_owned(), part: part.to_owned(), answer };
        self.state().faults.push(planned);
    }

    /// Creates an issue of the project `OPS` in `To Do`, this many seconds after the begin, and returns its key.
    pub fn create(&self, second: i64, summary: &str) -> String {
        self.create_in(second, summary, "To Do")
    }

    /// Creates an issue in a status.
    pub fn create_in(&self, second: i64, summary: &str, status: &str) -> String {
        let mut state = self.state();
        state.clock = BEGIN + second * 1000;
        let fields = json!({ "summary": summary, "project": { "key": "OPS" }, "issuetype": { "name": "Task" } });
        let key = state.add(fields.as_object().expect("fields").clone());
        state.issue_mut(&key).status = number_of(status);
        key
    }

    /// Moves an issue to a status, this many seconds after the begin.
    pub fn move_to(&self, second: i64, key: &str, status: &str) {
        let mut state = self.state();
        state.clock = BEGIN + second * 1000;
        state.transition(key, number_of(status));
    }

    /// Sets a field of an issue, this many seconds after the begin.
    pub fn edit(&self, second: i64, key: &str, field: &str, value: Value) {
        let mut state = self.state();
        state.clock = BEGIN + second * 1000;
        let fields = Map::from_iter([(field.to_owned(), value)]);
        state.edit(key, &fields);
    }

    /// Hides an issue from searches, as an index that lags does, or shows it again.
    pub fn hide(&self, key: &str, is_hidden: bool) {
        let mut state = self.state();
        state.hidden.retain(|known| known != key);
        if is_hidden {
            state.hidden.push(key.to_owned());
        }
    }

    /// Removes an issue.
    pub fn delete(&self, key: &str) {
        self.state().issues.retain(|issue| issue.key != key);
    }

    /// Gives an issue another key, as a move to another project does.
    pub fn rename(&self, key: &str, new: &str) {
        new.clone_into(&mut self.state().issue_mut(key).key);
    }

    /// Sets the largest page of a search.
    pub fn page(&self, size: usize) {
        self.state().page = size;
    }

    /// Sends the headers that show a login, or none.
    pub fn shows_login(&self, shows: bool) {
        self.state().shows_login = shows;
    }

    /// Requires a resolution of each transition to `Done`.
    pub fn require_resolution(&self) {
        self.state().requires_resolution = true;
    }

    /// Leaves changes out of changelogs.
    pub fn changelog_lags(&self) {
        self.state().changelog_lags = true;
    }

    /// The status of an issue.
    pub fn status(&self, key: &str) -> String {
        STATUSES[self.state().issue_mut(key).status].1.to_owned()
    }

    /// A field of an issue.
    pub fn field(&self, key: &str, field: &str) -> Value {
        self.state().issue_mut(key).fields.get(field).cloned().unwrap_or_default()
    }

    /// The keys of all issues.
    pub fn keys(&self) -> Vec<String> {
        self.state().issues.iter().map(|issue| issue.key.clone()).collect()
    }

    /// The bodies of an issue's comments.
    pub fn comments(&self, key: &str) -> Vec<Value> {
        self.state().issue_mut(key).comments.iter().map(|comment| comment["body"].clone()).collect()
    }

    /// The links of an issue to pages.
    pub fn links(&self, key: &str) -> Vec<Value> {
        self.state().issue_mut(key).links.clone()
    }

    /// The problems in requests that were accepted.
    pub fn problems(&self) -> Vec<String> {
        self.state().problems.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Jira {
    fn drop(&mut self) {
        let problems = self.problems();
        assert!(problems.is_empty() || std::thread::panicking(), "requests that Jira does not document: {problems:#?}");
    }
}

/// The time so many seconds after the begin, as versions have it.
pub fn at(second: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(BEGIN + second * 1000).expect("a time");
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// JSON with Jira's media type.
pub fn from_jira(status: u16, body: &Value) -> Answer {
    Answer::bytes(status, "application/json;charset=UTF-8", body.to_string())
}

/// An error: `ErrorCollection` in Atlassian's description.
pub fn refuse(status: u16, message: &str) -> Answer {
    from_jira(status, &json!({ "errorMessages": [message], "errors": {} }))
}

/// A rate limit: "Rate limiting" in Jira Cloud's documentation (<https://developer.atlassian.com/cloud/jira/platform/rate-limiting/>).
pub fn rate_limited(seconds: u64) -> Answer {
    refuse(429, "Rate limit exceeded.")
        .with("Retry-After", &seconds.to_string())
        .with("X-RateLimit-Limit", "350")
        .with("X-RateLimit-Remaining", "0")
        .with("RateLimit-Reason", "jira-burst-based")
}

/// What Jira shows in place of an issue that is not there, or that an anonymous caller may not see (mattermost/mattermost-plugin-jira
/// and many others quote it).
const NO_ISSUE: &str = "Issue does not exist or you do not have permission to see it.";

impl State {
    fn answer(&mut self, asked: &Asked) -> Answer {
        let planned = self.faults.iter_mut().find(|planned| {
            planned.times > 0 && planned.method == asked.method && asked.target.contains(&planned.part)
        });
        if let Some(planned) = planned {
            planned.times -= 1;
            return planned.answer.clone();
        }
        let base = match self.edition {
            Edition::Cloud => "/rest/api/3/",
            Edition::DataCenter => "/jira/rest/api/2/",
        };
        let Some(rest) = asked.path().strip_prefix(base) else {
            // The page of a path that is not there (cristibaluta/Jit issue 10).
            return Answer::bytes(
                404,
                "text/html;charset=UTF-8",
                "<!DOCTYPE html><title>Oops, you&#39;ve found a dead link.</title>",
            );
        };
        if let Err(refused) = self.let_in(asked, rest) {
            return refused;
        }
        let parts: Vec<String> = rest.split('/').map(crate::stand_in::decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let answer = self.route(asked, &parts);
        self.note_problems(asked, &answer);
        if self.edition == Edition::Cloud {
            openapi::require_conforming(asked, &answer);
        }
        match (self.shows_login, self.edition) {
            (false, _) => answer,
            (true, Edition::Cloud) => answer.with("X-AACCOUNTID", "5b10a2844c20165700ede21g"),
            // cristibaluta/Jit issue 10.
            (true, Edition::DataCenter) => answer.with("X-AUSERNAME", "ci").with("X-Seraph-LoginReason", "OK"),
        }
    }

    fn note_problems(&mut self, asked: &Asked, answer: &Answer) {
        let mut problems = Vec::new();
        if asked.header("accept") != Some("application/json") {
            problems.push(format!("`accept` is {:?}", asked.header("accept")));
        }
        if asked.header("user-agent").is_none_or(|agent| !agent.starts_with("jetway-jira/") && agent != "node") {
            problems.push(format!("`user-agent` is {:?}", asked.header("user-agent")));
        }
        let has_body = asked.method != "GET";
        if has_body && asked.header("content-type") != Some("application/json") {
            problems.push(format!("`content-type` is {:?}", asked.header("content-type")));
        }
        if !has_body && !asked.body.is_empty() {
            problems.push("it has a body".to_owned());
        }
        // A test may send any invalid request that Jira rejects, so only accepted ones are validated.
        if answer.status < 300 && self.edition == Edition::Cloud {
            problems.extend(openapi::problems_of_request(asked));
        }
        let note = |problem| format!("{} {}: {problem}", asked.method, asked.target);
        self.problems.extend(problems.into_iter().map(note));
    }

    /// Authenticates a request.
    fn let_in(&self, asked: &Asked, rest: &str) -> Result<(), Answer> {
        let expected = match self.edition {
            Edition::Cloud => format!("Basic {}", STANDARD.encode(format!("{EMAIL}:{API_TOKEN}"))),
            Edition::DataCenter => format!("Bearer {TOKEN}"),
        };
        if asked.header("authorization") == Some(expected.as_str()) {
            return Ok(());
        }
        let unauthorized = || {
            let message = "Client must be authenticated to access this resource.";
            from_jira(401, &json!({ "message": message, "status-code": 401 }))
        };
        Err(match self.edition {
            // "Personal access tokens" of Data Center: a wrong token is refused at once.
            Edition::DataCenter => unauthorized(),
            // Cloud goes on as for an anonymous caller, and says so in a header alone: MrRefactoring/jira.js issue 418.
            Edition::Cloud => {
                let answer = match (asked.method.as_str(), rest) {
                    (_, "search/jql") => from_jira(200, &json!({ "issues": [], "isLast": true })),
                    (_, "myself") => unauthorized(),
                    _ => refuse(404, NO_ISSUE),
                };
                answer.with("x-seraph-loginreason", "AUTHENTICATED_FAILED")
            }
        })
    }

    fn route(&mut self, asked: &Asked, parts: &[&str]) -> Answer {
        let is_cloud = self.edition == Edition::Cloud;
        match (asked.method.as_str(), parts) {
            ("GET", ["myself"]) => from_jira(200, &user()),
            ("GET", ["status", name]) => match status_named(name) {
                Some(number) => from_jira(200, &status(number)),
                None => refuse(404, "The status was not found."),
            },
            ("POST", ["search", "jql"]) if is_cloud => self.search(&asked.json()),
            ("POST", ["search"]) if !is_cloud => self.search(&asked.json()),
            // The answer of Cloud since the operation was removed (CHANGE-2046 of its changelog).
            (_, ["search"]) => refuse(
                410,
                "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full migration guideline is \
                 available at https://developer.atlassian.com/changelog/#CHANGE-2046",
            ),
            ("POST", ["changelog", "bulkfetch"]) if is_cloud => self.changelogs(&asked.json()),
            ("POST", ["issue"]) => self.create(&asked.json()),
            (method, ["issue", key, rest @ ..]) => {
                let Some(key) = self.issues.iter().find(|issue| issue.key == *key || issue.id == *key) else {
                    return refuse(404, NO_ISSUE);
                };
                let key = key.key.clone();
                self.of_issue(asked, method, &key, rest)
            }
            _ => Answer::bytes(404, "text/html;charset=UTF-8", "<html><body>404</body></html>"),
        }
    }

    fn of_issue(&mut self, asked: &Asked, method: &str, key: &str, rest: &[&str]) -> Answer {
        match (method, rest) {
            ("GET", []) => {
                let with_changelog = asked.query("expand").is_some_and(|expand| expand.contains("changelog"));
                let fields = asked.query("fields").unwrap_or_else(|| "*all".to_owned());
                let fields: Vec<String> = fields.split(',').map(str::to_owned).collect();
                let mut issue = self.shown(self.issue(key), &fields, with_changelog);
                if asked.query("expand").is_some_and(|expand| expand.contains("names")) {
                    issue["names"] =
                        json!({ "summary": "Summary", "customfield_10042": "Change window", "labels": "Labels" });
                }
                from_jira(200, &issue)
            }
            ("PUT", []) => match self.edit(key, asked.json()["fields"].as_object().expect("fields")) {
                None => Answer::text(204, ""),
                Some(refused) => refused,
            },
            ("POST", ["comment"]) => self.comment(key, &asked.json()),
            ("POST", ["remotelink"]) => self.link(key, &asked.json()),
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
                let body = asked.json();
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
                    return from_jira(
                        400,
                        &json!({ "errorMessages": [], "errors": { "resolution": "Resolution is required." } }),
                    );
                }
                if let Some(fields) = body["fields"].as_object()
                    && let Some(refused) = self.edit(key, fields)
                {
                    return refused;
                }
                self.clock += 1000;
                self.transition(key, to);
                Answer::text(204, "")
            }
            _ => Answer::bytes(404, "text/html;charset=UTF-8", "<html><body>404</body></html>"),
        }
    }

    fn search(&self, body: &Value) -> Answer {
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
        let asked = usize::try_from(body["maxResults"].as_u64().unwrap_or(50)).expect("a size");
        let size = asked.min(self.page);
        let fields: Vec<String> = texts(&body["fields"]);
        match self.edition {
            Edition::Cloud => {
                let start = body["nextPageToken"].as_str().map_or(0, |token| token.parse().expect("a token of ours"));
                let page = found.iter().skip(start).take(size).map(|issue| self.shown(issue, &fields, false));
                let page: Vec<Value> = page.collect();
                let end = start + page.len();
                let is_last = end >= found.len();
                let mut answer = json!({ "issues": page, "isLast": is_last });
                if !is_last {
                    answer["nextPageToken"] = json!(end.to_string());
                }
                from_jira(200, &answer)
            }
            Edition::DataCenter => {
                let start = usize::try_from(body["startAt"].as_u64().expect("an offset")).expect("an offset");
                let with_changelog = texts(&body["expand"]).iter().any(|name| name == "changelog");
                let page = found.iter().skip(start).take(size).map(|issue| self.shown(issue, &fields, with_changelog));
                let page: Vec<Value> = page.collect();
                let answer = json!({
                    "expand": "schema,names", "startAt": start, "maxResults": size, "total": found.len(), "issues": page,
                });
                from_jira(200, &answer)
            }
        }
    }

    /// Bulk changelogs. Their times are numbers, as a site of Jira Cloud answered in October 2026.
    fn changelogs(&self, body: &Value) -> Answer {
        let start: usize = body["nextPageToken"].as_str().map_or(0, |token| token.parse().expect("a token of ours"));
        let (wanted, fields) = (texts(&body["issueIdsOrKeys"]), texts(&body["fieldIds"]));
        let mut logs = Vec::new();
        for issue in self.issues.iter().filter(|issue| wanted.iter().any(|id| *id == issue.id || *id == issue.key)) {
            let histories: Vec<Value> = self
                .histories(issue)
                .into_iter()
                .filter(|history| {
                    fields.is_empty() || fields.iter().any(|field| history["items"][0]["fieldId"] == **field)
                })
                .collect();
            for mut history in histories {
                let time: jiff::Timestamp = history["created"].as_str().expect("a time").parse().expect("a time");
                history["created"] = json!(time.as_millisecond());
                logs.push((issue.id.clone(), history));
            }
        }
        let page: Vec<Value> = logs
            .iter()
            .skip(start)
            .take(self.page)
            .map(|(id, history)| json!({ "issueId": id, "changeHistories": [history] }))
            .collect();
        let end = start + page.len();
        let mut answer = json!({ "issueChangeLogs": page });
        if end < logs.len() {
            answer["nextPageToken"] = json!(end.to_string());
        }
        from_jira(200, &answer)
    }

    fn create(&mut self, body: &Value) -> Answer {
        let fields = body["fields"].as_object().expect("fields").clone();
        if fields["project"]["key"] != "OPS" {
            return from_jira(
                400,
                &json!({ "errorMessages": [], "errors": { "project": "valid project is required" } }),
            );
        }
        if !["Task", "Change"].contains(&fields["issuetype"]["name"].as_str().unwrap_or_default()) {
            let message = "Specify a valid issue type";
            return from_jira(400, &json!({ "errorMessages": [], "errors": { "issuetype": message } }));
        }
        if let Some(refused) = self.problem_of_fields(&fields) {
            return refused;
        }
        self.clock += 1000;
        let key = self.add(fields);
        let issue = self.issue(&key);
        from_jira(
            201,
            &json!({ "id": issue.id, "key": key, "self": format!("https://jira.example/rest/api/3/issue/{}", issue.id) }),
        )
    }

    fn add(&mut self, fields: Map<String, Value>) -> String {
        let number = self.issues.len() + 1;
        let (id, key) = (self.new_id(), format!("OPS-{number}"));
        let (created, updated) = (self.clock, self.clock);
        let (histories, comments, links) = (Vec::new(), Vec::new(), Vec::new());
        self.issues.push(Issue {
            id,
            key: key.clone(),
            status: 0,
            created,
            updated,
            fields,
            histories,
            comments,
            links,
        });
        key
    }

    /// Texts are documents in Cloud, as its description says, and texts in Data Center.
    fn problem_of_fields(&self, fields: &Map<String, Value>) -> Option<Answer> {
        let is_right = |value: &Value| match self.edition {
            Edition::Cloud => value["type"] == "doc" && value["version"] == 1 && value["content"].is_array(),
            Edition::DataCenter => value.is_string(),
        };
        if let Some(description) = fields.get("description")
            && !is_right(description)
        {
            // atlassian-api/atlassian-python-api issues quote it of Cloud.
            let message = match self.edition {
                Edition::Cloud => "Operation value must be an Atlassian Document (see the Atlassian Document Format)",
                Edition::DataCenter => "Operation value must be a string",
            };
            return Some(from_jira(400, &json!({ "errorMessages": [], "errors": { "description": message } })));
        }
        let summary = fields.get("summary").and_then(Value::as_str).unwrap_or("x");
        if summary.contains('\n') || summary.chars().count() > 255 {
            let message = "Summary must be less than 255 characters and have no line breaks.";
            return Some(from_jira(400, &json!({ "errorMessages": [], "errors": { "summary": message } })));
        }
        if fields.contains_key("nonsense") {
            let message = "Field 'nonsense' cannot be set. It is not on the appropriate screen, or unknown.";
            return Some(from_jira(400, &json!({ "errorMessages": [], "errors": { "nonsense": message } })));
        }
        None
    }

    fn edit(&mut self, key: &str, fields: &Map<String, Value>) -> Option<Answer> {
        if let Some(refused) = self.problem_of_fields(fields) {
            return Some(refused);
        }
        self.clock += 1000;
        let clock = self.clock;
        let issue = self.issue_mut(key);
        for (name, value) in fields {
            issue.fields.insert(name.clone(), value.clone());
            issue.histories.push((clock, name.clone(), Default::default(), (String::new(), value.to_string())));
        }
        issue.updated = clock;
        None
    }

    fn comment(&mut self, key: &str, body: &Value) -> Answer {
        let is_document = body["body"]["type"] == "doc" && body["body"]["version"] == 1;
        // Measured on a site of Jira Cloud in October 2026.
        let invalid =
            || from_jira(400, &json!({ "errorMessages": [], "errors": { "comment": "Comment body is not valid!" } }));
        if is_document != (self.edition == Edition::Cloud) || (!is_document && !body["body"].is_string()) {
            return invalid();
        }
        self.clock += 1000;
        let (id, clock, user) = (self.new_id(), self.clock, user());
        let user = json!({ "accountId": user["accountId"], "displayName": user["displayName"], "active": true });
        let comment = json!({ "id": id, "body": body["body"], "author": user, "updateAuthor": user, "created": shown(clock),
                              "updated": shown(clock), "self": "https://jira.example/comment" });
        let issue = self.issue_mut(key);
        issue.updated = clock;
        issue.comments.push(comment.clone());
        from_jira(201, &comment)
    }

    fn link(&mut self, key: &str, body: &Value) -> Answer {
        let id: u64 = self.new_id().parse().expect("a number");
        let issue = self.issue_mut(key);
        let known = issue.links.iter().position(|link| link["globalId"] == body["globalId"]);
        let status = if let Some(known) = known {
            issue.links[known] = body.clone();
            200
        } else {
            issue.links.push(body.clone());
            201
        };
        from_jira(
            status,
            &json!({ "id": id, "self": format!("https://jira.example/rest/api/issue/{key}/remotelink/{id}") }),
        )
    }

    fn transition(&mut self, key: &str, to: usize) {
        let clock = self.clock;
        let issue = self.issue_mut(key);
        let row = |number: usize| (STATUSES[number].0.to_owned(), STATUSES[number].1.to_owned());
        issue.histories.push((clock, "status".to_owned(), row(issue.status), row(to)));
        (issue.status, issue.updated) = (to, clock);
    }

    fn shown(&self, issue: &Issue, fields: &[String], with_changelog: bool) -> Value {
        let is_wanted = |name: &str| {
            let is_left_out = fields.iter().any(|field| field.strip_prefix('-') == Some(name));
            !is_left_out && fields.iter().any(|field| field == "*all" || field == name)
        };
        let mut all = issue.fields.clone();
        all.insert("status".to_owned(), status(issue.status));
        all.insert("created".to_owned(), json!(shown(issue.created)));
        all.insert("updated".to_owned(), json!(shown(issue.updated)));
        all.insert("comment".to_owned(), json!({ "comments": issue.comments }));
        all.retain(|name, _| is_wanted(name));
        let mut value = json!({ "id": issue.id, "key": issue.key, "self": format!("https://jira.example/rest/api/3/issue/{}", issue.id),
                                "expand": "changelog,names", "fields": all });
        if with_changelog {
            let histories = self.histories(issue);
            value["changelog"] = json!({ "startAt": 0, "maxResults": histories.len(), "total": histories.len(), "histories": histories });
        }
        value
    }

    fn histories(&self, issue: &Issue) -> Vec<Value> {
        if self.changelog_lags {
            return Vec::new();
        }
        let entry = |(number, (clock, field, from, to)): (usize, &Change)| {
            let item = json!({
                "field": field, "fieldtype": "jira", "fieldId": field,
                "from": from.0, "fromString": from.1, "to": to.0, "toString": to.1,
            });
            json!({ "id": (20_000 + number).to_string(), "created": shown(*clock), "items": [item] })
        };
        issue.histories.iter().enumerate().map(entry).collect()
    }

    fn new_id(&mut self) -> String {
        self.next_id += 1;
        self.next_id.to_string()
    }

    fn issue(&self, key: &str) -> &Issue {
        self.issues.iter().find(|issue| issue.key == key).expect("an issue")
    }

    fn issue_mut(&mut self, key: &str) -> &mut Issue {
        self.issues.iter_mut().find(|issue| issue.key == key).expect("an issue")
    }
}

/// The account that calls.
fn user() -> Value {
    let mut user = example("GET", "/rest/api/3/myself", 200);
    user["emailAddress"] = json!(EMAIL);
    user
}

/// A status as the description's example of `GET /rest/api/3/status/{idOrName}` has it.
fn status(number: usize) -> Value {
    let (id, name, category, category_name) = STATUSES[number];
    json!({
        "self": format!("https://jira.example/rest/api/3/status/{id}"), "description": "", "name": name, "id": id,
        "iconUrl": "https://jira.example/images/icons/progress.gif",
        "statusCategory": {
            "self": "https://jira.example/rest/api/3/statuscategory/1", "id": 1, "key": category, "colorName": "yellow",
            "name": category_name,
        },
    })
}

fn status_named(name: &str) -> Option<usize> {
    STATUSES.iter().position(|(id, known, _, _)| known.eq_ignore_ascii_case(name) || *id == name)
}

fn number_of(name: &str) -> usize {
    status_named(name).unwrap_or_else(|| panic!("no status `{name}`"))
}

/// A time in the account's time zone, as the examples of the description have it.
fn shown(clock: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(clock).expect("a time");
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
