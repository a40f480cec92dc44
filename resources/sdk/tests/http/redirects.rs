//! Redirects: which are followed, and which headers are kept.

use jetway::Secret;
use jetway::http::{HttpSettings, Redirects, StatusCode};

use crate::client::{Screen, client, quick, report};
use crate::server::{Authority, Server, answer, ok};

#[tokio::test]
async fn keep_credentials_only_on_the_same_host() {
    let storage = Server::start([ok("blob")]).await;
    let server = Server::start([
        answer("307 Temporary Redirect", &[("location", "/next")], ""),
        answer("302 Found", &[("location", &storage.url("/blob?signature=s3cret"))], ""),
    ])
    .await;
    let token = Secret::new("t0ken");
    let request = client().get(server.url("/")).bearer(&token).secret_header("x-token", &token).header("accept", "a/b");
    assert_eq!(request.send().await.unwrap().text().await.unwrap(), "blob");
    for seen in server.seen() {
        assert_eq!((seen.header("authorization"), seen.header("x-token")), (Some("Bearer t0ken"), Some("t0ken")));
    }
    let seen = &storage.seen()[0];
    assert_eq!(seen.header("accept"), Some("a/b"));
    assert!(!seen.head.contains("t0ken"), "{}", seen.head);
}

#[tokio::test]
async fn do_not_restore_credentials_on_return_to_the_first_host() {
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
        "error: `GET http://127.0.0.1:PORT1/again` got no complete response\n\
         caused by: more than 10 redirects in a row"
    );
    assert_eq!(server.seen().len(), 11);
}

#[tokio::test]
async fn never_send_a_body_to_another_host() {
    let other = Server::start([ok("")]).await;
    let server = Server::start([answer("307 Temporary Redirect", &[("location", &other.url("/"))], "")]).await;
    let error = client().post(server.url("/")).form([("token", "t")]).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server, &other]),
        "error: `POST http://127.0.0.1:PORT1/` got no complete response\n\
         caused by: it redirects to another host, `http://127.0.0.1:PORT2/`, which would get the body"
    );
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn from_https_to_http_are_rejected() {
    let authority = Authority::new("test");
    let plain = Server::start([ok("")]).await;
    let certified = authority.certify(&["127.0.0.1"]);
    let redirect = answer("302 Found", &[("location", &plain.url("/x"))], "");
    let server = Server::start_tls([redirect], certified.config()).await;
    let settings = HttpSettings { ca_certs: vec![authority.pem.clone()], ..quick() };
    let error = Screen::default().context().http(settings).unwrap().get(server.url("/")).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server, &plain]),
        "error: `GET https://127.0.0.1:PORT1/` got no complete response\n\
         caused by: it redirects from `https` to `http://127.0.0.1:PORT2/x`, which is not encrypted"
    );
    assert!(plain.seen().is_empty());
}

#[tokio::test]
async fn can_be_the_response() {
    let server =
        Server::start([answer("307 Temporary Redirect", &[("location", "https://blobs.example/x")], "")]).await;
    let response = client().get(server.url("/")).redirects(Redirects::Return).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(response.header("location"), Some("https://blobs.example/x"));
}
