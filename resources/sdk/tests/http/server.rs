//! A scripted server with one request per connection, which records the requests.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

/// The action of the server for one request.
pub(crate) enum Act {
    /// Sends these bytes and closes the connection.
    Answer(Vec<u8>),
    /// Sends these bytes, and then nothing.
    Stall(Vec<u8>),
    /// Sends these bytes after the head of the request, and closes the connection without reading the body.
    Refuse(Vec<u8>),
    /// Sends these bytes, and then single bytes with pauses.
    Trickle(Vec<u8>),
    /// Sends the response `late` after this time.
    Late(Duration),
    /// Closes the connection without a response.
    Close,
    /// Reads only the head of the request.
    Deaf,
    /// Acts as a proxy that connects to this port on loopback, whatever the requested host.
    Tunnel(u16),
}

/// A response with a status line, headers (`name: value`, without commas and spaces) and a body.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Act {
    let mut text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    Act::Answer(format!("{text}\r\n{body}").into_bytes())
}

/// A response with the status 200.
pub(crate) fn ok(body: &str) -> Act {
    answer("200 OK", &[], body)
}

/// A request as received.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl ReceivedRequest {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// The server. It ends when it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    scheme: &'static str,
    acts: Arc<Mutex<VecDeque<Act>>>,
    seen: watch::Sender<Vec<ReceivedRequest>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        Self::serve(acts, None, "http").await
    }

    pub(crate) async fn start_tls(acts: impl IntoIterator<Item = Act>, tls: ServerConfig) -> Self {
        Self::serve(acts, Some(TlsAcceptor::from(Arc::new(tls))), "https").await
    }

    async fn serve(acts: impl IntoIterator<Item = Act>, tls: Option<TlsAcceptor>, scheme: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = watch::Sender::new(Vec::new());
        let acts: Arc<Mutex<VecDeque<Act>>> = Arc::new(Mutex::new(acts.into_iter().collect()));
        let shared = (seen.clone(), Arc::clone(&acts));
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (seen, acts) = shared.clone();
                let tls = tls.clone();
                tokio::spawn(async move {
                    // Connection errors of the client do not matter to the server.
                    let _ = match tls {
                        None => one(connection, &seen, &acts).await,
                        Some(tls) => match tls.accept(connection).await {
                            Ok(connection) => one(connection, &seen, &acts).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        Self { port, scheme, acts, seen, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    /// Adds an action, for servers that refer to each other.
    pub(crate) fn then(&self, act: Act) {
        self.acts.lock().unwrap().push_back(act);
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<ReceivedRequest> {
        self.seen.borrow().clone()
    }

    /// Waits until the server has received this number of requests.
    pub(crate) async fn asked(&self, times: usize) {
        self.seen.subscribe().wait_for(|seen| seen.len() >= times).await.unwrap();
    }
}

async fn one(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    seen: &watch::Sender<Vec<ReceivedRequest>>,
    acts: &Mutex<VecDeque<Act>>,
) -> io::Result<()> {
    let Some(mut request) = read_head(&mut connection).await? else { return Ok(()) };
    let act = acts.lock().unwrap().pop_front().unwrap_or_else(|| answer("500 Script Is Over", &[], ""));
    if !matches!(act, Act::Refuse(_) | Act::Deaf) {
        read_body(&mut connection, &mut request).await?;
    }
    seen.send_modify(|seen| seen.push(request));
    match act {
        Act::Refuse(bytes) => {
            connection.write_all(&bytes).await?;
            connection.flush().await
        }
        Act::Deaf => {
            tokio::time::sleep(Duration::from_mins(5)).await;
            Ok(())
        }
        Act::Answer(bytes) => {
            connection.write_all(&bytes).await?;
            connection.shutdown().await
        }
        Act::Stall(bytes) => {
            connection.write_all(&bytes).await?;
            connection.flush().await?;
            tokio::time::sleep(Duration::from_mins(5)).await;
            Ok(())
        }
        Act::Trickle(bytes) => {
            connection.write_all(&bytes).await?;
            loop {
                connection.write_all(b"x").await?;
                connection.flush().await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Act::Late(pause) => {
            tokio::time::sleep(pause).await;
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nlate").await?;
            connection.shutdown().await
        }
        Act::Close => Ok(()),
        Act::Tunnel(port) => {
            connection.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
            let mut target = TcpStream::connect(("127.0.0.1", port)).await?;
            tokio::io::copy_bidirectional(&mut connection, &mut target).await.map(|_| ())
        }
    }
}

async fn read_head(connection: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<ReceivedRequest>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if connection.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    Ok(Some(ReceivedRequest {
        head: String::from_utf8_lossy(&bytes[..end]).into_owned(),
        body: bytes.split_off(end + 4),
    }))
}

async fn read_body(connection: &mut (impl AsyncRead + Unpin), seen: &mut ReceivedRequest) -> io::Result<()> {
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    while seen.body.len() < length {
        if connection.read_buf(&mut seen.body).await? == 0 {
            break;
        }
    }
    let chunked = seen.header("transfer-encoding") == Some("chunked");
    while chunked && !seen.body.ends_with(b"0\r\n\r\n") {
        if connection.read_buf(&mut seen.body).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// A certificate authority for a test.
pub(crate) struct Authority {
    pub(crate) pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, both in PEM form.
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: String,
    der: CertificateDer<'static>,
    key_der: PrivateKeyDer<'static>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), der: certificate.der().clone(), issuer: Issuer::new(params, key) }
    }

    /// A certificate for these names.
    pub(crate) fn certify(&self, names: &[&str]) -> Certified {
        self.certify_until(names, (4000, 1, 1))
    }

    pub(crate) fn certify_until(&self, names: &[&str], (year, month, day): (i32, u8, u8)) -> Certified {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.not_after = rcgen::date_time_ymd(year, month, day);
        Certified::new(&params.signed_by(&key, &self.issuer).unwrap(), &key)
    }

    /// A server configuration that requires a client certificate of this authority.
    pub(crate) fn asking(&self, server: &Certified) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![server.der.clone()], server.key_der.clone_key())
            .unwrap()
    }
}

impl Certified {
    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
            key_der: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// A self-signed server certificate that is also an authority, as `openssl req -x509` creates it.
    pub(crate) fn self_signed(names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self::new(&params.self_signed(&key).unwrap(), &key)
    }

    pub(crate) fn config(&self) -> ServerConfig {
        builder().with_no_client_auth().with_single_cert(vec![self.der.clone()], self.key_der.clone_key()).unwrap()
    }
}

fn builder() -> tokio_rustls::rustls::ConfigBuilder<ServerConfig, tokio_rustls::rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
}
