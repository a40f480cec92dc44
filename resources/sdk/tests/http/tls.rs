//! TLS: which certificates a client trusts.

use std::sync::Arc;
use std::time::Duration;

use jetway::Secret;
use jetway::http::{Authorities, ClientCertificate, HttpClient, HttpSettings, Retry, TransportKind};

use crate::client::{Screen, client, kind, quick, report};
use crate::server::{Authority, Certified, Server, answer, ok};

fn trusting(pem: &str) -> HttpClient {
    let settings = HttpSettings { ca_certs: vec![pem.to_owned()], ..quick() };
    Screen::default().context().http(settings).unwrap()
}

#[tokio::test]
async fn trusts_private_ca_only_if_given() {
    let authority = Authority::new("test");
    let server = Server::start_tls([ok("safe")], authority.certify(&["127.0.0.1"]).config()).await;
    let error = client().get(server.url("/x?t=s3cret")).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server]),
        "error: `GET https://127.0.0.1:PORT1/x?t=...` got no complete response\n\
         caused by: the server's certificate is not signed by a trusted authority\n\
         hint: add the certificate of its authority, in PEM form, to `ca_certs`"
    );
    assert_eq!(kind(&error), TransportKind::Certificate);
    assert!(server.seen().is_empty());
    let response = trusting(&authority.pem).get(server.url("/")).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "safe");
}

#[tokio::test]
async fn trusts_self_signed_certificate_only_if_given_and_for_its_host() {
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
async fn rejects_certificate_for_another_host_or_expired() {
    let authority = Authority::new("test");
    let server = Server::start_tls([], authority.certify(&["a.example", "b.example"]).config()).await;
    let error = trusting(&authority.pem).get(server.url("/")).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server]),
        "error: `GET https://127.0.0.1:PORT1/` got no complete response\n\
         caused by: the server's certificate is for another name: `a.example`, `b.example`\n\
         hint: use a name of the certificate in the address; the certificate is not valid for `127.0.0.1`"
    );
    let old = authority.certify_until(&["127.0.0.1"], (2020, 1, 1));
    let server = Server::start_tls([], old.config()).await;
    let error = trusting(&authority.pem).get(server.url("/")).send().await.unwrap_err();
    assert!(
        report(&error, &[]).ends_with(
            "caused by: the server's certificate has expired on 2020-01-01\n\
             hint: `127.0.0.1` needs a new certificate"
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn accepts_another_server_name() {
    let authority = Authority::new("test");
    let server = Server::start_tls([ok("safe")], authority.certify(&["kubernetes.default"]).config()).await;
    let named = |name: &str| {
        let (ca_certs, server_name) = (vec![authority.pem.clone()], Some(name.to_owned()));
        Screen::default().context().http(HttpSettings { ca_certs, server_name, ..quick() })
    };
    let error = named("other.example").unwrap().get(server.url("/")).send().await.unwrap_err();
    assert!(report(&error, &[]).contains("is for another name: `kubernetes.default`\n"), "{error:?}");
    named("kubernetes.default").unwrap().get(server.url("/")).send().await.unwrap();
    assert!(named("not a name").is_err());
}

#[tokio::test]
async fn may_trust_only_the_given_cas() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let server = Server::start_tls([ok("safe")], own.certify(&["127.0.0.1"]).config()).await;
    let only = |pem: &str| {
        let settings =
            HttpSettings { ca_certs: vec![pem.to_owned()], authorities: Authorities::CaCertsOnly, ..quick() };
        Screen::default().context().http(settings).unwrap()
    };
    only(&own.pem).get(server.url("/")).send().await.unwrap();
    let error = only(&other.pem).get(server.url("/")).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server]),
        "error: `GET https://127.0.0.1:PORT1/` got no complete response\n\
         caused by: the server's certificate is not signed by the authority that is set for it"
    );
}

#[tokio::test]
async fn insecure_accepts_any_certificate() {
    let own = Certified::self_signed(&["other.example"]);
    let server = Server::start_tls([ok("whatever")], own.config()).await;
    let settings = HttpSettings { insecure: true, ..quick() };
    Screen::default().context().http(settings).unwrap().get(server.url("/")).send().await.unwrap();
}

#[tokio::test]
async fn reports_plain_http_server() {
    let server = Server::start([]).await;
    let url = server.url("/").replace("http:", "https:");
    // The server reads the TLS handshake as an incomplete request, and sends nothing until the client disconnects.
    let settings = HttpSettings { connect_timeout: Duration::from_millis(300), ..quick() };
    let client = Screen::default().context().http(settings).unwrap();
    let error = client.get(url).retry(Retry::never()).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[&server]),
        "error: `GET https://127.0.0.1:PORT1/` got no complete response\n\
         caused by: no connection to `127.0.0.1` within 0.3 s\n\
         hint: `connect_timeout` in the source sets how long to wait for a connection"
    );
}

#[tokio::test]
async fn sends_client_certificate_only_to_its_host() {
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
        "error: `GET https://127.0.0.1:PORT1/` got no complete response\n\
         caused by: the server requires a client certificate"
    );
    assert!(elsewhere.seen().is_empty());
}

/// Most servers use HTTP/2; the other tests use HTTP/1.1, to control each byte.
#[tokio::test]
async fn uses_http2_if_the_server_supports_it() {
    use http_body_util::{BodyExt as _, Full};
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let authority = Authority::new("test");
    let mut config = authority.certify(&["127.0.0.1"]).config();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let connection = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let echo = service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
            let version = request.version();
            let length = request.headers()["content-length"].to_str().unwrap().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let text = format!("{version:?} {length} {}", body.len());
            Ok::<_, hyper::Error>(hyper::Response::new(Full::new(hyper::body::Bytes::from(text))))
        });
        let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = serving.serve_connection(TokioIo::new(connection), echo).await;
    });
    let client = trusting(&authority.pem);
    for _ in 0..2 {
        let request = client.put(format!("https://127.0.0.1:{port}/")).body(vec![0; 3_000_000]);
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "HTTP/2.0 3000000 3000000");
    }
    drop(client);
    server.await.unwrap();
}
