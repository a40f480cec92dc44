//! A cluster of DigitalOcean, whose API returns a kubeconfig.

use anyhow::{Context as _, anyhow};
use jetway::{Context, Result};

use super::connection::Cluster;
use crate::source::Source;
use crate::source::digitalocean::DigitalOcean;
use crate::source::kubeconfig::Kubeconfig;

const API: &str = "https://api.digitalocean.com";

/// Finds the cluster by the kubeconfig that the API returns.
pub(crate) async fn find(context: &Context, source: &Source, cluster: &DigitalOcean) -> Result<Cluster> {
    // DigitalOcean's own tools read this variable.
    let api = context.variable("DIGITALOCEAN_API_URL").unwrap_or_else(|| API.to_owned());
    let url = format!("{}/v2/kubernetes/clusters/{}/kubeconfig", api.trim_end_matches('/'), cluster.cluster_id.trim());
    let response = context.http(source.http())?.get(url).bearer(&cluster.access_token).send().await;
    let text = response
        .with_context(|| format!("cannot get the kubeconfig of the cluster `{}`", cluster.cluster_id.trim()))?;
    let text = text.text().await?;
    let kubeconfig = Kubeconfig::parse(&text).map_err(|problem| anyhow!("the response of DigitalOcean {problem}"))?;
    for secret in kubeconfig.secrets() {
        context.console().redactor().add(&secret);
    }
    kubeconfig.cluster(None)
}
