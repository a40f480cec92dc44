//! A cluster of DigitalOcean, which hands out a kubeconfig.

use anyhow::{Context as _, anyhow};
use jetway::{Context, Problems, Result, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Cluster;
use super::kubeconfig::Kubeconfig;
use crate::source::Source;

const API: &str = "https://api.digitalocean.com";

/// A cluster of DigitalOcean.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DigitalOcean {
    /// The id of the cluster.
    pub cluster_id: String,
    /// A token of DigitalOcean's API that may read it.
    pub access_token: Secret,
}

impl DigitalOcean {
    pub(crate) fn rules(&self, problems: &mut Problems) {
        let is_id =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_id(self.cluster_id.trim()) {
            problems.add("digitalocean.cluster_id", "expected an id: letters, digits and `-`");
        }
        if self.access_token.expose().trim().is_empty() {
            problems.add("digitalocean.access_token", "must not be empty");
        }
    }
}

/// The cluster, by the kubeconfig that the API gives.
pub(crate) async fn find(context: &Context, source: &Source, of: &DigitalOcean) -> Result<Cluster> {
    // The variable that DigitalOcean's own tools know.
    let api = context.variable("DIGITALOCEAN_API_URL").unwrap_or_else(|| API.to_owned());
    let url = format!("{}/v2/kubernetes/clusters/{}/kubeconfig", api.trim_end_matches('/'), of.cluster_id.trim());
    let asked = context.http(source.http())?.get(url).bearer(&of.access_token).send().await;
    let text = asked.with_context(|| format!("cannot get the kubeconfig of the cluster `{}`", of.cluster_id.trim()))?;
    let text = text.text().await?;
    let kubeconfig = Kubeconfig::parse(&text).map_err(|problem| anyhow!("what DigitalOcean answered {problem}"))?;
    for secret in kubeconfig.secrets() {
        context.console().redactor().add(&secret);
    }
    kubeconfig.cluster(None)
}
