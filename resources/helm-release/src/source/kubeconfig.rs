//! A kubeconfig, parsed by kubectl's rules.
//!
//! The types of `kube-client` 5.0 would add 14 packages, among them a second `jiff` and a second `base64`, and 30 lines that convert
//! them. They also reject a kubeconfig in which any context has no cluster.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::http::Url;
use jetway::{Result, Secret};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A kubeconfig; see "Organizing Cluster Access Using kubeconfig Files" in the documentation of Kubernetes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Kubeconfig {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) clusters: Vec<NamedCluster>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) users: Vec<NamedUser>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) contexts: Vec<NamedContext>,
    #[serde(default)]
    pub(crate) current_context: Option<String>,
    /// The clusters and users with all their keys.
    #[serde(skip)]
    pub(crate) raw: Raw,
}

/// The entries with all their keys, to find unknown ones.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Raw {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) clusters: Vec<RawEntry>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) users: Vec<RawEntry>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawEntry {
    pub(crate) name: String,
    #[serde(default, alias = "cluster", alias = "user")]
    pub(crate) content: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NamedCluster {
    pub(crate) name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) cluster: ClusterEntry,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ClusterEntry {
    pub(crate) server: Option<String>,
    pub(crate) certificate_authority: Option<String>,
    pub(crate) certificate_authority_data: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) insecure_skip_tls_verify: bool,
    pub(crate) tls_server_name: Option<String>,
    pub(crate) proxy_url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NamedUser {
    pub(crate) name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) user: UserEntry,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NamedContext {
    pub(crate) name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) context: ContextEntry,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ContextEntry {
    pub(crate) cluster: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) namespace: Option<String>,
}

/// Reads `null` as the default.
fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Kubeconfig {
    /// Parses the text, which may be in base64. Several documents are merged as kubectl merges several files. The error does not
    /// quote the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let decoded = whole_in_base64(text);
        let text = decoded.as_deref().unwrap_or(text);
        let documents: Vec<Self> = serde_saphyr::from_multiple(text).map_err(|error| match error.location() {
            // The parser's message quotes the line, which may contain a key.
            Some(location) => format!("is not a kubeconfig: line {} cannot be parsed", location.line()),
            None => "is not a kubeconfig".to_owned(),
        })?;
        let raw: Vec<Raw> = serde_saphyr::from_multiple(text).unwrap_or_default();
        let mut merged = Self::default();
        for document in documents {
            merged.clusters.extend(document.clusters);
            merged.users.extend(document.users);
            merged.contexts.extend(document.contexts);
            merged.current_context =
                merged.current_context.or(document.current_context.filter(|name| !name.is_empty()));
        }
        for document in raw {
            merged.raw.clusters.extend(document.clusters);
            merged.raw.users.extend(document.users);
        }
        Ok(merged)
    }

    /// All secrets in it.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets: BTreeSet<String> = self.users.iter().flat_map(|user| user.user.secrets()).collect();
        let proxies = self.clusters.iter().filter_map(|cluster| cluster.cluster.proxy_url.as_deref());
        secrets.extend(proxies.filter_map(|url| Url::parse(url).ok()?.password().map(str::to_owned)));
        secrets.into_iter().collect()
    }
}

/// The user in a kubeconfig.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct UserEntry {
    pub(crate) client_certificate: Option<String>,
    pub(crate) client_certificate_data: Option<String>,
    pub(crate) client_key: Option<String>,
    pub(crate) client_key_data: Option<Secret>,
    pub(crate) token: Option<Secret>,
    #[serde(rename = "tokenFile")]
    pub(crate) token_file: Option<String>,
    pub(crate) r#as: Option<String>,
    pub(crate) as_uid: Option<String>,
    pub(crate) as_groups: Option<Vec<String>>,
    pub(crate) as_user_extra: Option<BTreeMap<String, Option<Vec<String>>>>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) exec: Option<Exec>,
    pub(crate) auth_provider: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Exec {
    #[serde(default)]
    pub(crate) command: String,
}

impl UserEntry {
    /// All secrets in it.
    fn secrets(&self) -> Vec<String> {
        let all = [&self.client_key_data, &self.token, &self.password];
        let mut secrets: Vec<String> = all
            .into_iter()
            .flatten()
            .map(|secret| secret.expose().to_owned())
            .filter(|text| !text.is_empty())
            .collect();
        secrets
            .extend(self.client_key_data.iter().filter_map(|key| decode_base64("client-key-data", key.expose()).ok()));
        secrets
    }
}

/// Decodes a whole kubeconfig in base64, a frequent form of CI variables.
fn whole_in_base64(text: &str) -> Option<String> {
    let compact: String = text.split_whitespace().collect();
    let bytes = (!compact.is_empty()).then(|| STANDARD.decode(compact).ok()).flatten()?;
    String::from_utf8(bytes).ok().filter(|text| text.contains("clusters") || text.contains("contexts"))
}

/// Decodes the value of a key that holds base64.
pub(crate) fn decode_base64(key: &str, text: &str) -> Result<String> {
    let compact: String = text.split_whitespace().collect();
    let decoded = STANDARD.decode(compact).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| anyhow!("the kubeconfig's `{key}` is truncated or damaged: it is not base64"))
}
