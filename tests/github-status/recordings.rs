//! Recorded responses of GitHub (`tests/support/github/recordings.json`): the type parses them, and the stand-in sends the same
//! ones.

use std::collections::BTreeMap;

use jetway_tests::github::{GitHub, Recording, TOKEN, commit, recordings, replay};
use jetway_tests::scratch;
use jetway_tests::stand_in::StandIn;
use regex::Regex;
use serde_json::{Value, json};

use crate::support::{check, get, messages, metadata, put, source, version, with};

/// The commit of the scenario `create-status`.
const HASH: &str = "2a6c97f6f5dc9166cc2e5d0d95415a386805ca07";

/// The source for the repository of the recordings.
fn recorded_source(server: &StandIn, recordings: &[Recording]) -> Value {
    let parts: Vec<&str> = recordings[0].path().split('/').collect();
    let repository = format!("{}/{}", parts[2], parts[3]);
    json!({ "repository": repository, "access_token": TOKEN, "endpoint": server.url(), "branch": HASH })
}

/// The statuses of `create-status`: the first request set `failure`, the second one `success`.
fn recorded_status(number: usize) -> Value {
    recordings("create-status")[number].body.clone().expect("a body")
}

#[test]
fn put_check_and_get_parse_recorded_responses() {
    let recorded = recordings("create-status");
    let server = replay(recorded.clone());
    let source = recorded_source(&server, &recorded);
    for (number, (state, context)) in [("failure", "example/1"), ("success", "example/2")].into_iter().enumerate() {
        let params = json!({ "commit": HASH, "state": state, "context": context });
        let outcome = put(&source, params);
        outcome.succeeded();
        let status = recorded_status(number);
        assert_eq!(outcome.json()["version"], version(HASH, status["id"].as_u64().unwrap()));
        let told: BTreeMap<String, String> = metadata(&outcome).into_iter().collect();
        for (name, key) in
            [("state", "state"), ("context", "context"), ("created_at", "created_at"), ("target_url", "target_url")]
        {
            assert_eq!(told[name], status[key].as_str().unwrap(), "{name}");
        }
        assert_eq!(told["created_by"], "octokit-fixture-user-a");
        assert_eq!(messages(&outcome), format!("set `{context}` of {HASH} to `{state}`\n"));
    }
    let ids: Vec<u64> = (0..2).map(|number| recorded_status(number)["id"].as_u64().unwrap()).collect();
    for (context, id) in [("example/1", ids[0]), ("example/2", ids[1])] {
        let outcome = check(&with(source.clone(), json!({ "context": context })), None);
        assert_eq!(outcome.json(), json!([version(HASH, id)]), "{}", outcome.stderr);
        assert!(messages(&outcome).contains("rate limit: "), "{}", messages(&outcome));
    }
    let destination = scratch::directory();
    let outcome = get(&source, &version(HASH, ids[0]), destination.path());
    outcome.succeeded();
    let told: BTreeMap<String, String> = metadata(&outcome).into_iter().collect();
    assert_eq!((told["state"].as_str(), told["description"].as_str()), ("failure", "create-status failure test"));
}

#[test]
fn check_follows_links_of_recorded_pages() {
    let recorded = recordings("create-status");
    let list =
        recorded.iter().find(|recording| recording.path().ends_with("/statuses") && recording.method == "GET").unwrap();
    // The recorded pages belong to another list, so only their headers are used, with one status each.
    let pages = recordings("paginate-issues");
    let path = list.path().to_owned();
    let status = recorded_status(0);
    let server = StandIn::start(move |request| {
        assert_eq!(request.path(), path);
        let number: usize = request.query("page").map_or(1, |page| page.parse().unwrap());
        let mut status = status.clone();
        status["id"] = json!(100 - number);
        let page = Recording { body: Some(json!([status])), ..pages[number - 1].clone() };
        page.answer()
    });
    let source = with(recorded_source(&server, &recorded), json!({ "context": "example/1" }));
    let outcome = check(&source, Some(&version(HASH, 95)));
    let versions: Vec<Value> = (95..100).map(|id| version(HASH, id)).collect();
    assert_eq!(outcome.json(), json!(versions), "{}", outcome.stderr);
    let request: Vec<String> = server.recorded_requests().iter().map(|request| request.target.clone()).collect();
    // The first request sets the page size; later requests follow the links.
    assert!(request[0].ends_with("?per_page=100"), "{request:?}");
    assert!(request[1].ends_with("?per_page=3&page=2") && request[4].ends_with("?per_page=3&page=5"), "{request:?}");
}

