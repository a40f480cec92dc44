//! Finds or starts the engine for a build: the one that the source names, or a local one.

use std::sync::Arc;

use jetway::{Context, Result, Service};

use crate::engine::connection::Endpoint;
use crate::engine::daemon::{Certificates, Daemon, Options};
use crate::engine::{Engine, Features, tunnel};
use crate::reference::registry_of;
use crate::source::Source;
use crate::source::docker_host::EngineAt;
use crate::source::engine_address::Address;
use crate::source::shapes::{CaCertificate, Insecure};

/// An engine, and what must be stopped after its use.
pub(crate) struct BuildEngine {
    pub(crate) engine: Engine,
    daemon: Option<Daemon>,
    tunnel: Option<Service>,
}

impl BuildEngine {
    /// Connects to the engine, or starts one. `registries` are those that it will contact.
    pub(crate) async fn find(
        context: &Context,
        source: &Source,
        registries: &[String],
        features: Features,
    ) -> Result<Self> {
        match source.engine() {
            Some(at) => Self::named(context, source, &at).await,
            None => Self::started(context, &Options { features, ..options(source, registries) }).await,
        }
    }

    async fn named(context: &Context, source: &Source, at: &EngineAt) -> Result<Self> {
        let settings = [
            ("insecure_registries", !source.insecure_registries.is_empty()),
            ("registry_mirror", source.registry_mirror.is_some()),
            ("ca_certs", !source.ca_certs.is_empty()),
            ("client_certs", !source.client_certs.is_empty()),
        ];
        let unused: Vec<String> =
            settings.iter().filter(|(_, given)| *given).map(|(key, _)| format!("`{key}`")).collect();
        if !unused.is_empty() {
            let unused = unused.join(", ");
            context
                .console()
                .warn(format_args!("the engine at `docker_host` has its own settings and does not use {unused}"));
        }
        let address: Address = at.url.parse().map_err(|problem: String| jetway::anyhow!("`docker_host`: {problem}"))?;
        let (endpoint, tunnel) = match &address {
            Address::Unix(path) => (Endpoint::Unix(path.clone()), None),
            Address::Tcp { host, port } => {
                let tls = at.tls().map(|settings| settings.tls()).transpose()?.map(Arc::new);
                let port = Address::port_or_usual(*port, tls.is_some());
                (Endpoint::Tcp { host: host.clone(), port, tls }, None)
            }
            Address::Ssh { destination, port, socket } => {
                let (tunnel, end) = tunnel::open(context, at, destination, *port, socket).await?;
                (Endpoint::Unix(end), Some(tunnel))
            }
        };
        match Engine::connect(endpoint, context.interrupt().clone()).await {
            Ok(engine) => Ok(Self { engine, daemon: None, tunnel }),
            Err(error) => {
                if let Some(tunnel) = tunnel {
                    tunnel.stop().await;
                }
                Err(error.context(format!("cannot use `docker_host` ({address})")))
            }
        }
    }

    async fn started(context: &Context, options: &Options) -> Result<Self> {
        let daemon = Daemon::start(context, options).await?;
        let endpoint = Endpoint::Unix(daemon.socket().to_owned());
        match Engine::connect(endpoint, context.interrupt().clone()).await {
            Ok(engine) => Ok(Self { engine, daemon: Some(daemon), tunnel: None }),
            Err(error) => {
                daemon.stop().await;
                Err(error)
            }
        }
    }

    /// Stops what was started.
    pub(crate) async fn stop(self) {
        if let Some(daemon) = self.daemon {
            daemon.stop().await;
        }
        if let Some(tunnel) = self.tunnel {
            tunnel.stop().await;
        }
    }
}

/// The source's options for a local engine.
fn options(source: &Source, registries: &[String]) -> Options {
    let mut insecure = source.insecure_registries.clone();
    match &source.insecure {
        Some(Insecure::Registries(named)) => insecure.extend(named.iter().cloned()),
        // Only for the registry of `repository`, which is the first.
        Some(Insecure::All(true)) => insecure.extend(registries.first().cloned()),
        _ => {}
    }
    let mirrors = source.mirrors();
    // A Dockerfile may use base images of any registry for which the source has certificates.
    let named = (source.ca_certs.iter().filter_map(CaCertificate::domain))
        .chain(source.client_certs.iter().map(|client| client.domain.as_str()))
        .chain(mirrors.iter().map(|mirror| mirror.host))
        .filter_map(|name| Some(registry_of(name).ok()?.0));
    let mut distinct: Vec<String> = registries.to_vec();
    for registry in named {
        if !distinct.contains(&registry) {
            distinct.push(registry);
        }
    }
    let certificates = distinct.iter().filter_map(|registry| {
        let http = source.http(registry);
        let client = http.client_certificate.map(|client| (client.certificate, client.key));
        let authorities = http.ca_certs.join("\n");
        (client.is_some() || !authorities.is_empty()).then(|| Certificates {
            registry: registry.clone(),
            authorities,
            client,
        })
    });
    Options {
        startup_timeout: source.startup_timeout,
        downloads: source.downloads_at_once(),
        uploads: source.uploads_at_once(),
        insecure: insecure.into_iter().filter(|registry| !registry.trim().is_empty()).collect(),
        mirrors: mirrors.iter().map(|mirror| with_scheme(mirror.host)).collect(),
        certificates: certificates.collect(),
        features: Features::default(),
    }
}

/// Engines require a mirror's scheme.
fn with_scheme(mirror: &str) -> String {
    if mirror.contains("://") { mirror.to_owned() } else { format!("https://{mirror}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn started_engine_gets_all_certificates_of_the_source() {
        let source: Source = serde_json::from_str(
            r#"{
                "repository": "own.example/x",
                "ca_certs": ["every", {"domain": "https://bases.example:5000", "cert": "bases"}],
                "client_certs": [{"domain": "client.example", "cert": "c", "key": "k"}],
                "registry_mirror": "https://mirror.example/hub"
            }"#,
        )
        .unwrap();
        let options = options(&source, &["own.example".to_owned()]);
        let of = |certificates: &Certificates| (certificates.registry.clone(), certificates.authorities.clone());
        let all: Vec<_> = options.certificates.iter().map(of).collect();
        let expected = [
            ("own.example", "every"),
            ("bases.example:5000", "every\nbases"),
            ("client.example", "every"),
            ("mirror.example", "every"),
        ];
        assert_eq!(all, expected.map(|(registry, authorities)| (registry.to_owned(), authorities.to_owned())));
        let clients: Vec<bool> = options.certificates.iter().map(|entry| entry.client.is_some()).collect();
        assert_eq!(clients, [false, false, true, false]);
    }
}
