//! The HTTP client from outside: against a server that behaves as told, on the loopback interface.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test code: what is not as it should be ends its test there and then"
)]

#[path = "support/example.rs"]
mod example;
#[path = "http/server.rs"]
mod server;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jetway::http::{
    ClientCertificate, HttpClient, HttpSettings, Redirects, Retry, StatusCode, StatusError, TransportError,
    TransportKind,
};
use jetway::{BuildMetadata, Colour, Console, Context, Error, Line, Redactor, Secret, lines};

use server::{Act, Authority, Certified, Server, answer, ok};

/// What people see.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn context(&self) -> Context {
        let console = Console::new(self.clone(), Redactor::default(), Colour::Never);
        Context::new(BuildMetadata::default(), console, std::env::temp_dir())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Settings whose pauses are too short to notice.
fn quick() -> HttpSettings {
    let retry = Retry { first_pause: Duration::from_millis(2), ..Retry::default() };
    HttpSettings { retry, ..HttpSettings::default() }
}

fn client() -> HttpClient {
    Screen::default().context().http(quick()).unwrap()
}

/// The report of an error as people see it, with the ports of this run taken out.
fn report(error: &Error, servers: &[&Server]) -> String {
    let text: Vec<String> = lines(error)
        .iter()
        .map(|line| match line {
            Line::Failure(text) => format!("error: {text}"),
            Line::Cause(text) => format!("caused by: {text}"),
            Line::Hint(text) => format!("hint: {text}"),
        })
        .collect();
    let mut text = text.join("\n");
    for (index, server) in servers.iter().enumerate() {
        text = text.replace(&server.port.to_string(), &format!("PORT{}", index + 1));
    }
    text
}

/// A port that nobody listens on.
fn nobody() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn kind(error: &Error) -> TransportKind {
    error.downcast_ref::<TransportError>().unwrap_or_else(|| panic!("{error:?}")).kind()
}

mod requests {
    use super::*;

    #[tokio::test]
    async fn carry_what_was_given_and_who_asks() {
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
    async fn stream_from_a_reader_in_chunks_when_its_length_is_not_known() {
        let server = Server::start([ok("")]).await;
        client().post(server.url("/")).reader(None, || Ok(&b"abc"[..])).send().await.unwrap();
        let seen = &server.seen()[0];
        assert_eq!(seen.header("transfer-encoding"), Some("chunked"));
        assert_eq!(seen.body, b"3\r\nabc\r\n0\r\n\r\n");
    }

    #[tokio::test]
    async fn name_a_file_that_cannot_be_read() {
        let server = Server::start([ok("")]).await;
        let error = client().put(server.url("/x")).file("/nowhere/x", 0..1).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&server]),
            "error: `PUT http://127.0.0.1:PORT1/x` got no whole answer\n\
             caused by: what was to be sent cannot be read: `/nowhere/x`: No such file or directory (os error 2)"
        );
        assert_eq!(kind(&error), TransportKind::Upload);
    }

    #[tokio::test]
    async fn refuse_a_url_that_is_none_without_repeating_it() {
        for (url, message) in [
            ("hooks/s3cret", "a URL cannot be used: relative URL without a base"),
            ("ftp://host/s3cret", "a URL cannot be used: expected `https://...`, found the scheme `ftp`"),
            ("http://", "a URL cannot be used: empty host"),
        ] {
            assert_eq!(client().get(url).send().await.unwrap_err().to_string(), message);
        }
    }

    #[tokio::test]
    async fn refuse_a_header_that_would_be_two_without_repeating_it() {
        let error = client().get("http://127.0.0.1:1/").header("x-a", "b\r\nx-evil: s3cret").send().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`GET http://127.0.0.1:1/` cannot be sent: the header `x-a` has a line break or the like in it"
        );
    }
}

mod answers {
    use super::*;

