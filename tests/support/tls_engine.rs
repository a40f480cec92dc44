//! This machine's container engine behind TLS with client certificates, like an engine on another machine. The engine
//! itself is not changed; this is a proxy in front of its socket: `--tlsverify` of "Protect the Docker daemon socket"
//! (<https://docs.docker.com/engine/security/protect-access/>).

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, crypto};
use tokio::net::{TcpListener, UnixStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::certificates::{Authority, Identity};
use crate::engine::SOCKET;

/// The TLS proxy of the engine. It closes all connections when it is dropped.
pub struct TlsEngine {
    port: u16,
    authority: Authority,
    _runtime: Runtime,
}

impl TlsEngine {
    /// Starts a proxy on a free port.
    ///
    /// # Panics
    /// If no port is available.
    pub fn start() -> Self {
        let authority = Authority::new();
        let config = Arc::new(configuration(&authority));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("bind a port on loopback");
        let port = listener.local_addr().expect("the listener's address").port();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = TlsAcceptor::from(Arc::clone(&config));
                tokio::spawn(async move {
                    // A rejected or disconnected client is part of the test.
                    let mut client = acceptor.accept(client).await?;
                    let mut engine = UnixStream::connect(SOCKET).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut engine).await
                });
            }
        });
        Self { port, authority, _runtime: runtime }
    }

    /// Its address: `tcp://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("tcp://localhost:{}", self.port)
    }

    /// The CA of its certificate, in PEM format.
    pub fn authority(&self) -> &str {
        self.authority.pem()
    }

    /// A client certificate that it accepts.
    pub fn client(&self) -> Identity {
        self.authority.client("jetway")
    }
}

fn configuration(authority: &Authority) -> ServerConfig {
    let own = authority.server(&["localhost"]);
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut clients = RootCertStore::empty();
    clients.add(certificate(authority.pem())).expect("an authority");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider));
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(
            vec![certificate(&own.certificate)],
            PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key"),
        )
        .expect("a certificate and its key")
}
