//! TLS certificates: the trusted authorities, and the client certificate.
//!
//! Certificates are loaded at the first TLS handshake, so that a client without TLS costs nothing. Containers differ:
//! Concourse mounts the worker's `/etc/ssl/certs` into them, and an image FROM scratch has none. So the client reads
//! the system's bundle first. If the bundle lacks the authority of a server, it reads the single files in its directory
//! (Go, the language of the established resources, trusts both). It uses the built-in roots only if the system has no
//! authorities.

use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, anyhow};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::environment::Environment;
use super::pem::{authorities, certificates, private_key, server_name};
use super::provider::provider;
use super::settings::{Authorities, HttpSettings};
use super::tls_error::ForeignAuthority;
use super::trust_sources::TrustSources;
use crate::error::Result;

/// Whether a server may see the client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    Shown,
    Hidden,
}

impl HttpSettings {
    /// The TLS configuration of these settings, for a protocol other than HTTP.
    pub fn tls(&self) -> Result<ClientConfig> {
        tls(self, &Environment::from_environment(), Identity::Shown)
    }
}

/// The TLS configuration of a client.
pub(super) fn tls(settings: &HttpSettings, environment: &Environment, identity: Identity) -> Result<ClientConfig> {
    let provider = provider();
    let verifier: Arc<dyn ServerCertVerifier> = if settings.insecure {
        Arc::new(AcceptAny { provider: provider.clone() })
    } else {
        let mut own = Vec::new();
        for pem in &settings.ca_certs {
            own.extend(authorities(pem).map_err(|problem| anyhow!("`ca_certs`: {problem}"))?);
        }
        let name = settings.server_name.as_deref().map(server_name).transpose();
        let name = name.map_err(|problem| anyhow!("the server's name is invalid: {problem}"))?;
        let system = match settings.authorities {
            Authorities::CaCertsAndSystem => Some(environment.trust.clone()),
            Authorities::CaCertsOnly => None,
        };
        Arc::new(Trusted::new(provider.clone(), own, system, name))
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &settings.client_certificate {
        Some(client) if identity == Identity::Shown => {
            let chain = certificates(&client.certificate);
            let key = private_key(client.key.expose());
            let problem = |problem| anyhow!("the client certificate cannot be used: {problem}");
            builder
                .with_client_auth_cert(chain.map_err(problem)?, key.map_err(problem)?)
                .context("the client certificate and its key do not match")?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Trusts the authorities of the pipeline and of the system.
#[derive(Debug)]
struct Trusted {
    provider: Arc<CryptoProvider>,
    own: Vec<CertificateDer<'static>>,
    /// Where to find the system's authorities; `None` if only `own` are trusted.
    system: Option<TrustSources>,
    /// The name that a certificate must have instead of the server's.
    name: Option<ServerName<'static>>,
    bundle: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    everything: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

impl Trusted {
    fn new(
        provider: Arc<CryptoProvider>,
        own: Vec<CertificateDer<'static>>,
        system: Option<TrustSources>,
        name: Option<ServerName<'static>>,
    ) -> Self {
        Self { provider, own, system, name, bundle: OnceLock::new(), everything: OnceLock::new() }
    }

    /// The verifier with the pipeline's authorities and the system's bundle; `None` if there are none.
    fn by_bundle(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        let load = || {
            let system = self.system.as_ref().map(TrustSources::bundle).unwrap_or_default();
            self.verifier(system, RootCertStore::empty())
        };
        self.bundle.get_or_init(load).as_ref()
    }

    /// The verifier with all authorities that can be found.
    fn by_everything(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        let Some(sources) = &self.system else { return self.by_bundle() };
        let load = || {
            let mut system = sources.bundle();
            system.extend(sources.singles());
            let built_in = if system.is_empty() { webpki_roots::TLS_SERVER_ROOTS } else { &[] };
            let built_in = built_in.iter().cloned().collect();
            self.verifier(system, built_in)
        };
        self.everything.get_or_init(load).as_ref()
    }

    /// The error for a server whose authority is not trusted.
    fn unknown(&self) -> Error {
        Error::InvalidCertificate(match self.system {
            Some(_) => CertificateError::UnknownIssuer,
            None => CertificateError::Other(OtherError(Arc::new(ForeignAuthority))),
        })
    }

    fn verifier(
        &self,
        system: Vec<CertificateDer<'static>>,
        mut roots: RootCertStore,
    ) -> Option<Arc<WebPkiServerVerifier>> {
        roots.add_parsable_certificates(self.own.iter().cloned().chain(system));
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build().ok()
    }
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.name.as_ref().unwrap_or(name);
        let verify = |verifier: Option<&Arc<WebPkiServerVerifier>>| match verifier {
            Some(verifier) => verifier.verify_server_cert(server, intermediates, name, ocsp, now),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        let verified = match verify(self.by_bundle()) {
            // The bundle may have an old certificate of a renewed authority, under the same name.
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
                verify(self.by_everything())
            }
            other => other,
        };
        match verified {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
                Err(self.unknown())
            }
            // A self-signed certificate of `openssl req -x509` is an authority's certificate. Go and OpenSSL accept it for a
            // server if it is itself trusted. webpki checks the dates before the role, so they are valid here.
            Err(error) if is_authority_as_server(&error) => {
                if !self.own.iter().any(|own| own == server) {
                    return Err(self.unknown());
                }
                verify_server_name(&ParsedCertificate::try_from(server)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether a server used the certificate of an authority as its own. The type of the error is private, so its text
/// identifies it.
fn is_authority_as_server(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) = error else { return false };
    reason.to_string() == "CaUsedAsEndEntity"
}

/// Trusts every server (`insecure`).
#[derive(Debug)]
struct AcceptAny {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(variables: &[(&str, &str)]) -> Trusted {
        let sources = TrustSources::from_lookup(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        });
        Trusted::new(provider(), Vec::new(), Some(sources), None)
    }

    #[test]
    fn uses_the_built_in_roots_if_the_system_has_none() {
        let trusted = trusted(&[("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/nowhere:/dev")]);
        assert!(trusted.by_bundle().is_none());
        assert!(trusted.by_everything().is_some());
    }

    #[test]
    fn reads_no_file_before_a_server_shows_its_certificate() {
        let trusted = trusted(&[]);
        assert!(trusted.bundle.get().is_none() && trusted.everything.get().is_none());
    }
}