    #[tokio::test]
    async fn other_than_success_are_errors_with_all_that_helps() {
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
    async fn that_are_allowed_are_no_errors_and_no_reason_to_try_again() {
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
    async fn larger_than_the_caller_takes_are_refused_with_and_without_a_length() {
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n4\r\nefgh\r\n0\r\n\r\n";
        let server = Server::start([ok("abcdefgh"), Act::Answer(chunked.into()), ok("abcdefgh")]).await;
        for _ in 0..2 {
            let error = client().get(server.url("/")).send().await.unwrap().bytes(7).await.unwrap_err();
            assert_eq!(
                report(&error, &[&server]),
                "error: `GET http://127.0.0.1:PORT1/` got no whole answer\n\
                 caused by: the answer is larger than 7 bytes"
            );
            assert_eq!(kind(&error), TransportKind::TooLarge);
        }
        let whole = client().get(server.url("/")).send().await.unwrap().bytes(8).await.unwrap();
        assert_eq!(whole, b"abcdefgh");
    }

    #[tokio::test]
    async fn that_are_not_the_expected_json_say_where() {
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code)]
        struct Item {
            id: u32,
        }
        let server = Server::start([ok("[{\"id\": 1}, {\"id\": \"x\"}]"), ok("<html>\n sign in")]).await;
        let error = client().get(server.url("/")).send().await.unwrap().json::<Vec<Item>>().await.unwrap_err();
        assert_eq!(
            report(&error, &[&server]),
            "error: `GET http://127.0.0.1:PORT1/` cannot be understood\n\
             caused by: the answer is not the JSON that is expected: [{\"id\": 1}, {\"id\": \"x\"}]\n\
             caused by: [1].id: invalid type: string \"x\", expected u32 at line 1 column 22"
        );
        let error = client().get(server.url("/")).send().await.unwrap().json::<Vec<Item>>().await.unwrap_err();
        assert!(report(&error, &[]).contains("JSON that is expected: <html> sign in\n"), "{error:?}");
    }

    #[tokio::test]
    async fn can_be_read_piece_by_piece_and_resumed_where_they_were_cut() {
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
            "error: `GET http://127.0.0.1:PORT1/blob` got no whole answer\n\
             caused by: the connection was closed in the middle of the answer"
        );
        assert_eq!((kind(&error), body.as_slice()), (TransportKind::Cut, &b"abcd"[..]));
        let rest = client().get(server.url("/blob")).resume_at(body.len() as u64).send().await.unwrap();
        assert_eq!(rest.offset(), 4);
        rest.copy_to(&mut body).await.unwrap();
        assert_eq!(body, b"abcdefgh");
        assert_eq!(server.seen()[1].header("range"), Some("bytes=4-"));
    }

    #[tokio::test]
    async fn to_a_resumed_download_may_be_the_whole_but_not_another_part() {
        let other = answer("206 Partial Content", &[("content-range", "bytes 2-7/8")], "cdefgh");
        let server = Server::start([ok("abcdefgh"), other]).await;
        assert_eq!(client().get(server.url("/")).resume_at(4).send().await.unwrap().offset(), 0);
        let error = client().get(server.url("/")).resume_at(4).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&server]),
            "error: `GET http://127.0.0.1:PORT1/` got no whole answer\n\
             caused by: asked for the part from byte 4, the server sends that from 2"
        );
    }

    #[tokio::test]
    async fn cannot_put_colours_or_lines_of_their_own_on_the_console() {
        let server = Server::start([answer("400 Bad Request", &[("x-request-id", "a  b")], "\x1b[2Jx\ny")]).await;
        let error = client().get(server.url("/")).send().await.unwrap_err();
        let text = report(&error, &[&server]);
        assert!(!text.contains('\x1b') && text.ends_with("(x-request-id: a b)\ncaused by: [2Jx y"), "{text}");
    }
}

mod trying_again {
    use super::*;

