//! Recorded responses of GitHub: `recordings.json`, which `recordings.py` wrote from the npm package `@octokit/fixtures`.

use std::sync::{Mutex, OnceLock};

use serde_json::Value;

use crate::stand_in::{Response, StandIn};

/// A response of api.github.com.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The scenario in the package.
    pub scenario: String,
    /// The method of the request.
    pub method: String,
    /// The path and query of the request.
    pub target: String,
    /// The status.
    pub status: u16,
    /// The headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body; absent if only headers were kept.
    pub body: Option<Value>,
}

impl Recording {
    /// The path of the request.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The values of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let of_name = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.as_str()).collect()
    }

    /// The response as it was recorded, except for the headers that the server sets for its connection.
    pub fn answer(&self) -> Response {
        let of_connection = ["content-length", "connection"];
        let headers =
            self.headers.iter().filter(|(name, _)| !of_connection.contains(&name.to_lowercase().as_str())).cloned();
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        Response { status: self.status, headers: headers.collect(), body: body.into_bytes() }
    }
}

/// The recordings of a scenario, in order.
///
/// # Panics
/// If there are none.
pub fn recordings(scenario: &str) -> Vec<Recording> {
    static ALL: OnceLock<Vec<Recording>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let document: Value = serde_json::from_str(include_str!("recordings.json")).expect("recordings.json is JSON");
        document["answers"].as_array().expect("answers").iter().map(read).collect()
    });
    let found: Vec<Recording> = all.iter().filter(|recording| recording.scenario == scenario).cloned().collect();
    assert!(!found.is_empty(), "no recordings of `{scenario}`");
    found
}

fn read(value: &Value) -> Recording {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let headers = value["headers"].as_array().expect("headers").iter();
    Recording {
        scenario: text(&value["scenario"]),
        method: text(&value["method"]),
        target: text(&value["path"]),
        status: value["status"].as_u64().and_then(|status| status.try_into().ok()).expect("a status"),
        headers: headers.map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
        body: Some(value["body"].clone()).filter(|body| !body.is_null()),
    }
}

/// Starts a server that sends the recorded responses to the recorded requests, and repeats the last response of each request.
/// Other requests get 404 without a body.
pub fn replay(recordings: Vec<Recording>) -> StandIn {
    let left = Mutex::new(recordings);
    StandIn::start(move |request| {
        let mut left = left.lock().expect("no request panicked");
        let is_of_it = |recording: &Recording| recording.method == request.method && recording.path() == request.path();
        let Some(index) = left.iter().position(is_of_it) else {
            return Response { status: 404, headers: Vec::new(), body: Vec::new() };
        };
        let answer = left[index].answer();
        if left.iter().filter(|recording| is_of_it(recording)).count() > 1 {
            left.remove(index);
        }
        answer
    })
}
