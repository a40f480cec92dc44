//! Retries: which requests are retried, and how often.

use std::time::{Duration, Instant};

use jetway::http::{HttpSettings, Retry, TransportError, TransportKind};

use crate::client::{Screen, client, kind, quick, report, unused_port};
use crate::server::{Act, Server, answer, ok};

#[tokio::test]
async fn retries_until_success_and_logs_each_pause() {
    let screen = Screen::default();
    let busy = || answer("429 Too Many Requests", &[("retry-after", "0")], "");
    let server = Server::start([busy(), answer("502 Bad Gateway", &[], ""), ok("done")]).await;
    let client = screen.context().http(quick()).unwrap();
    let response = client.get(server.url("/x?k=s3cret")).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "done");
    assert_eq!(
        screen.text().replace(&server.port.to_string(), "PORT"),
        "retrying in a moment: `GET http://127.0.0.1:PORT/x?k=...` answered 429 Too Many Requests\n\
         retrying in a moment: `GET http://127.0.0.1:PORT/x?k=...` answered 502 Bad Gateway\n"
    );
}

#[tokio::test]
async fn fails_after_the_maximum_number_of_attempts() {
    let server = Server::start((0..9).map(|_| answer("503 Service Unavailable", &[], "busy"))).await;
    let error = client().get(server.url("/")).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server]),
        "error: `GET http://127.0.0.1:PORT1/` answered 503 Service Unavailable (5 attempts)\ncaused by: busy"
    );
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn obeys_retry_after() {
    let at =
        |seconds: &str| [("date", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned()), ("retry-after", seconds.to_owned())];
    for wait in ["1", "Sun, 06 Nov 1994 08:49:38 GMT"] {
        let headers = at(wait);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let server = Server::start([answer("429 Too Many Requests", &headers, ""), ok("")]).await;
        let begin = Instant::now();
        client().post(server.url("/")).body("x").send().await.unwrap();
        assert!(begin.elapsed() >= Duration::from_secs(1), "{wait}");
        assert_eq!(server.seen()[1].body, b"x");
    }
}

#[tokio::test]
async fn fails_at_once_if_retry_after_exceeds_the_limit() {
    let limit =
        [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "784114200"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
    let server = Server::start([
        answer("429 Too Many Requests", &[("retry-after", "3600")], "slow down"),
        answer("403 Forbidden", &limit, ""),
    ])
    .await;
    let begin = Instant::now();
    let error = client().post(server.url("/")).body("x").send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server]),
        "error: `POST http://127.0.0.1:PORT1/` answered 429 Too Many Requests\n\
         caused by: the server asks to wait 60 min, but retries end after 120 s\n\
         caused by: slow down"
    );
    let error = client().get(server.url("/")).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server]),
        "error: `GET http://127.0.0.1:PORT1/` answered 403 Forbidden\n\
         caused by: the server asks to wait 41 min, but retries end after 120 s"
    );
    assert_eq!(server.seen().len(), 2);
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn retries_get_but_not_post_after_a_cut() {
    let server = Server::start([Act::Close, ok("got"), Act::Close, ok("posted twice")]).await;
    assert_eq!(client().get(server.url("/")).send().await.unwrap().text().await.unwrap(), "got");
    let error = client().post(server.url("/")).body("x").send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server]),
        "error: `POST http://127.0.0.1:PORT1/` got no complete response\n\
         caused by: the connection was closed before the response was complete"
    );
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn retries_post_after_gateway_error_only_if_repeatable() {
    let bad = || answer("504 Gateway Timeout", &[], "");
    let server = Server::start([bad(), bad(), ok("")]).await;
    assert!(client().post(server.url("/")).send().await.is_err());
    assert_eq!(server.seen().len(), 1);
    client().post(server.url("/")).repeatable().send().await.unwrap();
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn opens_the_body_again_for_each_attempt() {
    let server = Server::start([answer("503 Service Unavailable", &[], ""), ok("")]).await;
    client().put(server.url("/")).reader(Some(3), || Ok(&b"abc"[..])).send().await.unwrap();
    assert_eq!(server.seen()[1].body, b"abc");
}

#[tokio::test]
async fn retries_any_request_after_refused_connection() {
    let port = unused_port();
    let url = format!("http://127.0.0.1:{port}/");
    let error = client().post(&url).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[]).replace(&port.to_string(), "PORT"),
        "error: `POST http://127.0.0.1:PORT/` got no complete response (5 attempts)\n\
         caused by: `127.0.0.1` refused the connection"
    );
    assert_eq!(kind(&error), TransportKind::Connection);
    let name = format!("{}.invalid", "a".repeat(64));
    let error = client().get(format!("http://{name}/")).retry(Retry::never()).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[]).replace(&name, "NAME"),
        "error: `GET http://NAME/` got no complete response\ncaused by: the name of `NAME` cannot be resolved"
    );
    assert_eq!(kind(&error), TransportKind::Name);
}