    #[tokio::test]
    async fn goes_on_until_the_server_can_and_says_what_it_waits_for() {
        let screen = Screen::default();
        let busy = || answer("429 Too Many Requests", &[("retry-after", "0")], "");
        let server = Server::start([busy(), answer("502 Bad Gateway", &[], ""), ok("done")]).await;
        let client = screen.context().http(quick()).unwrap();
        let response = client.get(server.url("/x?k=s3cret")).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "done");
        assert_eq!(
            screen.text().replace(&server.port.to_string(), "PORT"),
            "waiting a moment: `GET http://127.0.0.1:PORT/x?k=...` answered 429 Too Many Requests\n\
             waiting a moment: `GET http://127.0.0.1:PORT/x?k=...` answered 502 Bad Gateway\n"
        );
    }

    #[tokio::test]
    async fn ends_after_the_stated_number_of_tries() {
        let server = Server::start((0..9).map(|_| answer("503 Service Unavailable", &[], "busy"))).await;
        let error = client().get(server.url("/")).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&server]),
            "error: `GET http://127.0.0.1:PORT1/` answered 503 Service Unavailable (5 tries)\ncaused by: busy"
        );
        assert_eq!(server.seen().len(), 5);
    }

    #[tokio::test]
    async fn waits_as_long_as_the_server_asks() {
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
    async fn ends_at_once_when_the_server_asks_for_more_than_the_bound() {
        let limit = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "784114200"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
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
             caused by: the server asks to wait for 60 min, and no more than 120 s in all are waited for\n\
             caused by: slow down"
        );
        let error = client().get(server.url("/")).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&server]),
            "error: `GET http://127.0.0.1:PORT1/` answered 403 Forbidden\n\
             caused by: the server asks to wait for 41 min, and no more than 120 s in all are waited for"
        );
        assert_eq!(server.seen().len(), 2);
        assert!(begin.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn repeats_a_get_after_a_cut_but_never_a_post() {
        let server = Server::start([Act::Close, ok("got"), Act::Close, ok("posted twice")]).await;
        assert_eq!(client().get(server.url("/")).send().await.unwrap().text().await.unwrap(), "got");
        let error = client().post(server.url("/")).body("x").send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&server]),
            "error: `POST http://127.0.0.1:PORT1/` got no whole answer\n\
             caused by: the connection was closed in the middle of the answer"
        );
        assert_eq!(server.seen().len(), 3);
    }

    #[tokio::test]
    async fn repeats_no_post_that_a_gateway_may_have_passed_on_unless_it_is_repeatable() {
        let bad = || answer("504 Gateway Timeout", &[], "");
        let server = Server::start([bad(), bad(), ok("")]).await;
        assert!(client().post(server.url("/")).send().await.is_err());
        assert_eq!(server.seen().len(), 1);
        client().post(server.url("/")).repeatable().send().await.unwrap();
        assert_eq!(server.seen().len(), 3);
    }

    #[tokio::test]
    async fn opens_what_it_sends_anew_each_time() {
        let server = Server::start([answer("503 Service Unavailable", &[], ""), ok("")]).await;
        client().put(server.url("/")).reader(Some(3), || Ok(&b"abc"[..])).send().await.unwrap();
        assert_eq!(server.seen()[1].body, b"abc");
    }

    #[tokio::test]
    async fn happens_for_any_request_that_found_nobody_and_then_says_so_in_plain_words() {
        let port = nobody();
        let url = format!("http://127.0.0.1:{port}/");
        let error = client().post(&url).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[]).replace(&port.to_string(), "PORT"),
            "error: `POST http://127.0.0.1:PORT/` got no whole answer (5 tries)\n\
             caused by: `127.0.0.1` refused the connection"
        );
        assert_eq!(kind(&error), TransportKind::Connection);
        let name = format!("{}.invalid", "a".repeat(64));
        let error = client().get(format!("http://{name}/")).retry(Retry::never()).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[]).replace(&name, "NAME"),
            "error: `GET http://NAME/` got no whole answer\ncaused by: the name of `NAME` cannot be resolved"
        );
        assert_eq!(kind(&error), TransportKind::Name);
    }

    #[tokio::test]
    async fn a_server_that_falls_silent_is_given_up_on() {
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
                    "error: `{method} http://127.0.0.1:PORT1/` got no whole answer\ncaused by: nothing was received for 0.2 s"
                )
            );
            assert_eq!(kind(&error), TransportKind::Stalled);
        }
    }
}

mod redirects {
    use super::*;

