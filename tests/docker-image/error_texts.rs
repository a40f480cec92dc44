//! The texts by which errors of an engine are recognised, from the installed engine itself: an upgrade that changes a text fails here.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use jetway::ErrorText;
use jetway_docker_image::engine_error_texts::TABLE;
use jetway_tests::layer::{Layer, require};
use jetway_tests::stand_in::{Response, StandIn};
use serde_json::json;

/// What the engine prints when it cannot pull an image from this registry, in lower case.
fn failed_pull(registry: &str) -> String {
    let output = Command::new("docker")
        .args(["pull", &format!("{registry}/jetway-tests/error-texts:1")])
        .stdin(Stdio::null())
        .output()
        .expect("run docker");
    assert!(!output.status.success(), "{registry}");
    String::from_utf8_lossy(&output.stderr).to_lowercase()
}

/// A registry that answers each request but the first one, for `/v2/`, like this.
fn answering(answer: Response) -> StandIn {
    StandIn::start(
        move |request| if request.path() == "/v2/" { Response::json(200, &json!({})) } else { answer.clone() },
    )
}

/// A listener on loopback that handles each connection by `handle`, until the process ends; returns its address.
fn serve(handle: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port on loopback");
    let address = listener.local_addr().expect("the listener's address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handle = handle.clone();
            std::thread::spawn(move || handle(stream));
        }
    });
    address.to_string()
}

/// Closes the connection before what the client sends is read: the kernel resets it.
fn reset(stream: TcpStream) {
    let _ = stream.peek(&mut [0; 1]);
    std::thread::sleep(Duration::from_millis(100));
}

/// Answers each request with this status and its name.
fn answer_status(status: &'static str) -> impl Fn(TcpStream) + Clone + Send + 'static {
    move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
}

/// Reads, and never answers.
fn never_answer(mut stream: TcpStream) {
    while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
}

fn closed_port() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port on loopback");
    listener.local_addr().expect("the listener's address").to_string()
}

#[test]
fn installed_engine_prints_the_texts_of_the_table() {
    if !require(Layer::Engine) {
        return;
    }
    // The distribution specification, "Error Codes".
    let coded = |status, code: &str, message: &str| {
        answering(Response::json(status, &json!({ "errors": [{ "code": code, "message": message }] })))
    };
    let registries = [
        coded(401, "UNAUTHORIZED", "authentication required"),
        coded(403, "DENIED", "requested access to the resource is denied"),
        coded(429, "TOOMANYREQUESTS", "slow down"),
        StandIn::start(|_| Response::text(401, "no")),
        StandIn::start(|_| Response::text(401, "").with("www-authenticate", "Basic realm=\"registry\"")),
    ];
    let mut addresses: Vec<String> =
        registries.iter().map(|registry| registry.url().trim_start_matches("http://").to_owned()).collect();
    addresses.extend([serve(reset), serve(never_answer), closed_port()]);
    let statuses = [
        "429 Too Many Requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
    ];
    addresses.extend(statuses.map(|status| serve(answer_status(status))));
    let pulls: Vec<_> =
        addresses.into_iter().map(|address| std::thread::spawn(move || failed_pull(&address))).collect();
    let printed: Vec<String> = pulls.into_iter().map(|pull| pull.join().expect("a pull")).collect();
    assert_eq!(ErrorText::missing(TABLE, &printed), Vec::<String>::new(), "{printed:#?}");
}
