//! Responses.

use std::time::{Duration, Instant};

use jetway::http::{StatusCode, StatusError, TransportKind};

use crate::client::{client, kind, report};
use crate::server::{Act, Server, answer, ok};

#[tokio::test]
async fn other_than_success_are_errors_with_details() {
    let body = format!("{{\"message\":\r\n\"{}\"}}", "x".repeat(400));
    let server = Server::start([answer("404 Not Found", &[("x-github-request-id", "AB:12")], &body)]).await;
    let error = client().get(server.url("/repos/a?token=s3cret")).send().await.unwrap_err().context("cannot look");
    assert_eq!(
        report(&error, &[&server]),
        format!(
            "error: cannot look\n\
             caused by: `GET http://127.0.0.1:PORT1/repos/a?token=...` answered 404 Not Found (x-github-request-id: AB:12)\n\
             caused by: {{\"message\": \"{}...",
            "x".repeat(286)
        )
    );
    let answer = error.downcast_ref::<StatusError>().unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.body(), body.as_bytes());
    assert_eq!(answer.json::<serde_json::Value>().unwrap()["message"], "x".repeat(400));
}

#[tokio::test]
async fn with_allowed_status_are_no_errors_and_are_not_retried() {
    let server = Server::start([answer("429 Too Many Requests", &[("retry-after", "1")], "x")]).await;
    let response = client().get(server.url("/")).allow(StatusCode::TOO_MANY_REQUESTS).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.text().await.unwrap(), "x");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn to_a_head_have_a_length_and_no_body() {
    let server = Server::start([Act::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 77\r\n\r\n".to_vec())]).await;
    let response = client().head(server.url("/")).send().await.unwrap();
    assert_eq!(response.length(), Some(77));
    assert_eq!(response.text().await.unwrap(), "");
}

#[tokio::test]
async fn larger_than_the_limit_are_rejected_with_and_without_a_length() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n4\r\nefgh\r\n0\r\n\r\n";
    let server = Server::start([ok("abcdefgh"), Act::Answer(chunked.into()), ok("abcdefgh")]).await;
    for _ in 0..2 {
        let error = client().get(server.url("/")).send().await.unwrap().bytes(7).await.unwrap_err();
        assert_eq!(
            report(&error, &[&server]),
            "error: `GET http://127.0.0.1:PORT1/` got no complete response\n\
             caused by: the response is larger than 7 bytes"
        );
        assert_eq!(kind(&error), TransportKind::TooLarge);
    }
    let whole = client().get(server.url("/")).send().await.unwrap().bytes(8).await.unwrap();
    assert_eq!(whole, b"abcdefgh");
}

#[tokio::test]
async fn as_text_are_at_most_16_mib() {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 16 * 1024 * 1024 + 1);
    let server = Server::start([Act::Stall(head.into_bytes())]).await;
    let error = client().get(server.url("/")).send().await.unwrap().text().await.unwrap_err();
    assert_eq!(kind(&error), TransportKind::TooLarge, "{error:?}");
}

#[tokio::test]
async fn of_an_error_are_read_for_a_short_time_up_to_64_kib() {
    let server = Server::start([
        answer("404 Not Found", &[], &"x".repeat(100_000)),
        Act::Stall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nabc".to_vec()),
    ])
    .await;
    let large = client().get(server.url("/")).send().await.unwrap_err();
    assert_eq!(large.downcast_ref::<StatusError>().unwrap().body().len(), 64 * 1024);
    let begin = Instant::now();
    let cut = client().get(server.url("/")).send().await.unwrap_err();
    assert_eq!(cut.downcast_ref::<StatusError>().unwrap().body(), b"abc");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn with_invalid_json_report_the_position() {
    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Item {
        id: u32,
    }
    let server = Server::start([ok("[{\"id\": 1}, {\"id\": \"x\"}]"), ok("<html>\n sign in")]).await;
    let error = client().get(server.url("/")).send().await.unwrap().json::<Vec<Item>>().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server]),
        "error: cannot use the response to `GET http://127.0.0.1:PORT1/`\n\
         caused by: the response is not the expected JSON: [{\"id\": 1}, {\"id\": \"x\"}]\n\
         caused by: [1].id: invalid type: string \"x\", expected u32 at line 1 column 22"
    );
    let error = client().get(server.url("/")).send().await.unwrap().json::<Vec<Item>>().await.unwrap_err();
    assert!(report(&error, &[]).contains("the response is not the expected JSON: <html> sign in\n"), "{error:?}");
}

#[tokio::test]
async fn can_be_streamed_and_resumed_after_a_cut() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nabcd";
    let part = answer("206 Partial Content", &[("content-range", "bytes 4-7/8")], "efgh");
    let server = Server::start([Act::Answer(cut.into()), part]).await;
    let mut body = Vec::new();
    let mut first = client().get(server.url("/blob")).send().await.unwrap();
    let error = loop {
        match first.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => panic!("the cut went unnoticed"),
            Err(error) => break error,
        }
    };
    assert_eq!(
        report(&error, &[&server]),
        "error: `GET http://127.0.0.1:PORT1/blob` got no complete response\n\
         caused by: the connection was closed before the response was complete"
    );
    assert_eq!((kind(&error), body.as_slice()), (TransportKind::Cut, &b"abcd"[..]));
    let rest = client().get(server.url("/blob")).resume_at(body.len() as u64).send().await.unwrap();
    assert_eq!(rest.offset(), 4);
    rest.copy_to(&mut body).await.unwrap();
    assert_eq!(body, b"abcdefgh");
    assert_eq!(server.seen()[1].header("range"), Some("bytes=4-"));
}

#[tokio::test]
async fn to_a_resumed_download_may_be_complete_but_not_another_range() {
    let other = answer("206 Partial Content", &[("content-range", "bytes 2-7/8")], "cdefgh");
    let server = Server::start([ok("abcdefgh"), other]).await;
    assert_eq!(client().get(server.url("/")).resume_at(4).send().await.unwrap().offset(), 0);
    let error = client().get(server.url("/")).resume_at(4).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server]),
        "error: `GET http://127.0.0.1:PORT1/` got no complete response\n\
         caused by: requested the content from byte 4, the server sent it from byte 2"
    );
}

#[tokio::test]
async fn cannot_write_control_characters_to_the_console() {
    let server = Server::start([answer("400 Bad Request", &[("x-request-id", "a  b")], "\x1b[2Jx\ny")]).await;
    let error = client().get(server.url("/")).send().await.unwrap_err();
    let text = report(&error, &[&server]);
    assert!(!text.contains('\x1b') && text.ends_with("(x-request-id: a b)\ncaused by: [2Jx y"), "{text}");
}
