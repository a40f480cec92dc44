//! `source:` of a pipeline, parsed and validated: plain data, which knows nothing of the modules that use it.

pub(crate) mod aws;
pub(crate) mod digitalocean;
pub(crate) mod env_vars;
pub(crate) mod google;
pub(crate) mod kubeconfig;
pub(crate) mod name;
pub(crate) mod plugin;
pub(crate) mod registry;
pub(crate) mod repository;
pub(crate) mod status;
pub(crate) mod storage;
pub(crate) mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use jetway::http::{ClientCertificate, HttpSettings, Url, authority_problem};
use jetway::{Parameters, Problems, Secret, trimmed};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use aws::Aws;
use digitalocean::DigitalOcean;
use google::GoogleKeys;
use kubeconfig::Kubeconfig;
use plugin::Plugin;
use registry::PrivateRegistries;
use repository::{Repositories, Repository, StableRepository};
use status::Status;
use storage::Storage;
use text::pem;

/// The minimum length of a variable that is masked.
const MIN_MASKED_LENGTH: usize = 8;

/// The namespace of a release when neither the source nor the params name one.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// How many revisions helm keeps when `helm_history_max` is not given.
const DEFAULT_HISTORY: u32 = 10;

/// The release, and how to reach its cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key of the established resource, or like one")]
pub struct Source {
    /// The name of the release.
    pub release: Option<String>,

    /// The namespace of the release. The default is `default`; the namespace of a kubeconfig's context has no effect.
    pub namespace: Option<String>,

    /// The text of a kubeconfig, plain or in base64. It must contain its certificates, keys and tokens, and must not log in with a
    /// program (`exec`).
    pub kubeconfig: Option<Secret>,

    /// The context to use, instead of the current one, in `kubeconfig` (or in that of a put, if the source has none).
    pub kubeconfig_context: Option<String>,

    /// The address of the API server, `https://...`.
    pub cluster_url: Option<String>,

    /// The certificate of the API server's authority, as PEM or PEM in base64.
    pub cluster_ca: Option<String>,

    /// The certificate of the API server's authority, as PEM in base64.
    pub cluster_ca_base64: Option<String>,

    /// Accept any certificate of the API server. An attacker on the network can then take over the cluster.
    #[serde(default)]
    pub insecure_cluster: bool,

    /// The name in the API server's certificate, if it differs from the host of `cluster_url`.
    pub tls_server_name: Option<String>,

    /// A token for `cluster_url`.
    pub token: Option<Secret>,

    /// The private key of `admin_cert`, as PEM in base64 or plain PEM.
    pub admin_key: Option<Secret>,

    /// A client certificate for `cluster_url`, as PEM in base64 or plain PEM.
    pub admin_cert: Option<String>,

    /// Use the cluster that the worker runs in, with the service account of its pod.
    #[serde(default)]
    pub in_cluster: bool,

    /// Use a cluster of Google Kubernetes Engine, which the keys with the prefix `gcloud_` name.
    #[serde(default)]
    pub gcloud_cluster_auth: bool,

    /// The JSON key of a Google service account.
    pub gcloud_service_account_key_file: Option<Secret>,

    /// The Google project of the cluster; the default is that of the service account.
    pub gcloud_project_name: Option<String>,

    /// The name of the cluster in Google Kubernetes Engine.
    pub gcloud_k8s_cluster_name: Option<String>,

    /// The zone or region of the cluster.
    pub gcloud_k8s_zone: Option<String>,

    /// Log in as the worker's own Google service account, instead of with `gcloud_service_account_key_file`.
    #[serde(default)]
    pub gcloud_workload_identity_enabled: bool,

    /// Use the cluster's internal address in Google's network.
    #[serde(default)]
    pub gcloud_use_internal_ip: bool,

    /// Use a cluster of Amazon's Elastic Kubernetes Service.
    pub aws: Option<Aws>,

    /// Use a cluster of DigitalOcean.
    pub digitalocean: Option<DigitalOcean>,

