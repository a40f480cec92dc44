//! Each error that the client recognises by its text, from the HTTP library itself: an upgrade that changes a text fails here.

use jetway::http::{HttpSettings, Retry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::client::{Screen, quick, report};
use crate::server::{Act, Authority, Server, answer};
use crate::socks::Socks;

/// What a request with these settings reports of its failure.
async fn cause(settings: HttpSettings, url: &str) -> String {
    let client = Screen::default().context().http(settings).unwrap();
    let response = client.get(url).retry(Retry::never()).send().await;
    let error = match response {
        Ok(response) => response.text().await.unwrap_err(),
        Err(error) => error,
    };
    let report = report(&error, &[]);
    let (_, causes) = report.split_once("caused by: ").unwrap();
    causes.lines().next().unwrap().to_owned()
}

fn by_proxy(scheme: &str, port: u16) -> HttpSettings {
    HttpSettings { proxy: Some(format!("{scheme}://127.0.0.1:{port}")), ..quick() }
}

/// A proxy that answers the first message with these bytes, and reads to the end.
async fn saying(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(bytes).await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    });
    port
}

#[tokio::test]
async fn unknown_name_and_closed_connection() {
    let name = format!("{}.invalid", "a".repeat(64));
    let expected = format!("the name of `{name}` cannot be resolved");
    assert_eq!(cause(quick(), &format!("http://{name}/")).await, expected);
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_vec();
    for act in [Act::Close, Act::Answer(cut)] {
        let server = Server::start([act]).await;
        let expected = "the connection was closed before the response was complete";
        assert_eq!(cause(quick(), &server.url("/")).await, expected);
    }
}

#[tokio::test]
async fn proxies() {
    for (act, expected) in [
        (
            answer("407 Proxy Authentication Required", &[], ""),
            "the proxy requires a user and password, or rejects the given ones",
        ),
        (answer("502 Bad Gateway", &[], ""), "the proxy cannot connect to `registry.test`"),
        (Act::Close, "the proxy closed the connection instead of connecting to `registry.test`"),
    ] {
        let proxy = Server::start([act]).await;
        assert_eq!(cause(by_proxy("http", proxy.port), "https://registry.test/").await, expected);
    }
}

#[tokio::test]
async fn socks_proxies() {
    let url = "https://registry.test/";
    let login = "the SOCKS proxy requires a user and password, or rejects the given ones";
    let proxy = Socks::start(1, Some(("bob", "right"))).await;
    assert_eq!(cause(proxy.settings("socks5h", "bob:wrong@", ""), url).await, login);
    let refusal = "the SOCKS proxy cannot connect to `registry.test`";
    assert_eq!(cause(proxy.settings("socks5h", "bob:right@", ""), url).await, refusal);
    // RFC 1928, section 3: the proxy accepts none of the client's methods, which has no login.
    assert_eq!(cause(by_proxy("socks5h", saying(b"\x05\xff").await), url).await, login);
    let other = saying(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(cause(by_proxy("socks5h", other), url).await, "the proxy does not speak SOCKS");
}

#[tokio::test]
async fn alert_with_http2() {
    let authority = Authority::new("test");
    let mut config = authority.asking(&authority.certify(&["127.0.0.1"]));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let server = Server::start_tls([], config).await;
    let settings = HttpSettings { ca_certs: vec![authority.pem.clone()], ..quick() };
    assert_eq!(cause(settings, &server.url("/")).await, "the server ended TLS with the alert `certificate_required`");
}