#[test]
fn put_shows_messages_of_recorded_errors() {
    let target = recordings("create-status")[0].clone();
    for (scenario, reason) in
        [("errors", "Validation Failed; Label color invalid"), ("branch-protection", "Branch not protected")]
    {
        let refused =
            Recording { method: "POST".to_owned(), target: target.target.clone(), ..recordings(scenario)[0].clone() };
        let server = replay(vec![refused]);
        let outcome = put(
            &recorded_source(&server, std::slice::from_ref(&target)),
            json!({ "commit": HASH, "state": "success" }),
        );
        outcome.failed();
        assert!(messages(&outcome).contains(&format!("  caused by: {reason}\n")), "{}", messages(&outcome));
    }
}

#[test]
fn put_follows_recorded_redirects_of_renamed_repository() {
    let [moved_get, moved_patch] = recordings("rename-repository").try_into().unwrap();
    let github = GitHub::start();
    let hash = commit(1);
    for (moved, method, path) in
        [(moved_patch, "POST", format!("/statuses/{hash}")), (moved_get, "GET", format!("/commits/{hash}/statuses"))]
    {
        // The recorded redirect is that of the repository; the redirect of one of its resources has a longer path.
        let to = moved.header("location")[0]
            .replace("https://api.github.com/repositories/515436299", &format!("{}/repos/octo/app", github.url()));
        let mut answer = moved.answer();
        answer.headers.retain(|(name, _)| name != "Location");
        github.answer(1, method, "/repos/octo/old/", answer.with("Location", &format!("{to}{path}")));
    }
    put(&with(source(&github), json!({ "repository": "octo/old" })), json!({ "commit": hash, "state": "success" }))
        .succeeded();
    assert_eq!(github.statuses(&hash).len(), 1);
}