    #[tokio::test]
    async fn keep_credentials_on_the_same_host_and_leave_them_behind_for_any_other() {
        let storage = Server::start([ok("blob")]).await;
        let server = Server::start([
            answer("307 Temporary Redirect", &[("location", "/next")], ""),
            answer("302 Found", &[("location", &storage.url("/blob?signature=s3cret"))], ""),
        ])
        .await;
        let token = Secret::new("t0ken");
        let request =
            client().get(server.url("/")).bearer(&token).secret_header("x-token", &token).header("accept", "a/b");
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "blob");
        for seen in server.seen() {
            assert_eq!((seen.header("authorization"), seen.header("x-token")), (Some("Bearer t0ken"), Some("t0ken")));
        }
        let seen = &storage.seen()[0];
        assert_eq!(seen.header("accept"), Some("a/b"));
        assert!(!seen.head.contains("t0ken"), "{}", seen.head);
    }

    #[tokio::test]
    async fn do_not_bring_credentials_back_when_they_lead_home_again() {
        let (home, away) = (Server::start([]).await, Server::start([]).await);
        home.then(answer("302 Found", &[("location", &away.url("/"))], ""));
        away.then(answer("302 Found", &[("location", &home.url("/again"))], ""));
        home.then(ok(""));
        client().get(home.url("/")).bearer(&Secret::new("t0ken")).send().await.unwrap();
        assert!(home.seen()[0].head.contains("t0ken"));
        assert!(!away.seen()[0].head.contains("t0ken"));
        assert_eq!(home.seen()[1].line(), "GET /again HTTP/1.1");
        assert!(!home.seen()[1].head.contains("t0ken"));
    }

    #[tokio::test]
    async fn are_bounded() {
        let server = Server::start((0..20).map(|_| answer("302 Found", &[("location", "/again")], ""))).await;
        let error = client().get(server.url("/")).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&server]),
            "error: `GET http://127.0.0.1:PORT1/again` got no whole answer\n\
             caused by: more than 10 redirects in a row"
        );
        assert_eq!(server.seen().len(), 11);
    }

    #[tokio::test]
    async fn never_take_a_body_to_another_host() {
        let other = Server::start([ok("")]).await;
        let server = Server::start([answer("307 Temporary Redirect", &[("location", &other.url("/"))], "")]).await;
        let error = client().post(server.url("/")).form([("token", "t")]).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&server, &other]),
            "error: `POST http://127.0.0.1:PORT1/` got no whole answer\n\
             caused by: it redirects to another host, `http://127.0.0.1:PORT2/`, and would take the body there"
        );
        assert!(other.seen().is_empty());
    }

    #[tokio::test]
    async fn from_https_to_http_are_refused() {
        let authority = Authority::new("test");
        let plain = Server::start([ok("")]).await;
        let certified = authority.certify(&["127.0.0.1"]);
        let redirect = answer("302 Found", &[("location", &plain.url("/x"))], "");
        let server = Server::start_tls([redirect], certified.config()).await;
        let settings = HttpSettings { ca_certs: vec![authority.pem.clone()], ..quick() };
        let error = Screen::default().context().http(settings).unwrap().get(server.url("/")).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&server, &plain]),
            "error: `GET https://127.0.0.1:PORT1/` got no whole answer\n\
             caused by: it redirects from `https` to `http://127.0.0.1:PORT2/x`, which is not encrypted"
        );
        assert!(plain.seen().is_empty());
    }

    #[tokio::test]
    async fn can_be_the_answer() {
        let server =
            Server::start([answer("307 Temporary Redirect", &[("location", "https://blobs.example/x")], "")]).await;
        let response = client().get(server.url("/")).redirects(Redirects::Return).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(response.header("location"), Some("https://blobs.example/x"));
    }
}

mod secrets {
    use super::*;

    #[tokio::test]
    async fn a_webhooks_path_is_shown_in_no_message() {
        let screen = Screen::default();
        let context = screen.context();
        let path = "/services/T00/B00/s3cret";
        let server = Server::start([
            answer("429 Too Many Requests", &[("retry-after", "0")], ""),
            answer("404 Not Found", &[], "no service at services/T00/B00/s3cret"),
        ])
        .await;
        let hook = server.url(path);
        let client = context.http(quick()).unwrap();
        let error = client.post(&hook).secret_url().body("{}").send().await.unwrap_err();
        context.console().error(&error);
        drop(server);
        let error = client.post(&hook).secret_url().retry(Retry::never()).send().await.unwrap_err();
        context.console().error(&error);
        let text = screen.text();
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("/...` answered 404 Not Found (2 tries)\n"), "{text}");
        assert!(!format!("{error:?} {:?}", client.post(&hook).secret_url()).contains("s3cret"));
    }
}

mod tls {
    use super::*;

    fn trusting(pem: &str) -> HttpClient {
        let settings = HttpSettings { ca_certs: vec![pem.to_owned()], ..quick() };
        Screen::default().context().http(settings).unwrap()
    }