    /// Where helm stores its releases in the cluster. The default is `HELM_DRIVER` in `env_vars`, or else Secrets.
    pub storage: Option<Storage>,

    /// The statuses of revisions that are versions. A revision becomes `superseded` when a later one is deployed.
    #[serde(default = "statuses")]
    pub statuses: Vec<Status>,

    /// Additional CA certificates to trust, in PEM format, for requests to a cloud's services, and to chart repositories and
    /// registries.
    #[serde(default)]
    pub ca_certs: Vec<String>,

    /// The proxy for all requests, `http://user:password@host:port`. Without it, `HTTPS_PROXY`, `HTTP_PROXY` and
    /// `NO_PROXY` of the worker are used.
    pub proxy: Option<String>,

    /// The timeout for a connection, in seconds.
    #[serde(default = "connect_timeout")]
    #[schemars(range(min = 1))]
    pub connect_timeout: u32,

    /// The timeout for a read or write without progress, in seconds. By default, the first byte of a response may take 5
    /// minutes.
    #[serde(default = "read_timeout")]
    #[schemars(range(min = 1))]
    pub read_timeout: u32,

    /// The maximum number of revisions that helm keeps; 0 is no limit.
    pub helm_history_max: Option<u32>,

    /// Repositories of charts for puts. A put fetches the index of a repository only for a chart from it.
    #[serde(default)]
    pub repos: Vec<Repository>,

    /// The repository `stable`: its address, or `true` for `https://charts.helm.sh/stable`. By default there is none.
    pub stable_repo: Option<StableRepository>,

    /// Plugins of helm for puts.
    #[serde(default)]
    pub plugins: Vec<Plugin>,

    /// Private registries of charts for puts: one, or a list.
    pub private_registry: Option<PrivateRegistries>,

    /// Environment variables for helm in puts. `HELM_DRIVER` (`secret` or `configmap`) also has an effect in check and get.
    #[serde(default)]
    pub env_vars: BTreeMap<String, Value>,

    /// Accepted for compatibility with the established resource, without effect: there is no tracing.
    #[serde(default)]
    pub tracing_enabled: bool,

    /// Not supported: this option of the established resource, to uninstall all releases, has never worked.
    #[serde(default)]
    pub helm_setup_purge_all: bool,
}

fn connect_timeout() -> u32 {
    15
}

fn read_timeout() -> u32 {
    60
}

fn statuses() -> Vec<Status> {
    vec![Status::Deployed, Status::Superseded]
}

