//! Requests: headers, bodies and invalid input.

use jetway::Secret;
use jetway::http::TransportKind;

use crate::client::{Screen, client, kind, quick, report};
use crate::server::{Act, Server, answer, ok};

#[tokio::test]
async fn have_headers_body_and_user_agent() {
    let server = Server::start([ok("{\"a\": [1, 2]}")]).await;
    let request = client().post(server.url("/x?a=1")).query("b", "ü &").header("x-test", "y");
    let response = request.json(&serde_json::json!({"k": "v"})).send().await.unwrap();
    assert_eq!(response.json::<serde_json::Value>().await.unwrap(), serde_json::json!({"a": [1, 2]}));
    let seen = &server.seen()[0];
    assert_eq!(seen.line(), "POST /x?a=1&b=%C3%BC+%26 HTTP/1.1");
    assert_eq!(seen.header("x-test"), Some("y"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("user-agent"), Some(concat!("jetway/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(seen.body, br#"{"k":"v"}"#);
}

#[tokio::test]
async fn send_forms() {
    let server = Server::start([ok("")]).await;
    client().post(server.url("/")).form([("text", "a&b=ü"), ("x", "")]).send().await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(String::from_utf8_lossy(&seen.body), "text=a%26b%3D%C3%BC&x=");
}

#[tokio::test]
async fn take_a_user_and_password_out_of_the_url() {
    let screen = Screen::default();
    let context = screen.context();
    let server = Server::start([answer("403 Forbidden", &[], "no, p@ss-word")]).await;
    let url = server.url("/").replace("://", "://bob:p%40ss-word@");
    let error = context.http(quick()).unwrap().get(url).send().await.unwrap_err();
    assert_eq!(server.seen()[0].header("authorization"), Some("Basic Ym9iOnBAc3Mtd29yZA=="));
    context.console().error(&error);
    assert!(!screen.text().contains("ss-word"), "{}", screen.text());
}

#[tokio::test]
async fn stream_a_part_of_a_file_with_its_length() {
    let server = Server::start([ok("")]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let content: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    std::fs::write(file.path(), &content).unwrap();
    client().put(server.url("/")).file(file.path(), 100..900_000).send().await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.header("content-length"), Some("899900"));
    assert!(seen.body == content[100..900_000]);
}

#[tokio::test]
async fn stream_from_a_reader_of_unknown_length_in_chunks() {
    let server = Server::start([ok("")]).await;
    client().post(server.url("/")).reader(None, || Ok(&b"abc"[..])).send().await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.header("transfer-encoding"), Some("chunked"));
    assert_eq!(seen.body, b"3\r\nabc\r\n0\r\n\r\n");
}

#[tokio::test]
async fn report_a_file_that_cannot_be_read() {
    let server = Server::start([ok("")]).await;
    let error = client().put(server.url("/x")).file("/nowhere/x", 0..1).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server]),
        "error: `PUT http://127.0.0.1:PORT1/x` got no complete response\n\
         caused by: cannot read the request body: `/nowhere/x`: No such file or directory (os error 2)"
    );
    assert_eq!(kind(&error), TransportKind::Upload);
}

#[tokio::test]
async fn reject_an_invalid_url_without_its_text() {
    for (url, message) in [
        ("hooks/s3cret", "the URL is invalid: relative URL without a base"),
        ("ftp://host/s3cret", "the URL is invalid: expected `https://...`, found the scheme `ftp`"),
        ("http://", "the URL is invalid: empty host"),
    ] {
        assert_eq!(client().get(url).send().await.unwrap_err().to_string(), message);
    }
}

#[tokio::test]
async fn reject_a_header_with_a_line_break_without_its_text() {
    let error = client().get("http://127.0.0.1:1/").header("x-a", "b\r\nx-evil: s3cret").send().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`GET http://127.0.0.1:1/` cannot be sent: the header `x-a` has a line break or another control character in it"
    );
}

#[tokio::test]
async fn trim_the_newline_of_a_token() {
    let server = Server::start([ok(""), ok("")]).await;
    client().get(server.url("/")).bearer(&Secret::new("t0ken\n")).send().await.unwrap();
    client().get(server.url("/")).secret_header("x-token", &Secret::new(" t0ken\r\n")).send().await.unwrap();
    assert_eq!(server.seen()[0].header("authorization"), Some("Bearer t0ken"));
    assert_eq!(server.seen()[1].header("x-token"), Some("t0ken"));
}

#[tokio::test]
async fn send_large_bodies_with_their_length() {
    let server = Server::start([ok("")]).await;
    let body = vec![b'x'; 1_000_000];
    client().post(server.url("/")).body(body.clone()).send().await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (Some("1000000"), None));
    assert!(seen.body == body);
}

#[tokio::test]
async fn rejected_before_their_end_get_the_servers_response() {
    let refusal = b"HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 9\r\n\r\ntoo large";
    let server = Server::start([Act::Refuse(refusal.to_vec())]).await;
    let error = client().post(server.url("/")).body(vec![0; 20_000_000]).send().await.unwrap_err();
    // The server has closed the connection. Its response is readable, unless the system discarded it with the connection.
    let text = report(&error, &[&server]);
    let answered = "error: `POST http://127.0.0.1:PORT1/` answered 413 Payload Too Large";
    let cut = "error: `POST http://127.0.0.1:PORT1/` got no complete response\ncaused by: the connection was reset";
    assert!(text.starts_with(answered) || text == cut, "{text}");
}
