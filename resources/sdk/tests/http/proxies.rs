//! Requests through a proxy.

use jetway::http::{HttpSettings, Proxies, Retry};
use jetway::{Context, Secret};

use crate::client::{Screen, quick, report, unused_port};
use crate::server::{Act, Authority, Server, answer, ok};

fn by(proxy: &Server, authority: &str) -> (Screen, Context, HttpSettings) {
    let screen = Screen::default();
    let context = screen.context();
    let url = proxy.url("").replace("://", "://bob:pr0xy%2Fpass@");
    (screen, context, HttpSettings { proxy: Some(url), ca_certs: vec![authority.to_owned()], ..quick() })
}

#[tokio::test]
async fn forward_plain_requests_and_get_their_password() {
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
async fn tunnel_encrypted_requests_without_seeing_them() {
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
async fn that_reject_requests_are_reported_without_their_password() {
    let refusal = || answer("407 Proxy Authentication Required", &[], "pr0xy/pass is wrong");
    let proxy = Server::start([refusal(), answer("502 Bad Gateway", &[], ""), refusal()]).await;
    let (screen, context, settings) = by(&proxy, &Authority::new("test").pem);
    let client = context.http(settings).unwrap();
    let error = client.get("https://registry.test/").send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&proxy]),
        "error: `GET https://registry.test/` got no complete response\n\
         caused by: the proxy requires a user and password, or rejects the given ones\n\
         hint: put them into the proxy's URL: `http://user:password@host:port`"
    );
    let error = client.get("https://registry.test/").send().await.unwrap_err();
    assert!(report(&error, &[]).ends_with("caused by: the proxy cannot connect to `registry.test`"), "{error:?}");
    context.console().error(&client.get("http://registry.test/").send().await.unwrap_err());
    let settings = HttpSettings { proxy: Some(format!("bob:pr0xy%2Fpass@127.0.0.1:{}", unused_port())), ..quick() };
    let client = context.http(settings).unwrap();
    let error = client.get("https://registry.test/").retry(Retry::never()).send().await.unwrap_err();
    assert!(report(&error, &[]).contains("hint: the request goes through the proxy `http://127.0.0.1:"), "{error:?}");
    context.console().error(&error);
    assert!(!screen.text().contains("pass is") && !screen.text().contains("2Fpass"), "{}", screen.text());
}

#[tokio::test]
async fn are_not_used_with_proxies_none() {
    let proxy = Server::start([]).await;
    let machine = Server::start([ok("who I am")]).await;
    let (_, context, settings) = by(&proxy, &Authority::new("test").pem);
    let client = context.http(HttpSettings { proxies: Proxies::None, ..settings }).unwrap();
    assert_eq!(client.get(machine.url("/me")).send().await.unwrap().text().await.unwrap(), "who I am");
    assert_eq!(proxy.seen().len(), 0);
}