    #[tokio::test]
    async fn a_private_authority_is_trusted_when_it_is_named_and_only_then() {
        let authority = Authority::new("test");
        let server = Server::start_tls([ok("safe")], authority.certify(&["127.0.0.1"]).config()).await;
        let error = client().get(server.url("/x?t=s3cret")).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&server]),
            "error: `GET https://127.0.0.1:PORT1/x?t=...` got no whole answer\n\
             caused by: the server's certificate is not signed by a trusted authority\n\
             hint: add the certificate of its authority, in PEM form, to `ca_certs`"
        );
        assert_eq!(kind(&error), TransportKind::Certificate);
        assert!(server.seen().is_empty());
        let response = trusting(&authority.pem).get(server.url("/")).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "safe");
    }

    #[tokio::test]
    async fn a_server_that_signs_for_itself_is_trusted_when_it_is_named_and_has_the_right_name() {
        let own = Certified::self_signed(&["127.0.0.1"]);
        let server = Server::start_tls([ok("safe")], own.config()).await;
        let error = client().get(server.url("/")).send().await.unwrap_err();
        assert!(report(&error, &[]).contains("not signed by a trusted authority"), "{error:?}");
        trusting(&own.certificate).get(server.url("/")).send().await.unwrap();
        let other = Certified::self_signed(&["other.example"]);
        let server = Server::start_tls([ok("safe")], other.config()).await;
        let error = trusting(&other.certificate).get(server.url("/")).send().await.unwrap_err();
        assert!(report(&error, &[]).contains("for another name"), "{error:?}");
    }

    #[tokio::test]
    async fn a_certificate_must_name_the_host_and_be_in_date() {
        let authority = Authority::new("test");
        let server = Server::start_tls([], authority.certify(&["a.example", "b.example"]).config()).await;
        let error = trusting(&authority.pem).get(server.url("/")).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&server]),
            "error: `GET https://127.0.0.1:PORT1/` got no whole answer\n\
             caused by: the server's certificate is for another name: `a.example`, `b.example`"
        );
        let old = authority.certify_until(&["127.0.0.1"], (2020, 1, 1));
        let server = Server::start_tls([], old.config()).await;
        let error = trusting(&authority.pem).get(server.url("/")).send().await.unwrap_err();
        assert!(report(&error, &[]).ends_with("caused by: the server's certificate has expired"), "{error:?}");
    }

    #[tokio::test]
    async fn insecure_takes_any_certificate() {
        let own = Certified::self_signed(&["other.example"]);
        let server = Server::start_tls([ok("whatever")], own.config()).await;
        let settings = HttpSettings { insecure: true, ..quick() };
        Screen::default().context().http(settings).unwrap().get(server.url("/")).send().await.unwrap();
    }

    #[tokio::test]
    async fn a_plain_server_is_told_from_a_tls_one() {
        let server = Server::start([]).await;
        let url = server.url("/").replace("http:", "https:");
        // The server takes a TLS greeting for an unfinished request; it answers nothing until it is cut.
        let settings = HttpSettings { connect_timeout: Duration::from_millis(300), ..quick() };
        let client = Screen::default().context().http(settings).unwrap();
        let error = client.get(url).retry(Retry::never()).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&server]),
            "error: `GET https://127.0.0.1:PORT1/` got no whole answer\n\
             caused by: no connection to `127.0.0.1` within 0.3 s"
        );
    }

    #[tokio::test]
    async fn a_client_certificate_is_shown_to_the_host_and_not_along_a_redirect() {
        let authority = Authority::new("test");
        let user = authority.certify(&["user"]);
        let certified = authority.certify(&["127.0.0.1"]);
        let elsewhere = Server::start_tls([ok("")], authority.asking(&certified)).await;
        let redirect = answer("302 Found", &[("location", &elsewhere.url("/"))], "");
        let server = Server::start_tls([ok("hello"), redirect], authority.asking(&certified)).await;
        let client_certificate =
            Some(ClientCertificate { certificate: user.certificate.clone(), key: Secret::new(user.key.as_str()) });
        let settings = HttpSettings { ca_certs: vec![authority.pem.clone()], client_certificate, ..quick() };
        let client = Screen::default().context().http(settings).unwrap();
        assert_eq!(client.get(server.url("/")).send().await.unwrap().text().await.unwrap(), "hello");
        let error = client.get(server.url("/")).retry(Retry::never()).send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&elsewhere]),
            "error: `GET https://127.0.0.1:PORT1/` got no whole answer\n\
             caused by: the server asks for a client certificate"
        );
        assert!(elsewhere.seen().is_empty());
    }
}

