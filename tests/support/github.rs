//! A stand-in for GitHub's REST API. It is stateful, and validates every request against GitHub's documentation.
//!
//! Each response follows the operation's page in GitHub's documentation (<https://docs.github.com/rest>) and is validated
//! against its `OpenAPI` description (`openapi.rs`); its headers are those of recorded responses (`recordings.rs`). The sources
//! of error responses are beside them; what they share is in "Troubleshooting the REST API"
//! (<https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api>).
//!
//! A request that GitHub rejects is rejected with GitHub's message. A request that GitHub accepts against its documentation (an
//! unknown key, no API version) is recorded as a [`problem`](GitHub::problems). A server with a recorded problem panics when it
//! is dropped, so a test need not check.

mod app;
mod comments;
mod deployments;
mod graphql;
mod headers;
mod lists;
mod openapi;
mod recordings;
mod schema;
mod statuses;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use self::app::App;
pub use self::app::AppKey;
pub use self::graphql::PullRequest;
pub use self::recordings::{Recording, recordings, replay};
use crate::stand_in::{Fault, RecordedRequest, Response, StandIn};

/// The repository on the server.
pub const REPOSITORY: &str = "octo/app";

/// The valid token.
pub const TOKEN: &str = "ghp_0123456789abcdefSECRET";

/// The user that the token belongs to.
pub const LOGIN: &str = "octo-ci";

/// A running stand-in.
pub struct GitHub {
    server: StandIn,
    state: Arc<Mutex<State>>,
}

/// The state of the repository.
struct State {
    token: String,
    login: String,
    is_app_token: bool,
    app: Option<App>,
    issued: Vec<String>,
    commits: Vec<String>,
    refs: Vec<(String, String)>,
    statuses: Vec<Status>,
    pulls: Vec<Value>,
    /// The pull requests of the GraphQL API.
    graph: Vec<PullRequest>,
    /// Seconds since the start of the GraphQL API's time.
    clock: u64,
    /// The points of GraphQL's rate limit that queries have cost.
    points: u64,
    comments: Vec<Value>,
    deployments: Vec<Value>,
    next_id: u64,
    /// The number of further lists that omit the newest status.
    lag: usize,
    rate: Option<(u64, u64, u64)>,
    faults: Vec<Planned>,
    problems: Vec<String>,
}

/// A status of a commit.
struct Status {
    commit: String,
    value: Value,
}

/// A response that replaces the real one.
struct Planned {
    times: usize,
    method: String,
    part: String,
    answer: Response,
}

impl GitHub {
    /// Starts a server with one commit, the head of `main` and `master`.
    pub fn start() -> Self {
        Self::serve(|state| StandIn::start(move |request| lock(&state).answer(request)))
    }

    /// Starts a TLS server with a certificate of its own CA.
    pub fn start_tls() -> Self {
        Self::serve(|state| StandIn::start_tls(move |request| lock(&state).answer(request)))
    }

    fn serve(start: impl FnOnce(Arc<Mutex<State>>) -> StandIn) -> Self {
        let state = Arc::new(Mutex::new(State {
            token: TOKEN.to_owned(),
            login: LOGIN.to_owned(),
            is_app_token: false,
            app: None,
            issued: Vec::new(),
            commits: vec![commit(1)],
            refs: vec![("main".to_owned(), commit(1)), ("master".to_owned(), commit(1))],
            statuses: Vec::new(),
            pulls: Vec::new(),
            graph: Vec::new(),
            clock: 0,
            points: 0,
            comments: Vec::new(),
            deployments: Vec::new(),
            next_id: 1000,
            lag: 0,
            rate: Some((5000, 4999, 4_102_444_800)),
            faults: Vec::new(),
            problems: Vec::new(),
        }));
        Self { server: start(Arc::clone(&state)), state }
    }

    /// The CA of the certificate, in PEM form.
    pub fn authority(&self) -> &str {
        self.server.authority()
    }

