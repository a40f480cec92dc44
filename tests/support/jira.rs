//! Stand-ins for Jira Cloud (version 3 of the REST API) and Jira Data Center (version 2). They are stateful, and validate
//! requests.
//!
//! Each response of Cloud, and each request to it, is validated against Atlassian's `OpenAPI` description (`jira/openapi.rs`), and
//! has the format of the description's examples. Data Center sends the same objects from another path, except for these
//! differences in the "Jira Data Center platform REST API" reference
//! (<https://developer.atlassian.com/server/jira/platform/rest/>): `startAt` and `total` of a search, changelogs by `expand`, and
//! texts instead of documents. The sources of error responses are in comments at the responses.
//!
//! A request that Jira accepts against its documentation is recorded as a [`problem`](Jira::problems). A server with a recorded
//! problem panics when it is dropped, so a test need not check.

mod client;
mod cloud;
mod data_center;
mod issues;
mod jql;
mod openapi;
mod responses;
mod server;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

pub use self::client::{Call, call};
use self::issues::{STATUSES, number_of};
pub use self::openapi::example;
pub use self::responses::{from_jira, rate_limited, refuse};
use self::server::{Planned, State};
use crate::stand_in::{Fault, RecordedRequest, Response, StandIn};

/// The account of Cloud.
pub const EMAIL: &str = "ci@example.com";

/// Its API token.
pub const API_TOKEN: &str = "ATATT3xFfGF0-SECRET-0123456789";

/// The personal access token of Data Center.
pub const TOKEN: &str = "NjY2SECRETpersonal0123456789access";

/// The key of the only project.
pub const PROJECT: &str = "OPS";

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

/// 2026-01-01T00:00:00Z, the time at which the servers' clock begins, in milliseconds.
pub const BEGIN: i64 = 1_767_225_600_000;

/// A running stand-in.
pub struct Jira {
    server: StandIn,
    state: Arc<Mutex<State>>,
    edition: Edition,
}

impl Jira {
    /// Starts a server without issues.
    pub fn start(edition: Edition) -> Self {
        Self::serve(edition, |state| StandIn::start(move |request| lock(&state).answer(request)))
    }

    /// Starts a TLS server with a certificate of its own CA.
    pub fn start_tls(edition: Edition) -> Self {
        Self::serve(edition, |state| StandIn::start_tls(move |request| lock(&state).answer(request)))
    }

    fn serve(edition: Edition, start: impl FnOnce(Arc<Mutex<State>>) -> StandIn) -> Self {
        let state = Arc::new(Mutex::new(State::new(edition)));
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
        self.recorded_requests().iter().map(|request| format!("{} {}", request.method, request.target)).collect()
    }

    /// Every request with its headers and body.
    pub fn recorded_requests(&self) -> Vec<RecordedRequest> {
        self.server.recorded_requests()
    }

    /// The bodies of the requests with this method to a path that contains `part`.
    pub fn bodies(&self, method: &str, part: &str) -> Vec<Value> {
        self.server.bodies(method, part)
    }

    /// Injects a fault into the next connection.
    pub fn fail_next(&self, fault: Fault) {
        self.server.fail_next(fault);
    }

    /// Sends this response to the next `times` requests with this method to a path that contains `part`, without processing them.
    pub fn answer(&self, times: usize, method: &str, part: &str, answer: Response) {
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
        let fields = json!({ "summary": summary, "project": { "key": PROJECT }, "issuetype": { "name": "Task" } });
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

    /// Hides an issue from searches, like an index that lags behind, or shows it again.
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

    /// Sets whether responses have the headers that show a login.
    pub fn shows_login(&self, shows: bool) {
        self.state().shows_login = shows;
    }

    /// Requires a resolution for each transition to `Done`.
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

/// The time this many seconds after the begin, in the format of versions.
pub fn at(second: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(BEGIN + second * 1000).expect("a time");
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
