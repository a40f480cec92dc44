//! The program `fetch`, run as Concourse runs a resource type, for cases that need a process: signals and the
//! environment.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::server::{Act, Authority, Server, answer};

struct Run {
    command: Command,
    request: serde_json::Value,
}

fn fetch(verb: &str, source: &serde_json::Value) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fetch"));
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
async fn accept_http_settings_in_their_source() {
    let server = Server::start([answer("200 OK", &[("etag", "v1")], "")]).await;
    let source =
        serde_json::json!({ "url": server.url("/x"), "connect_timeout": "5", "read_timeout": 7, "ca_certs": [] });
    let output = fetch("check", &source).output().await;
    assert_eq!(text(&output.stdout, &server), "[{\"etag\":\"v1\"}]\n", "{}", text(&output.stderr, &server));
    assert_eq!(server.seen()[0].header("user-agent"), Some(concat!("jetway-fetch/", env!("CARGO_PKG_VERSION"))));
    let pem = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let source = serde_json::json!({
        "url": server.url("/x"), "ca_certs": ["text", pem], "read_timeout": 0, "proxy": "ftp://u:pr0xy@h:1",
        "client_certificate": {"certificate": "x", "key": "k3y"},
    });
    let output = fetch("check", &source).output().await;
    assert_eq!(
        text(&output.stderr, &server).replace(env!("CARGO_PKG_VERSION"), "RELEASE"),
        "error: the request has 1 problem (jetway-fetch RELEASE)\n    \
         `source.read_timeout`: expected a whole number from 1 to 4294967295, found 0\n"
    );
    let source = serde_json::json!({
        "url": server.url("/x"), "ca_certs": ["text", pem], "proxy": "ftp://u:pr0xy@h:1",
        "client_certificate": {"certificate": "x", "key": "k3y"},
    });
    let output = fetch("check", &source).output().await;
    assert_eq!(
        text(&output.stderr, &server).replace(env!("CARGO_PKG_VERSION"), "RELEASE"),
        "error: the request has 5 problems (jetway-fetch RELEASE)\n    \
         `source.ca_certs[0]`: expected certificates in PEM form (-----BEGIN CERTIFICATE-----), found none\n    \
         `source.ca_certs[1]`: expected X.509 certificates, found something else in PEM form\n    \
         `source.proxy`: expected `http://host:port` or `socks5://host:port`, found the scheme `ftp`\n    \
         `source.client_certificate.certificate`: expected certificates in PEM form (-----BEGIN CERTIFICATE-----), found none\n    \
         `source.client_certificate.key`: expected a private key in PEM form (PKCS#8, PKCS#1 or SEC1)\n"
    );
}

#[tokio::test]
async fn end_at_once_on_a_signal_during_a_pause() {
    let server = Server::start([answer("429 Too Many Requests", &[("retry-after", "100")], "")]).await;
    let mut child = fetch("check", &serde_json::json!({ "url": server.url("/") })).start().await;
    let mut messages = [0; 10];
    child.stderr.as_mut().unwrap().read_exact(&mut messages).await.unwrap();
    let (output, took) = terminated(child).await;
    let stderr = String::from_utf8_lossy(&messages).into_owned() + &text(&output.stderr, &server);
    assert_eq!(
        stderr,
        "retrying in 100 s: `HEAD http://127.0.0.1:PORT/` answered 429 Too Many Requests\n\
         error: interrupted by SIGTERM\n"
    );
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(143), &b""[..]));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn end_at_once_on_a_signal_during_a_request() {
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
async fn trust_certificates_of_the_environment() {
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
    // A single file is trusted even if the bundle does not contain it.
    let other = directory.path().join("other");
    std::fs::write(&other, Authority::new("other").pem).unwrap();
    let output = check().env("SSL_CERT_FILE", other).env("SSL_CERT_DIR", directory.path()).output().await;
    assert!(output.status.success(), "{}", text(&output.stderr, &server));
    let output = check().env("SSL_CERT_FILE", "/nowhere.pem").env("SSL_CERT_DIR", "/nowhere").output().await;
    assert_eq!(
        text(&output.stderr, &server),
        "warning: `SSL_CERT_FILE` names `/nowhere.pem`, which cannot be read: No such file or directory (os error 2)\n\
         error: `HEAD https://127.0.0.1:PORT/` got no complete response\n  \
         caused by: the server's certificate is not signed by a trusted authority\n\
         hint: add the certificate of its authority, in PEM form, to `ca_certs`\n"
    );
}

#[tokio::test]
async fn use_the_proxy_of_the_environment_except_for_no_proxy_and_loopback() {
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
    let name = format!("http://{}.test:5000/", "a".repeat(64));
    for exempt in ["other.example, .test", ".test:5000"] {
        let exception = fetch("check", &serde_json::json!({ "url": name })).env("HTTP_PROXY", &by_proxy);
        let mut child = exception.env("NO_PROXY", exempt).start().await;
        let mut messages = [0; 7];
        child.stderr.as_mut().unwrap().read_exact(&mut messages).await.unwrap();
        let (output, _) = terminated(child).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("the name of ") && stderr.contains(" cannot be resolved\n"), "{exempt}: {stderr}");
    }
    assert_eq!(proxy.seen().len(), 1);
    assert_eq!(proxy.seen()[0].header("proxy-authorization"), Some("Basic Ym9iOnByMHh5LXBhc3M="));
}

#[tokio::test]
async fn log_in_to_the_proxy_of_the_environment_for_encrypted_requests() {
    let proxy = Server::start([answer("407 Proxy Authentication Required", &[], "")]).await;
    let by_proxy = proxy.url("").replace("://", "://bob:pr0xy-pass@");
    let source = serde_json::json!({ "url": "https://registry.test/" });
    let output = fetch("check", &source).env("HTTPS_PROXY", &by_proxy).output().await;
    assert!(text(&output.stderr, &proxy).contains("the proxy requires a user and password"), "{output:?}");
    let requests = proxy.seen();
    assert_eq!(requests[0].line(), "CONNECT registry.test:443 HTTP/1.1");
    assert_eq!(requests[0].header("proxy-authorization"), Some("Basic Ym9iOnByMHh5LXBhc3M="));
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
