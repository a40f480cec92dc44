//! The proxy relay on loopback that adds the login of the real proxy.

use jetway::http::{HttpSettings, ProxyRelay};

use crate::client::{Screen, quick};
use crate::server::{Act, Authority, Server, ok};
use crate::socks::Socks;

/// The response for `url` through the relay to a proxy.
async fn fetched(proxy: String, authority: &Authority, url: &str) -> String {
    let settings = HttpSettings { proxy: Some(proxy), ca_certs: vec![authority.pem.clone()], ..quick() };
    let relay = ProxyRelay::start(&settings).unwrap().unwrap();
    assert!(!relay.address().contains("pass"));
    let client = HttpSettings { proxy: Some(relay.address()), ..settings };
    let client = Screen::default().context().http(client).unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn adds_the_login_to_tunnels_and_to_plain_requests() {
    let authority = Authority::new("test");
    let server = Server::start_tls([ok("safe")], authority.certify(&["registry.test"]).config()).await;
    let proxy = Server::start([Act::Tunnel(server.port), ok("plain")]).await;
    let address = proxy.url("").replace("://", "://bob:pr0xy%2Fpass@");
    assert_eq!(fetched(address.clone(), &authority, "https://registry.test/v2/").await, "safe");
    assert_eq!(fetched(address, &authority, "http://registry.test/v2/").await, "plain");
    let seen = proxy.seen();
    assert_eq!(seen[0].line(), "CONNECT registry.test:443 HTTP/1.1");
    assert_eq!(seen[1].line(), "GET http://registry.test/v2/ HTTP/1.1");
    for seen in &seen {
        assert_eq!(seen.header("proxy-authorization"), Some("Basic Ym9iOnByMHh5L3Bhc3M="));
    }
    assert_eq!(seen[1].header("connection"), Some("close"));
}

#[tokio::test]
async fn uses_tls_to_an_https_proxy() {
    let authority = Authority::new("test");
    let server = Server::start_tls([ok("safe")], authority.certify(&["registry.test"]).config()).await;
    let proxy = Server::start_tls([Act::Tunnel(server.port)], authority.certify(&["127.0.0.1"]).config()).await;
    let address = proxy.url("").replace("://", "://bob:pass@");
    assert_eq!(fetched(address, &authority, "https://registry.test/v2/").await, "safe");
    assert_eq!(proxy.seen()[0].header("proxy-authorization"), Some("Basic Ym9iOnBhc3M="));
}

#[tokio::test]
async fn logs_in_to_a_socks_proxy() {
    let authority = Authority::new("test");
    let server = Server::start_tls([ok("safe")], authority.certify(&["registry.test"]).config()).await;
    let proxy = Socks::start(server.port, Some(("bob", "pr0xy/pass"))).await;
    let address = format!("socks5://bob:pr0xy%2Fpass@127.0.0.1:{}", proxy.port);
    assert_eq!(fetched(address, &authority, "https://registry.test/v2/").await, "safe");
    assert_eq!(proxy.asked(), ["registry.test:443"]);
    let plain = Server::start([ok("plain")]).await;
    let proxy = Socks::start(plain.port, Some(("bob", "pass"))).await;
    let address = format!("socks5://bob:pass@127.0.0.1:{}", proxy.port);
    assert_eq!(fetched(address, &authority, "http://registry.test/x").await, "plain");
    assert_eq!(plain.seen()[0].header("proxy-authorization"), None);
}

#[tokio::test]
async fn is_not_started_for_a_proxy_without_a_login() {
    let settings = HttpSettings { proxy: Some("http://127.0.0.1:3128".to_owned()), ..quick() };
    assert!(ProxyRelay::start(&settings).unwrap().is_none());
    assert!(ProxyRelay::start(&quick()).unwrap().is_none());
}