    /// The URL of the API, for `endpoint`.
    pub fn url(&self) -> String {
        self.server.url()
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

    /// Adds a commit.
    pub fn add_commit(&self, hash: &str) {
        self.state().commits.push(hash.to_owned());
    }

    /// Points a ref to a commit, which is added if it does not exist.
    pub fn set_ref(&self, name: &str, hash: &str) {
        let mut state = self.state();
        if !state.commits.iter().any(|known| known == hash) {
            state.commits.push(hash.to_owned());
        }
        state.refs.retain(|(known, _)| known != name);
        state.refs.push((name.to_owned(), hash.to_owned()));
    }

    /// Sets a status as the user `creator`, and returns its id.
    pub fn set_status(&self, hash: &str, context: &str, state: &str, creator: &str) -> u64 {
        let body = json!({ "context": context, "state": state });
        self.state().add_status(hash, &body, creator)["id"].as_u64().expect("a number")
    }

    /// Removes a commit and its statuses.
    pub fn forget_commit(&self, hash: &str) {
        let mut state = self.state();
        state.commits.retain(|known| known != hash);
        state.statuses.retain(|status| status.commit != hash);
    }

    /// The statuses of a commit, newest first.
    pub fn statuses(&self, hash: &str) -> Vec<Value> {
        self.state().statuses_of(hash)
    }

    /// Omits new statuses from this many lists.
    pub fn lag(&self, lists: usize) {
        self.state().lag = lists;
    }

    /// Opens a pull request.
    pub fn open_pull_request(&self, number: u64, head: &str, base: &str) {
        self.add_commit(head);
        self.state().pulls.push(json!({
            "number": number, "state": "open", "head": { "sha": head, "ref": "topic" }, "base": { "ref": base, "sha": commit(1) },
        }));
    }

    /// Adds a pull request to the GraphQL API (and to the lists of the REST API), or replaces it. It is updated now.
    pub fn put_pull(&self, pull: PullRequest) {
        self.state().put_pull(pull);
    }

    /// Changes a pull request of the GraphQL API, which is updated now.
    pub fn change_pull(&self, number: u64, change: impl FnOnce(&mut PullRequest)) {
        let mut state = self.state();
        let mut pull = state.graph.iter().find(|pull| pull.number == number).expect("a pull request").clone();
        change(&mut pull);
        state.put_pull(pull);
    }

    /// Deletes a pull request from the GraphQL API.
    pub fn forget_pull(&self, number: u64) {
        self.state().graph.retain(|pull| pull.number != number);
    }

    /// The points of GraphQL's rate limit that queries have cost.
    pub fn points(&self) -> u64 {
        self.state().points
    }

    /// Closes a pull request.
    pub fn close_pull_request(&self, number: u64) {
        for pull in &mut self.state().pulls {
            if pull["number"] == number {
                pull["state"] = json!("closed");
            }
        }
    }

    /// Comments on a pull request as the user `login`.
    pub fn comment(&self, number: u64, login: &str, body: &str) {
        self.state().add_comment(number, login, body);
    }

    /// The comments on a pull request: login and text.
    pub fn comments(&self, number: u64) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let state = self.state();
        let of_it = state.comments.iter().filter(|comment| comment["issue"] == number);
        of_it.map(|comment| (text(&comment["user"]["login"]), text(&comment["body"]))).collect()
    }

    /// Creates a deployment as the user `creator`, and returns its id.
    pub fn deploy(&self, hash: &str, environment: &str, creator: &str) -> u64 {
        let body = json!({ "ref": hash, "environment": environment });
        self.state().add_deployment(&body, creator)["id"].as_u64().expect("a number")
    }

    /// Sets the status of a deployment, and returns the status's id.
    pub fn set_deployment(&self, deployment: u64, state: &str, creator: &str) -> u64 {
        self.state().add_deployment_status(deployment, &json!({ "state": state }), creator)["id"]
            .as_u64()
            .expect("a number")
    }

    /// The deployments with their statuses, oldest first.
    pub fn deployments(&self) -> Vec<Value> {
        self.state().deployments.clone()
    }

    /// Sets the headers of the rate limit: the limit, the remaining requests, and the time of the reset.
    pub fn rate(&self, limit: u64, left: u64, renewed: u64) {
        self.state().rate = Some((limit, left, renewed));
    }

    /// Accepts only this token: an installation token of an App, which the pipeline got from another program.
    pub fn take_app_token(&self, token: &str, login: &str) {
        let mut state = self.state();
        (state.token, state.login, state.is_app_token) = (token.to_owned(), login.to_owned(), true);
    }

    /// Adds an App that is installed for the repository.
    pub fn install_app(&self, id: &str, slug: &str, key: &AppKey) {
        self.state().app = Some(App::new(id, slug, key));
    }

    /// Revokes all tokens that were issued so far.
    pub fn revoke_tokens(&self) {
        self.state().issued.clear();
    }

    /// The issued tokens that are still valid.
    pub fn issued_tokens(&self) -> Vec<String> {
        self.state().issued.clone()
    }

    /// The problems in requests that were accepted.
    pub fn problems(&self) -> Vec<String> {
        self.state().problems.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        let problems = self.problems();
        assert!(
            problems.is_empty() || std::thread::panicking(),
            "requests that GitHub does not document: {problems:#?}"
        );
    }
}

/// A hash for tests, derived from the number.
pub fn commit(number: u32) -> String {
    format!("{number:040x}")
}