/// The keys that name a cluster. A source has at most one of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ClusterKeys<'s> {
    Kubeconfig(&'s Secret),
    Url(&'s str),
    InCluster,
    Google,
    Aws(&'s Aws),
    DigitalOcean(&'s DigitalOcean),
}

impl Source {
    /// The keys that name the cluster. Validation rejects several; their order is that of the established resource.
    pub(crate) fn cluster_keys(&self) -> Option<ClusterKeys<'_>> {
        self.all_cluster_keys().into_iter().map(|(_, way)| way).next()
    }

    /// Whether the source names a cluster and has a login for it. A put may have its own.
    pub(crate) fn has_cluster_login(&self) -> bool {
        match self.cluster_keys() {
            Some(ClusterKeys::Url(url)) => {
                url.starts_with("http://")
                    || Secret::non_empty(self.token.as_ref()).is_some()
                    || Secret::non_empty(self.admin_key.as_ref()).is_some()
            }
            way => way.is_some(),
        }
    }

    /// The part of the source that is needed to renew a cloud's token, in the form of a source. It contains secrets.
    pub(crate) fn cloud_keys(&self) -> Value {
        json!({
            "gcloud_cluster_auth": self.gcloud_cluster_auth,
            "gcloud_service_account_key_file":
                Secret::non_empty(self.gcloud_service_account_key_file.as_ref()).map(|key| key.expose().to_owned()),
            "gcloud_workload_identity_enabled": self.gcloud_workload_identity_enabled,
            "aws": self.aws.as_ref().map(Aws::to_json),
            "ca_certs": self.ca_certs,
            "proxy": self.proxy,
            "connect_timeout": self.connect_timeout,
            "read_timeout": self.read_timeout,
        })
    }

    fn all_cluster_keys(&self) -> Vec<(&'static str, ClusterKeys<'_>)> {
        let google = self.gcloud_cluster_auth || self.gcloud_workload_identity_enabled;
        [
            self.digitalocean.as_ref().map(|cluster| ("digitalocean", ClusterKeys::DigitalOcean(cluster))),
            google.then_some(("gcloud_cluster_auth", ClusterKeys::Google)),
            self.aws.as_ref().map(|cluster| ("aws", ClusterKeys::Aws(cluster))),
            Secret::non_empty(self.kubeconfig.as_ref()).map(|text| ("kubeconfig", ClusterKeys::Kubeconfig(text))),
            trimmed(self.cluster_url.as_ref()).map(|url| ("cluster_url", ClusterKeys::Url(url))),
            self.in_cluster.then_some(("in_cluster", ClusterKeys::InCluster)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The timeouts: for a connection, and while nothing is received or sent.
    pub(crate) fn timeouts(&self) -> (Duration, Duration) {
        (Duration::from_secs(self.connect_timeout.into()), Duration::from_secs(self.read_timeout.into()))
    }

    /// The HTTP settings for a cloud's services.
    pub(crate) fn http(&self) -> HttpSettings {
        let (connect_timeout, read_timeout) = self.timeouts();
        HttpSettings {
            ca_certs: self.ca_certs.clone(),
            connect_timeout,
            read_timeout,
            proxy: trimmed(self.proxy.as_ref()).map(str::to_owned),
            ..HttpSettings::default()
        }
    }

    /// The certificate of the API server's authority, or what is wrong with it.
    pub(crate) fn authority(&self) -> Result<Option<String>, String> {
        match (trimmed(self.cluster_ca_base64.as_ref()), trimmed(self.cluster_ca.as_ref())) {
            (Some(text), _) | (None, Some(text)) => pem(text).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The key that holds the certificate of the API server's authority.
    pub(crate) fn authority_key(&self) -> &'static str {
        if trimmed(self.cluster_ca_base64.as_ref()).is_some() { "cluster_ca_base64" } else { "cluster_ca" }
    }

    /// The namespace of the release.
    pub(crate) fn namespace(&self) -> &str {
        trimmed(self.namespace.as_ref()).unwrap_or(DEFAULT_NAMESPACE)
    }

    /// How many revisions helm keeps.
    pub(crate) fn history_limit(&self) -> u32 {
        self.helm_history_max.unwrap_or(DEFAULT_HISTORY)
    }

    /// The repositories of charts.
    pub(crate) fn repositories(&self) -> Repositories<'_> {
        Repositories::new(&self.repos, self.stable_repo.as_ref())
    }

    fn google_keys(&self) -> GoogleKeys<'_> {
        GoogleKeys {
            service_account: Secret::non_empty(self.gcloud_service_account_key_file.as_ref()),
            uses_workload_identity: self.gcloud_workload_identity_enabled,
            cluster: trimmed(self.gcloud_k8s_cluster_name.as_ref()),
            zone: trimmed(self.gcloud_k8s_zone.as_ref()),
            project: trimmed(self.gcloud_project_name.as_ref()),
        }
    }

    /// Where helm stores releases.
    pub(crate) fn storage(&self) -> Storage {
        self.storage.or_else(|| env_vars::driver(&self.env_vars).ok().flatten()).unwrap_or_default()
    }

    fn validate_url(&self, url: &str, problems: &mut Problems) {
        match Url::parse(url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
            Ok(_) => return problems.add("cluster_url", "expected an address that begins with `https://`"),
            Err(error) => return problems.add("cluster_url", format!("expected an address, `https://...`: {error}")),
        }
        if !self.insecure_cluster {
            let problem = match self.authority() {
                Ok(authority) => authority.as_deref().and_then(authority_problem),
                Err(problem) => Some(problem),
            };
            if let Some(problem) = problem {
                problems.add(self.authority_key(), problem);
            }
        }
        let certificate = trimmed(self.admin_cert.as_ref());
        let key = Secret::non_empty(self.admin_key.as_ref());
        match (certificate, key) {
            (Some(_), None) => problems.add("admin_key", "required with `admin_cert`, but missing"),
            (None, Some(_)) => problems.add("admin_cert", "required with `admin_key`, but missing"),
            _ => {}
        }
        let read = |key: &str, text: Option<&str>, problems: &mut Problems| match text.map(pem) {
            None => None,
            Some(Ok(text)) => Some(text),
            Some(Err(problem)) => {
                problems.add(key, problem);
                None
            }
        };
        let certificate = read("admin_cert", certificate, problems);
        let key = read("admin_key", key.map(Secret::expose), problems);
        if let (Some(certificate), Some(key)) = (certificate, key) {
            ClientCertificate { certificate, key: Secret::new(key) }.validate("admin_cert", "admin_key", problems);
        }
    }
}

impl Parameters for Source {
    fn validate(&self, problems: &mut Problems) {
        if let Some(release) = &self.release
            && let Err(problem) = name::release(release)
        {
            problems.add("release", problem);
        }
        if let Some(namespace) = trimmed(self.namespace.as_ref())
            && let Err(problem) = name::namespace(namespace)
        {
            problems.add("namespace", problem);
        }
        let ways: Vec<&str> = self.all_cluster_keys().into_iter().map(|(key, _)| key).collect();
        if let [first, others @ ..] = ways.as_slice() {
            for key in others {
                problems.add(*key, format!("conflicts with `{first}`, which also names a cluster; remove one"));
            }
        }
        if let Some(url) = trimmed(self.cluster_url.as_ref()) {
            self.validate_url(url, problems);
        }
        if let Some(text) = Secret::non_empty(self.kubeconfig.as_ref())
            && let Err(error) = Kubeconfig::parse(text.expose())
        {
            problems.add("kubeconfig", error);
        }
        if self.gcloud_cluster_auth || self.gcloud_workload_identity_enabled {
            self.google_keys().validate(problems);
        }
        if let Some(aws) = &self.aws {
            aws.validate(problems);
        }
        if let Some(digitalocean) = &self.digitalocean {
            digitalocean.validate(problems);
        }
        env_vars::validate(&self.env_vars, self.storage, problems);
        self.repositories().validate(problems);
        for (index, plugin) in self.plugins.iter().enumerate() {
            plugin.validate(index, problems);
        }
        if let Some(registries) = &self.private_registry {
            registries.validate(problems);
        }
        if self.statuses.is_empty() {
            problems.add("statuses", "must not be empty");
        }
        if self.helm_setup_purge_all {
            problems.add_with_hint(
                "helm_setup_purge_all",
                "is not supported: one typo could remove every release in the cluster",
                "a put with `uninstall` removes one release",
            );
        }
        self.http().validate(problems);
    }

    fn hidden_secrets(&self) -> Vec<String> {
        let mut secrets = self.http().hidden_secrets();
        if let Some(text) = Secret::non_empty(self.kubeconfig.as_ref())
            && let Ok(kubeconfig) = Kubeconfig::parse(text.expose())
        {
            secrets.extend(kubeconfig.secrets());
        }
        if let Some(key) = Secret::non_empty(self.admin_key.as_ref()) {
            secrets.extend(pem(key.expose()).ok());
        }
        if let Some(key) = Secret::non_empty(self.gcloud_service_account_key_file.as_ref()) {
            secrets.extend(google::private_key(key));
        }
        secrets.extend(self.repositories().hidden_secrets());
        // Masking a short one, such as a word, would mask too much.
        let variables =
            self.env_vars.values().filter_map(Value::as_str).filter(|value| value.len() >= MIN_MASKED_LENGTH);
        secrets.extend(variables.map(str::to_owned));
        secrets
    }
}