#[tokio::test]
async fn fails_when_server_sends_no_more_data() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_vec();
    let server = Server::start([Act::Stall(Vec::new()), Act::Stall(head)]).await;
    let settings = HttpSettings { read_timeout: Duration::from_millis(200), ..quick() };
    let client = Screen::default().context().http(settings).unwrap();
    let silent = client.post(server.url("/")).send().await.unwrap_err();
    let body = client.get(server.url("/")).send().await.unwrap().text().await.unwrap_err();
    for (error, method) in [(silent, "POST"), (body, "GET")] {
        assert_eq!(
            report(&error, &[&server]),
            format!(
                "error: `{method} http://127.0.0.1:PORT1/` got no complete response\n\
                 caused by: nothing was received for 0.2 s\n\
                 hint: `read_timeout` in the source sets how long a server may stay silent"
            )
        );
        assert_eq!(kind(&error), TransportKind::Stalled);
    }
}

#[tokio::test]
async fn rejects_trickling_body_but_not_slow_first_byte() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n";
    let server = Server::start([Act::Trickle(head.to_vec()), Act::Late(Duration::from_millis(600))]).await;
    let settings = HttpSettings { read_timeout: Duration::from_millis(300), ..quick() };
    let client = Screen::default().context().http(settings).unwrap();
    let body = client.get(server.url("/")).send().await.unwrap();
    let error = tokio::time::timeout(Duration::from_secs(20), body.text()).await.unwrap().unwrap_err();
    assert_eq!(
        report(&error, &[&server]),
        "error: `GET http://127.0.0.1:PORT1/` got no complete response\n\
         caused by: the body was slower than 1024 bytes per second for 0.3 s\n\
         hint: `read_timeout` in the source sets how long a server may stay silent"
    );
    assert_eq!(kind(&error), TransportKind::Stalled);
    // By default, the first byte has a longer timeout than the rest of a body.
    assert!(client.get(server.url("/")).retry(Retry::never()).send().await.is_err());
    let server = Server::start([Act::Late(Duration::from_millis(600))]).await;
    let client = Screen::default().context().http(quick()).unwrap();
    let response = client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "late");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn reports_the_attempts_to_a_silent_server() {
    let server = Server::start((0..9).map(|_| Act::Stall(Vec::new()))).await;
    let settings = HttpSettings { read_timeout: Duration::from_millis(50), ..quick() };
    let client = Screen::default().context().http(settings).unwrap();
    let error = client.get(server.url("/")).send().await.unwrap_err();
    let error = error.downcast_ref::<TransportError>().unwrap();
    // A caller with its own retries reads the number of attempts, so that the attempts do not multiply.
    assert_eq!((error.kind(), error.attempts(), server.seen().len()), (TransportKind::Stalled, 5, 5));
}

#[tokio::test]
async fn retries_every_transient_status_of_an_idempotent_request() {
    for status in ["408 x", "429 x", "499 x", "500 x", "502 x", "503 x", "504 x", "522 x"] {
        let server = Server::start([answer(status, &[], ""), ok("got"), answer(status, &[], ""), ok("posted")]).await;
        assert_eq!(client().get(server.url("/")).send().await.unwrap().text().await.unwrap(), "got", "{status}");
        let is_repeated = client().post(server.url("/")).send().await.is_ok();
        assert_eq!(is_repeated, status == "429 x", "{status}");
    }
}

#[tokio::test]
async fn fails_when_server_reads_nothing_but_not_when_it_is_slow() {
    let server = Server::start([Act::Deaf, ok("")]).await;
    let settings = HttpSettings { read_timeout: Duration::from_millis(300), ..quick() };
    let client = Screen::default().context().http(settings).unwrap();
    let error = client.post(server.url("/")).body(vec![0; 50_000_000]).send().await.unwrap_err();
    assert_eq!(kind(&error), TransportKind::Stalled, "{error:?}");
    // A slow body is no timeout, because every piece that is sent restarts the timeout.
    let slow = || {
        let (reader, mut writer) = tokio::io::duplex(16);
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt as _;
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                writer.write_all(b"piece").await.unwrap();
            }
        });
        Ok(reader)
    };
    client.post(server.url("/")).reader(None, slow).send().await.unwrap();
}

#[tokio::test]
async fn fails_after_the_total_time() {
    let server = Server::start((0..9).map(|_| answer("502 Bad Gateway", &[], ""))).await;
    let retry = Retry { attempts: 9, total: Duration::ZERO, ..quick().retry };
    let error = client().get(server.url("/")).retry(retry).send().await.unwrap_err();
    assert_eq!(report(&error, &[&server]), "error: `GET http://127.0.0.1:PORT1/` answered 502 Bad Gateway");
    assert_eq!(server.seen().len(), 1);
}
