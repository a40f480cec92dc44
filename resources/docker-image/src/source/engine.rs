//! The container engine's address and its TLS settings.

use jetway::http::{ClientCertificate, HttpSettings};
use jetway::{Problems, trimmed};

use crate::source::Source;
use crate::source::docker_host::{DockerHost, EngineAt};
use crate::source::engine_address::Address;

impl EngineAt {
    /// The TLS settings, if any key enables TLS.
    pub(crate) fn tls(&self) -> Option<HttpSettings> {
        let client = trimmed(self.client_cert.as_deref()).zip(self.client_key.as_ref().filter(|key| !key.is_empty()));
        let ca_certs: Vec<String> = trimmed(self.ca_cert.as_deref()).map(str::to_owned).into_iter().collect();
        if client.is_none() && ca_certs.is_empty() && !self.url.starts_with("https:") {
            return None;
        }
        let client_certificate = client
            .map(|(certificate, key)| ClientCertificate { certificate: certificate.to_owned(), key: key.clone() });
        Some(HttpSettings { ca_certs, client_certificate, ..HttpSettings::default() })
    }
}

impl Source {
    /// The configured engine, if any.
    pub(crate) fn engine(&self) -> Option<EngineAt> {
        self.docker_host.as_ref().map(DockerHost::at).filter(|at| !at.url.trim().is_empty())
    }

    pub(super) fn validate_engine(&self, problems: &mut Problems) {
        let Some(at) = self.engine() else { return };
        let key = |name: &str| match self.docker_host {
            Some(DockerHost::At(_)) => format!("docker_host.{name}"),
            _ => "docker_host".to_owned(),
        };
        let address = match at.url.parse::<Address>() {
            Ok(address) => address,
            Err(problem) => return problems.add(key("url"), problem),
        };
        let is_ssh = matches!(address, Address::Ssh { .. });
        let is_tcp = matches!(address, Address::Tcp { .. });
        for (name, given, fits, scheme) in [
            ("ca_cert", at.ca_cert.is_some(), is_tcp, "tcp"),
            ("client_cert", at.client_cert.is_some(), is_tcp, "tcp"),
            ("client_key", at.client_key.is_some(), is_tcp, "tcp"),
            ("private_key", at.private_key.is_some(), is_ssh, "ssh"),
            ("known_hosts", at.known_hosts.is_some(), is_ssh, "ssh"),
        ] {
            if given && !fits {
                problems.add(key(name), format!("requires a `{scheme}` address"));
            }
        }
        if at.client_cert.is_some() != at.client_key.is_some() {
            problems.add(key("client_cert"), "`client_cert` and `client_key` must be set together");
        }
    }
}