/// The headers with a different value in each response, and the format of their values.
const VARYING: [(&str, &str); 10] = [
    ("date", r"^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$"),
    ("etag", r#"^"[0-9a-f]{64}"$"#),
    ("content-length", r"^\d+$"),
    ("x-github-request-id", r"^[0-9A-F]+(:[0-9A-F]+){4}$"),
    ("x-ratelimit-remaining", r"^\d+$"),
    ("x-ratelimit-reset", r"^\d{10}$"),
    ("x-ratelimit-used", r"^\d+$"),
    ("x-oauth-scopes", "^[a-z_:, ]*$"),
    ("x-accepted-oauth-scopes", "^[a-z_:, ]*$"),
    ("location", r"^https://api\.github\.com/repos/"),
];

/// Sends a request as the type does, and returns the status, the headers (names in lower case) and the body.
fn ask(github: &GitHub, method: &str, path: &str, body: Option<&Value>) -> (u16, Vec<(String, String)>, Value) {
    let authorization = format!("Authorization: Bearer {TOKEN}");
    let mut curl = std::process::Command::new("curl");
    curl.args(["-s", "-i", "-X", method, "-H", &authorization, "-H", "Accept: application/vnd.github+json"]);
    curl.args(["-H", "X-GitHub-Api-Version: 2022-11-28", "-A", "jetway-github-status/0"]);
    // The client of the recordings sent it, too.
    curl.args(["-H", "Connection: close"]);
    if let Some(body) = body {
        curl.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
    }
    let output = curl.arg(format!("{}{path}", github.url())).output().expect("run curl");
    let text = String::from_utf8(output.stdout).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("headers");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status").parse().expect("a number");
    let headers = lines.map(|line| line.split_once(": ").expect("a header"));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    (status, headers, serde_json::from_str(body).unwrap_or_default())
}

/// Collects the paths of an object's properties at any depth, each with the JSON type of its value.
fn shape(value: &Value, at: &str, found: &mut BTreeMap<String, String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    found.insert(at.to_owned(), kind.to_owned());
    match value {
        Value::Object(entries) => entries.iter().for_each(|(name, inner)| shape(inner, &format!("{at}.{name}"), found)),
        Value::Array(items) => items.iter().take(1).for_each(|item| shape(item, &format!("{at}[]"), found)),
        _ => {}
    }
}

#[test]
fn stand_in_has_the_recorded_headers_and_properties() {
    let github = GitHub::start();
    let hash = commit(1);
    let status =
        json!({ "state": "failure", "context": "example/1", "description": "d", "target_url": "https://example.com" });
    let repository = "/repos/octo/app";
    let scenario = recordings("create-status");
    let of = |method: &str, end: &str| {
        scenario.iter().find(|recording| recording.method == method && recording.path().ends_with(end)).unwrap().clone()
    };
    let wrong = json!({ "state": "no state" });
    for (recorded, path, body) in [
        (of("POST", HASH), format!("{repository}/statuses/{hash}"), Some(&status)),
        (of("GET", "/statuses"), format!("{repository}/commits/{hash}/statuses?per_page=100"), None),
        (of("GET", "/status"), format!("{repository}/commits/{hash}/status"), None),
        (recordings("errors")[0].clone(), format!("{repository}/statuses/{hash}"), Some(&wrong)),
        (recordings("branch-protection")[0].clone(), format!("{repository}/issues/comments/7"), None),
    ] {
        let (code, headers, body) = ask(&github, &recorded.method, &path, body);
        assert_eq!(code, recorded.status, "{path}: {body}");
        let values = |headers: &[(String, String)], name: &str| -> Vec<String> {
            let of_name = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            of_name.map(|(_, value)| value.clone()).collect()
        };
        for (name, _) in &recorded.headers {
            let name = name.to_lowercase();
            let (ours, theirs) = (values(&headers, &name), values(&recorded.headers, &name));
            match VARYING.iter().find(|(varying, _)| *varying == name) {
                Some((_, form)) => {
                    let form = Regex::new(form).unwrap();
                    for value in ours.iter().chain(&theirs) {
                        assert!(form.is_match(value), "{path}: `{name}` is {value}");
                    }
                    assert_eq!(ours.len(), theirs.len(), "{path}: `{name}`");
                }
                None => assert_eq!(ours, theirs, "{path}: `{name}`"),
            }
        }
        for (name, _) in &headers {
            assert!(!recorded.header(name).is_empty(), "{path}: GitHub does not send `{name}`");
        }
        let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
        shape(&body, "", &mut ours);
        shape(&recorded.body.clone().expect("a body"), "", &mut theirs);
        // The URLs of the repository do not matter, and a value that is null here may be text there.
        for (name, kind) in theirs.iter().filter(|(name, kind)| !name.starts_with(".repository.") && *kind != "null") {
            let is_same = ours.get(name).is_some_and(|ours| ours == kind || ours == "null");
            assert!(is_same, "{path}: `{name}` is {:?}, not {kind}", ours.get(name));
        }
    }
    drop(github);
}

#[test]
fn stand_in_links_its_pages_as_recorded() {
    let form = |link: &str| Regex::new(r"<[^>]*[?&]page=(\d+)>").unwrap().replace_all(link, "<$1>").into_owned();
    let github = GitHub::start();
    for number in 0..401 {
        github.set_status(&commit(1), &format!("context/{number}"), "success", "octo");
    }
    for recorded in recordings("paginate-issues") {
        // The stand-in accepts only requests for full pages.
        let query = recorded.target.split_once('?').unwrap().1.replace("per_page=3", "per_page=100");
        let path = format!("/repos/octo/app/commits/{}/statuses?{query}", commit(1));
        let (_, headers, _) = ask(&github, "GET", &path, None);
        let link = headers.iter().find(|(name, _)| name == "link").map(|(_, value)| form(value));
        assert_eq!(link, recorded.header("link").first().map(|link| form(link)), "{query}");
    }
}
