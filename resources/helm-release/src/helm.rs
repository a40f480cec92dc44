//! The helm program: its kubeconfig, its private files, and its environment.

use std::cell::OnceCell;
use std::path::PathBuf;

use jetway::http::ProxyRelay;
use jetway::{Command, Context, Result, anyhow, system_ca_bundle, trimmed};

use crate::cluster::connection::Cluster;
use crate::source::Source;
use crate::source::env_vars;
use crate::source::storage::Storage;

/// The directory of helm's private files.
const HOME: &str = "helm";

/// The helm program, configured for one cluster.
#[derive(Debug)]
pub(crate) struct Helm<'c> {
    context: &'c Context,
    source: &'c Source,
    kubeconfig: PathBuf,
    /// The authorities of the system and of the source.
    authorities: Option<PathBuf>,
    home: PathBuf,
    major: OnceCell<u32>,
    /// The proxy without its login, which the relay adds.
    relay: Option<ProxyRelay>,
}

impl<'c> Helm<'c> {
    /// Writes the kubeconfig and the authorities for helm.
    pub(crate) fn new(context: &'c Context, source: &'c Source, cluster: &Cluster) -> Result<Self> {
        let private = context.private_directory();
        env_vars::warn(&source.env_vars, context.console());
        let kubeconfig = cluster.write_kubeconfig(private, source)?;
        let authorities = if source.ca_certs.is_empty() {
            None
        } else {
            let mut bundle = system_ca_bundle().unwrap_or_default();
            for authority in &source.ca_certs {
                bundle.extend_from_slice(b"\n");
                bundle.extend_from_slice(authority.as_bytes());
            }
            bundle.push(b'\n');
            Some(private.write("authorities.pem", &bundle)?)
        };
        Ok(Self {
            context,
            source,
            kubeconfig,
            authorities,
            home: private.path()?.join(HOME),
            major: OnceCell::new(),
            relay: ProxyRelay::start(&source.http())?,
        })
    }

    /// The major version of helm, 3 or 4, which differ in some options.
    pub(crate) async fn major(&self) -> Result<u32> {
        if let Some(major) = self.major.get() {
            return Ok(*major);
        }
        let printed = self.command("version").arg("--template={{.Version}}").quiet().run().await?.success()?.text();
        let number = printed.trim_start_matches('v').split('.').next().and_then(|number| number.parse().ok());
        let number = number.ok_or_else(|| anyhow!("`helm version` printed `{printed}`, which is not a version"))?;
        Ok(*self.major.get_or_init(|| number))
    }

    /// Writes a file of helm's configuration, such as `repositories.yaml`.
    pub(crate) fn configure(&self, name: &str, content: &[u8]) -> Result<()> {
        let private = self.context.private_directory();
        let mut directory = PathBuf::from(HOME).join("config");
        private.directory(HOME)?;
        private.directory(&directory)?;
        if let Some((inner, _)) = name.rsplit_once('/') {
            private.directory(directory.join(inner))?;
        }
        directory.push(name);
        private.write(directory, content).map(|_| ())
    }

    /// The directory for a plugin that this resource installs.
    pub(crate) fn plugin_directory(&self, name: &str) -> Result<PathBuf> {
        let private = self.context.private_directory();
        let mut directory = PathBuf::from(HOME);
        private.directory(&directory)?;
        for part in ["data", "plugins", name] {
            directory.push(part);
            private.directory(&directory)?;
        }
        private.directory(directory)
    }

    /// The path of a file in helm's cache.
    pub(crate) fn cached(&self, name: &str) -> PathBuf {
        self.home.join("cache").join(name)
    }

    /// A command of helm, such as `upgrade`.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = self.context.command("helm").label(format!("helm {name}")).arg(name);
        if matches!(name, "upgrade" | "rollback" | "uninstall") {
            // After SIGTERM, helm marks its record as failed, which releases the lock.
            command = command.cleans_up_when_terminated();
        }
        // For repositories and registries; for the cluster, the proxy is in the kubeconfig.
        if let Some(proxy) = trimmed(self.source.proxy.as_ref()) {
            let proxy = self.relay.as_ref().map_or_else(|| proxy.to_owned(), ProxyRelay::address);
            command = command.env("HTTPS_PROXY", &proxy).env("HTTP_PROXY", &proxy);
        }
        if let Some(authorities) = &self.authorities {
            command = command.env("SSL_CERT_FILE", authorities);
        }
        for (name, value) in &self.source.env_vars {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            command = command.env(name, value);
        }
        // These variables would make helm use another cluster or another user's files.
        for (name, _) in env_vars::CLUSTER_VARIABLES {
            command = command.env_remove(name);
        }
        command = command.env_remove("HELM_NAMESPACE");
        for (name, part) in [
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_DATA_HOME", "data"),
            ("KUBECACHEDIR", "kube"),
        ] {
            command = command.env(name, self.home.join(part));
        }
        let driver = match self.source.storage() {
            Storage::Secret => "secret",
            Storage::Configmap => "configmap",
        };
        command.env(env_vars::DRIVER, driver).env("KUBECONFIG", &self.kubeconfig)
    }
}