mod proxies {
    use super::*;

    fn by(proxy: &Server, authority: &str) -> (Screen, Context, HttpSettings) {
        let screen = Screen::default();
        let context = screen.context();
        let url = proxy.url("").replace("://", "://bob:pr0xy%2Fpass@");
        (screen, context, HttpSettings { proxy: Some(url), ca_certs: vec![authority.to_owned()], ..quick() })
    }

    #[tokio::test]
    async fn carry_plain_requests_and_get_their_password() {
        let authority = Authority::new("test");
        let proxy = Server::start([ok("by proxy")]).await;
        let (_, context, settings) = by(&proxy, &authority.pem);
        let response = context.http(settings).unwrap().get("http://registry.test/v2/").send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "by proxy");
        let seen = &proxy.seen()[0];
        assert_eq!(seen.line(), "GET http://registry.test/v2/ HTTP/1.1");
        assert_eq!(seen.header("proxy-authorization"), Some("Basic Ym9iOnByMHh5L3Bhc3M="));
    }

    #[tokio::test]
    async fn tunnel_encrypted_requests_and_see_nothing_of_them() {
        let authority = Authority::new("test");
        let server = Server::start_tls([ok("safe")], authority.certify(&["registry.test"]).config()).await;
        let proxy = Server::start([Act::Tunnel(server.port)]).await;
        let (_, context, settings) = by(&proxy, &authority.pem);
        let request = context.http(settings).unwrap().get("https://registry.test/v2/").bearer(&Secret::new("t0ken"));
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "safe");
        let seen = &proxy.seen()[0];
        assert_eq!(seen.line(), "CONNECT registry.test:443 HTTP/1.1");
        assert_eq!(seen.header("proxy-authorization"), Some("Basic Ym9iOnByMHh5L3Bhc3M="));
        assert!(!seen.head.contains("t0ken"));
        assert_eq!(server.seen()[0].header("proxy-authorization"), None);
    }

    #[tokio::test]
    async fn that_refuse_are_named_without_their_password() {
        let refusal = || answer("407 Proxy Authentication Required", &[], "pr0xy/pass is wrong");
        let proxy = Server::start([refusal(), answer("502 Bad Gateway", &[], ""), refusal()]).await;
        let (screen, context, settings) = by(&proxy, &Authority::new("test").pem);
        let client = context.http(settings).unwrap();
        let error = client.get("https://registry.test/").send().await.unwrap_err();
        assert_eq!(
            report(&error, &[&proxy]),
            "error: `GET https://registry.test/` got no whole answer\n\
             caused by: the proxy asks for a user and password, or refuses those that it got\n\
             hint: they stand in the proxy's URL: `http://user:password@host:port`"
        );
        let error = client.get("https://registry.test/").send().await.unwrap_err();
        assert!(report(&error, &[]).ends_with("caused by: the proxy does not connect to `registry.test`"), "{error:?}");
        context.console().error(&client.get("http://registry.test/").send().await.unwrap_err());
        let settings = HttpSettings { proxy: Some(format!("bob:pr0xy%2Fpass@127.0.0.1:{}", nobody())), ..quick() };
        let client = context.http(settings).unwrap();
        let error = client.get("https://registry.test/").retry(Retry::never()).send().await.unwrap_err();
        assert!(report(&error, &[]).contains("hint: requests go by way of the proxy `http://127.0.0.1:"), "{error:?}");
        context.console().error(&error);
        assert!(!screen.text().contains("pass is") && !screen.text().contains("2Fpass"), "{}", screen.text());
    }
}

/// The example `fetch`, run as Concourse runs a resource type: what only a process has (signals, an environment).
mod processes {
    use super::*;

    use std::process::{Output, Stdio};

    use rustix::process::{Pid, Signal, kill_process};
    use tokio::io::AsyncReadExt as _;
    use tokio::process::{Child, Command};

    struct Run {
        command: Command,
        request: serde_json::Value,
    }

    fn fetch(verb: &str, source: &serde_json::Value) -> Run {
        let mut command = Command::new(example::path("fetch"));
        command.arg(verb).env_clear().env("NO_COLOR", "1").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Run { command, request: serde_json::json!({ "source": source }) }
    }

    impl Run {
        fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
            self.command.arg(argument);
            self
        }

        fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
            self.command.env(name, value);
            self
        }

        fn params(mut self, params: serde_json::Value) -> Self {
            self.request["params"] = params;
            self
        }

        async fn start(mut self) -> Child {
            use tokio::io::AsyncWriteExt as _;
            let mut child = self.command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(self.request.to_string().as_bytes()).await.unwrap();
            child
        }

        async fn output(self) -> Output {
            self.start().await.wait_with_output().await.unwrap()
        }
    }

    async fn terminated(child: Child) -> (Output, Duration) {
        let id = i32::try_from(child.id().unwrap()).unwrap();
        let begin = Instant::now();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
        (child.wait_with_output().await.unwrap(), begin.elapsed())
    }

    fn text(output: &[u8], server: &Server) -> String {
        String::from_utf8_lossy(output).replace(&server.port.to_string(), "PORT")
    }

    #[tokio::test]
    async fn take_the_clients_keys_in_their_source() {
        let server = Server::start([answer("200 OK", &[("etag", "v1")], "")]).await;
        let source =
            serde_json::json!({ "url": server.url("/x"), "connect_timeout": "5", "read_timeout": 7, "ca_certs": [] });
        let output = fetch("check", &source).output().await;
        assert_eq!(text(&output.stdout, &server), "[{\"etag\":\"v1\"}]\n", "{}", text(&output.stderr, &server));
        assert_eq!(server.seen()[0].header("user-agent"), Some(concat!("jetway-fetch/", env!("CARGO_PKG_VERSION"))));
        let pem = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        let source = serde_json::json!({
            "url": server.url("/x"), "ca_certs": ["text", pem], "read_timeout": 0, "proxy": "socks5://u:pr0xy@h:1",
            "client_certificate": {"certificate": "x", "key": "k3y"},
        });
        let output = fetch("check", &source).output().await;
        assert_eq!(
            text(&output.stderr, &server).replace(env!("CARGO_PKG_VERSION"), "RELEASE"),
            "error: the request has 1 problem (jetway-fetch RELEASE)\n    \
             `source.read_timeout`: expected a whole number from 1 to 4294967295, found 0\n"
        );
        let source = serde_json::json!({
            "url": server.url("/x"), "ca_certs": ["text", pem], "proxy": "socks5://u:pr0xy@h:1",
            "client_certificate": {"certificate": "x", "key": "k3y"},
        });
        let output = fetch("check", &source).output().await;
        assert_eq!(
            text(&output.stderr, &server).replace(env!("CARGO_PKG_VERSION"), "RELEASE"),
            "error: the request has 5 problems (jetway-fetch RELEASE)\n    \
             `source.ca_certs[0]`: expected certificates in PEM form (-----BEGIN CERTIFICATE-----), found none\n    \
             `source.ca_certs[1]`: expected X.509 certificates, found something else in PEM form\n    \
             `source.proxy`: expected `http://host:port`, found the scheme `socks5`\n    \
             `source.client_certificate.certificate`: expected certificates in PEM form (-----BEGIN CERTIFICATE-----), found none\n    \
             `source.client_certificate.key`: expected a private key in PEM form (PKCS#8, PKCS#1 or SEC1)\n"
        );
    }

    #[tokio::test]
    async fn end_at_once_when_they_are_told_to_while_they_wait() {
        let server = Server::start([answer("429 Too Many Requests", &[("retry-after", "100")], "")]).await;
        let mut child = fetch("check", &serde_json::json!({ "url": server.url("/") })).start().await;
        let mut said = [0; 10];
        child.stderr.as_mut().unwrap().read_exact(&mut said).await.unwrap();
        let (output, took) = terminated(child).await;
        let stderr = String::from_utf8_lossy(&said).into_owned() + &text(&output.stderr, &server);
        assert_eq!(
            stderr,
            "waiting 100 s: `HEAD http://127.0.0.1:PORT/` answered 429 Too Many Requests\n\
             error: interrupted by SIGTERM\n"
        );
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(143), &b""[..]));
        assert!(took < Duration::from_secs(5), "{took:?}");
    }

    #[tokio::test]
    async fn end_at_once_when_they_are_told_to_while_a_request_is_on_its_way() {
        let head = b"HTTP/1.1 200 OK\r\netag: a\r\ncontent-length: 9\r\n\r\nabc".to_vec();
        for act in [Act::Stall(Vec::new()), Act::Stall(head)] {
            let server = Server::start([act]).await;
            let directory = tempfile::tempdir().unwrap();
            let run = fetch("in", &serde_json::json!({ "url": server.url("/") })).arg(directory.path());
            let child = run.start().await;
            server.asked(1).await;
            let (output, took) = terminated(child).await;
            assert_eq!(
                text(&output.stderr, &server),
                "error: `GET http://127.0.0.1:PORT/` did not finish\n  caused by: interrupted by SIGTERM\n"
            );
            assert_eq!(output.status.code(), Some(143));
            assert!(took < Duration::from_secs(5), "{took:?}");
        }
    }

    #[tokio::test]
    async fn trust_what_the_environment_names() {
        let authority = Authority::new("test");
        let etag = || answer("200 OK", &[("etag", "v1")], "");
        let server = Server::start_tls((0..3).map(|_| etag()), authority.certify(&["127.0.0.1"]).config()).await;
        let directory = tempfile::tempdir().unwrap();
        let bundle = directory.path().join("bundle.pem");
        std::fs::write(&bundle, format!("# the test's\n{}", authority.pem)).unwrap();
        let check = || fetch("check", &serde_json::json!({ "url": server.url("/") }));
        for (name, value) in [("SSL_CERT_FILE", bundle.as_path()), ("SSL_CERT_DIR", directory.path())] {
            let output = check().env(name, value).output().await;
            assert!(output.status.success(), "{name}: {}", text(&output.stderr, &server));
        }
        let output = check().env("SSL_CERT_FILE", "/nowhere.pem").env("SSL_CERT_DIR", "/nowhere").output().await;
        assert_eq!(
            text(&output.stderr, &server),
            "warning: `SSL_CERT_FILE` names `/nowhere.pem`, which cannot be read: No such file or directory (os error 2)\n\
             error: `HEAD https://127.0.0.1:PORT/` got no whole answer\n  \
             caused by: the server's certificate is not signed by a trusted authority\n\
             hint: add the certificate of its authority, in PEM form, to `ca_certs`\n"
        );
    }

    #[tokio::test]
    async fn use_the_proxy_that_the_environment_names_but_not_for_exceptions_and_loopback() {
        let etag = |etag: &str| answer("200 OK", &[("etag", etag)], "");
        let proxy = Server::start([etag("by proxy")]).await;
        let server = Server::start([etag("direct")]).await;
        let by_proxy = proxy.url("").replace("://", "://bob:pr0xy-pass@");
        let source = serde_json::json!({ "url": "http://registry.test/" });
        let output = fetch("check", &source).env("http_proxy", &by_proxy).output().await;
        assert_eq!(text(&output.stdout, &proxy), "[{\"etag\":\"by proxy\"}]\n", "{}", text(&output.stderr, &proxy));
        let loopback = serde_json::json!({ "url": server.url("/") });
        let output = fetch("check", &loopback).env("HTTP_PROXY", &by_proxy).output().await;
        assert_eq!(text(&output.stdout, &proxy), "[{\"etag\":\"direct\"}]\n");
        let name = format!("http://{}.test/", "a".repeat(64));
        let exception = fetch("check", &serde_json::json!({ "url": name })).env("HTTP_PROXY", &by_proxy);
        let mut child = exception.env("NO_PROXY", "other.example, .test").start().await;
        let mut said = [0; 7];
        child.stderr.as_mut().unwrap().read_exact(&mut said).await.unwrap();
        let (output, _) = terminated(child).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("the name of ") && stderr.contains(" cannot be resolved\n"), "{stderr}");
        assert_eq!(proxy.seen().len(), 1);
        assert_eq!(proxy.seen()[0].header("proxy-authorization"), Some("Basic Ym9iOnByMHh5LXBhc3M="));
    }

    #[tokio::test]
    async fn send_files() {
        let server = Server::start([answer("201 Created", &[("etag", "v2")], "")]).await;
        let inputs = tempfile::tempdir().unwrap();
        std::fs::write(inputs.path().join("f"), "content").unwrap();
        let run = fetch("out", &serde_json::json!({ "url": server.url("/x") })).arg(inputs.path());
        let output = run.params(serde_json::json!({ "file": "f" })).output().await;
        assert_eq!(text(&output.stdout, &server), "{\"version\":{\"etag\":\"v2\"},\"metadata\":[]}\n");
        assert_eq!(server.seen()[0].body, b"content");
    }
}