impl State {
    fn answer(&mut self, request: &RecordedRequest) -> Response {
        let planned = self.faults.iter_mut().find(|planned| {
            planned.times > 0 && planned.method == request.method && request.target.contains(&planned.part)
        });
        if let Some(planned) = planned {
            planned.times -= 1;
            return planned.answer.clone();
        }
        schema::of_request(request, &mut self.problems);
        let answer = match self.authorize(request) {
            Ok(()) => self.route(request),
            Err(refused) => refused,
        };
        // A test may send any invalid request that GitHub rejects, so only accepted ones are validated.
        if answer.status < 300 {
            let note = |problem| format!("{} {}: {problem}", request.method, request.target);
            self.problems.extend(openapi::problems_of_request(request).into_iter().map(note));
        }
        let answer = openapi::conforming(request, answer);
        // An App's token has permissions; only a user's token has scopes.
        let is_of_user = bearer(request) == self.token && !self.is_app_token;
        headers::add(request, answer, self.rate, is_of_user.then_some("repo"))
    }

    /// Authenticates and authorizes a request.
    fn authorize(&mut self, request: &RecordedRequest) -> Result<(), Response> {
        let bearer = bearer(request);
        if app::is_for_the_app_itself(request) {
            return match &self.app {
                Some(app) => app.verify(bearer).map_err(|problem| refuse(401, &problem)),
                None => Err(refuse(401, "A JSON web token could not be decoded")),
            };
        }
        if bearer == self.token || self.issued.iter().any(|token| token == bearer) {
            Ok(())
        } else {
            // hisxo/gitGraber issue 54.
            Err(refuse(401, "Bad credentials"))
        }
    }

    fn route(&mut self, request: &RecordedRequest) -> Response {
        let parts = request.parts();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let of_repository = match parts.as_slice() {
            ["user"] => {
                // actions/create-github-app-token issue 258.
                return if self.is_app_token {
                    refuse(403, "Resource not accessible by integration")
                } else {
                    Response::json(200, &json!({ "login": self.login, "id": 1, "type": "User" }))
                };
            }
            ["graphql"] => return self.graphql(request),
            ["app", ..] => return self.app_itself(request, &parts),
            ["repos", owner, name, rest @ ..] if format!("{owner}/{name}") == REPOSITORY => rest,
            _ => return refuse(404, "Not Found"),
        };
        match (request.method.as_str(), of_repository) {
            ("GET", ["installation"]) => self.app_itself(request, &parts),
            ("POST", ["statuses", hash]) => self.post_status(request, hash),
            ("GET", ["commits", reference @ .., "statuses"]) => self.list_statuses(request, &reference.join("/")),
            ("GET", ["commits", reference @ .., "status"]) => self.combined_status(&reference.join("/")),
            ("GET", ["commits", hash, "pulls"]) => {
                let of_it = self.pulls.iter().filter(|pull| pull["head"]["sha"] == *hash).cloned().collect();
                lists::page(request, of_it)
            }
            ("GET", ["pulls"]) => {
                let state = request.query("state").unwrap_or_else(|| "open".to_owned());
                let base = request.query("base");
                let is_listed = |pull: &&Value| {
                    pull["state"] == state.as_str()
                        && base.as_ref().is_none_or(|base| pull["base"]["ref"] == base.as_str())
                };
                lists::page(request, self.pulls.iter().filter(is_listed).cloned().collect())
            }
            (_, ["issues", ..]) => self.issues(request, of_repository),
            (_, ["deployments", ..]) => self.deployments(request, of_repository),
            _ => refuse(404, "Not Found"),
        }
    }

    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The login that sent the request.
    fn asker(&self, request: &RecordedRequest) -> String {
        let bearer = bearer(request);
        match &self.app {
            Some(app) if self.issued.iter().any(|token| token == bearer) => app.login(),
            _ => self.login.clone(),
        }
    }
}

/// The token of a request; empty when there is none.
fn bearer(request: &RecordedRequest) -> &str {
    request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default()
}

/// Whether a value is the number in a path segment.
fn is_number(value: &Value, text: &str) -> bool {
    value.as_u64().is_some_and(|number| text.parse() == Ok(number))
}

/// An error response in GitHub's format: `message` and `documentation_url` as in the recorded errors, and the `status` that they
/// have had since 2024 (a 401 in hisxo/gitGraber issue 54, a 403 in actions/create-github-app-token issue 258).
fn refuse(status: u16, message: &str) -> Response {
    let body = json!({
        "message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string(),
    });
    Response::json(status, &body)
}

/// The creation time of the object with this id, which is the same in every run.
fn time_of(id: u64) -> String {
    let seconds = id % 86_400;
    format!("2026-01-01T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
