//! Whom a TLS connection trusts, and how it logs in.
//!
//! Certificates are loaded when a server first shows one: a client that is made, or that speaks plain HTTP, costs
//! nothing. What a container has at hand differs: Concourse mounts the worker's `/etc/ssl/certs` into it, an image FROM
//! scratch has an empty one. So the bundle of the system is read first, single files in its directory only when the
//! bundle does not know a server's authority (the established resources, written in Go, trust both), and the roots that
//! are built in only when the system has none at all.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::Identity;
use super::provider::provider;
use super::settings::{Authorities, HttpSettings, Surroundings};
use super::tls_error::ForeignAuthority;
use crate::ca_bundle;
use crate::error::Result;

/// Where distributions keep authorities one by one.
const DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// Where the system's authorities are.
#[derive(Debug, Clone)]
pub(crate) struct TrustSources {
    bundles: Vec<PathBuf>,
    directories: Vec<PathBuf>,
    /// `bundles` is what `SSL_CERT_FILE` names.
    named: bool,
}

impl TrustSources {
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` (several, separated by colons) stand in for the usual places.
    pub(crate) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let named = get("SSL_CERT_FILE");
        Self {
            named: named.is_some(),
            bundles: ca_bundle::places(named.as_deref()),
            directories: get("SSL_CERT_DIR").map_or_else(
                || DIRECTORIES.map(PathBuf::from).to_vec(),
                |directories| directories.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect(),
            ),
        }
    }

    /// What is wrong with what the environment names.
    pub(crate) fn problem(&self) -> Option<String> {
        let file = self.bundles.first().filter(|_| self.named)?;
        let error = fs::metadata(file).err()?;
        Some(format!("`SSL_CERT_FILE` names `{}`, which cannot be read: {error}", file.display()))
    }

    /// The authorities of the first bundle that there is.
    fn bundle(&self) -> Vec<CertificateDer<'static>> {
        self.bundles.iter().find_map(|path| fs::read(path).ok()).map(|pem| readable(&pem)).unwrap_or_default()
    }

    /// The authorities that stand in files of their own.
    fn singles(&self) -> Vec<CertificateDer<'static>> {
        let files = self.directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
        // Reading a device or a pipe would have no end.
        let paths = files.map(|entry| entry.path()).filter(|path| path.is_file());
        paths.filter_map(|path| fs::read(path).ok()).flat_map(|pem| readable(&pem)).collect()
    }
}

/// The certificates of a PEM text, without those that cannot be read: one bad file of the system is not the end.
fn readable(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
}

/// The certificates of a PEM text that a pipeline's author wrote; at least one.
pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err("expected certificates in PEM form (-----BEGIN CERTIFICATE-----), found none".to_owned())
        }
        Ok(certificates) => Ok(certificates),
        // The parser's own words repeat the text, which may be a key in the wrong place.
        Err(_) => Err("expected certificates in PEM form, found text that is cut or damaged".to_owned()),
    }
}

/// The same, each fit to be trusted.
pub(crate) fn authorities(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = certificates(pem)?;
    let mut store = RootCertStore::empty();
    match certificates.iter().try_for_each(|certificate| store.add(certificate.clone())) {
        Ok(()) => Ok(certificates),
        Err(_) => Err("expected X.509 certificates, found something else in PEM form".to_owned()),
    }
}

/// The private key of a PEM text.
pub(crate) fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, String> {
    if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("expected a private key without a passphrase, found an encrypted one".to_owned());
    }
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "expected a private key in PEM form (PKCS#8, PKCS#1 or SEC1)".to_owned())
}

/// The name that a certificate may be for.
pub(crate) fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|_| format!("`{text}` is neither a host's name nor an address"))
}

/// The TLS configuration of a client.
pub(crate) fn tls(settings: &HttpSettings, surroundings: &Surroundings, identity: Identity) -> Result<ClientConfig> {
    let provider = provider();
    let verifier: Arc<dyn ServerCertVerifier> = if settings.insecure {
        Arc::new(Anybody { provider: provider.clone() })
    } else {
        let mut own = Vec::new();
        for pem in &settings.ca_certs {
            own.extend(authorities(pem).map_err(|problem| anyhow::anyhow!("`ca_certs`: {problem}"))?);
        }
        let name = settings.server_name.as_deref().map(server_name).transpose();
        let name = name.map_err(|problem| anyhow::anyhow!("the server's name cannot be used: {problem}"))?;
        let system = match settings.authorities {
            Authorities::OursAndTheSystems => Some(surroundings.trust.clone()),
            Authorities::Ours => None,
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
            let problem = |problem| anyhow::anyhow!("the client certificate cannot be used: {problem}");
            builder
                .with_client_auth_cert(chain.map_err(problem)?, key.map_err(problem)?)
                .context("the client certificate and its key do not belong together")?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Trusts the authorities that the pipeline and the system name.
#[derive(Debug)]
struct Trusted {
    provider: Arc<CryptoProvider>,
    own: Vec<CertificateDer<'static>>,
    /// Where the system's are, unless only `own` count.
    system: Option<TrustSources>,
    /// The name that stands for every server's own.
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

    /// By the pipeline's authorities and the system's bundle; `None` when there are none.
    fn by_bundle(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        let load = || {
            let system = self.system.as_ref().map(TrustSources::bundle).unwrap_or_default();
            self.verifier(system, RootCertStore::empty())
        };
        self.bundle.get_or_init(load).as_ref()
    }

    /// By all that can be found.
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

    /// The error about a server whose authority does not count.
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
            // A renewed authority may have its old certificate in the bundle, under the same name.
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
                verify(self.by_everything())
            }
            other => other,
        };
        match verified {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
                Err(self.unknown())
            }
            // A server that signs for itself, as `openssl req -x509` makes it: an authority that acts as a server. Go
            // and OpenSSL take it when it is trusted by name; here too, its dates having been looked at before its role.
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

/// Whether a server showed an authority's certificate as its own. The type that says so is not public; its text is.
fn is_authority_as_server(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) = error else { return false };
    reason.to_string() == "CaUsedAsEndEntity"
}

/// Trusts whoever answers (`insecure`).
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
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
    fn the_roots_that_are_built_in_count_when_the_system_has_none() {
        let trusted = trusted(&[("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/nowhere:/dev")]);
        assert!(trusted.by_bundle().is_none());
        assert!(trusted.by_everything().is_some());
    }

    #[test]
    fn nothing_is_read_before_a_server_shows_its_certificate() {
        let trusted = trusted(&[]);
        assert!(trusted.bundle.get().is_none() && trusted.everything.get().is_none());
    }

    #[test]
    fn what_is_not_usable_is_told_without_repeating_it() {
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for problem in [
            private_key(encrypted).unwrap_err(),
            private_key("hunter2").unwrap_err(),
            certificates("hunter2").unwrap_err(),
            certificates("-----BEGIN CERTIFICATE-----\nhunter2").unwrap_err(),
            authorities("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n").unwrap_err(),
        ] {
            assert!(problem.starts_with("expected ") && !problem.contains("hunter2"), "{problem}");
        }
    }
}
