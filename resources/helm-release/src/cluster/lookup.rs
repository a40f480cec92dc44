//! Finds the cluster that a source or the params of a put name.

use anyhow::anyhow;
use jetway::http::ClientCertificate;
use jetway::{Advise as _, Context, Result, Secret, trimmed};

use super::connection::{Cluster, Token, User};
use super::{aws, digitalocean, google, in_cluster};
use crate::source::kubeconfig::Kubeconfig;
use crate::source::text::pem;
use crate::source::{ClusterKeys, Source};

/// Finds the cluster that the source names.
pub(crate) async fn find(context: &Context, source: &Source) -> Result<Cluster> {
    find_with_token(context, source, None).await
}

/// Finds the cluster that the source names. A given `token` overrides the source's.
pub(crate) async fn find_with_token(context: &Context, source: &Source, token: Option<&Secret>) -> Result<Cluster> {
    let keys = source.cluster_keys().ok_or_else(|| {
        anyhow!("the source names no cluster").hint(
            "set one of `cluster_url`, `kubeconfig`, `in_cluster`, `gcloud_cluster_auth`, `aws` and \
             `digitalocean`; a put may have `kubeconfig` or `kubeconfig_path` in its params",
        )
    })?;
    if token.is_some() && !matches!(keys, ClusterKeys::Url(_)) {
        return Err(anyhow!("`token_path` requires `cluster_url` in the source"));
    }
    let cluster = match keys {
        ClusterKeys::Kubeconfig(text) => {
            return from_kubeconfig(context, source, text, trimmed(source.kubeconfig_context.as_ref()));
        }
        ClusterKeys::Url(url) => from_url(source, url, token)?,
        ClusterKeys::InCluster => in_cluster::find(context)?,
        ClusterKeys::Google => google::find(context, source).await?,
        ClusterKeys::Aws(aws) => aws::find(context, source, aws).await?,
        ClusterKeys::DigitalOcean(cluster) => digitalocean::find(context, source, cluster).await?,
    };
    Ok(prepared(cluster, context, source))
}

/// Returns the cluster of a self-contained kubeconfig, in the named context or else the current one.
pub(crate) fn from_kubeconfig(
    context: &Context,
    source: &Source,
    text: &Secret,
    wanted: Option<&str>,
) -> Result<Cluster> {
    let parsed = Kubeconfig::parse(text.expose()).map_err(|problem| anyhow!("`kubeconfig` {problem}"))?;
    for secret in parsed.secrets() {
        context.console().redactor().add(&secret);
    }
    let cluster = parsed.cluster(wanted)?;
    for warning in &cluster.warnings {
        context.console().warn(warning);
    }
    Ok(prepared(cluster, context, source))
}

/// The cluster of `cluster_url` and the keys that belong to it.
fn from_url(source: &Source, url: &str, token: Option<&Secret>) -> Result<Cluster> {
    let unusable = |key: &'static str| move |problem: String| anyhow!("`{key}`: {problem}");
    let certificate = match (trimmed(source.admin_cert.as_ref()), Secret::non_empty(source.admin_key.as_ref())) {
        (Some(certificate), Some(key)) => Some(ClientCertificate {
            certificate: pem(certificate).map_err(unusable("admin_cert"))?,
            key: Secret::new(pem(key.expose()).map_err(unusable("admin_key"))?),
        }),
        _ => None,
    };
    let token = token
        .or(Secret::non_empty(source.token.as_ref()))
        .map(|token| Token::without_expiry(Secret::new(token.expose().trim())));
    // Like the established resource, sends no credentials over plain HTTP.
    let is_secret = url.starts_with("https://");
    if is_secret && token.is_none() && certificate.is_none() {
        return Err(anyhow!("there are no credentials for `cluster_url`").hint(
            "set `token`, or `admin_cert` and `admin_key`, in the source; a put may have `token_path` in its \
             params",
        ));
    }
    let user = User { certificate, token, ..User::default() };
    Ok(Cluster {
        server: url.trim_end_matches('/').to_owned(),
        // Without verification, a certificate authority has no effect.
        authority: if source.insecure_cluster {
            None
        } else {
            source.authority().map_err(unusable(source.authority_key()))?
        },
        insecure: source.insecure_cluster,
        server_name: trimmed(source.tls_server_name.as_ref()).map(str::to_owned),
        user: if is_secret { user } else { User::default() },
        ..Cluster::default()
    })
}

/// Adds the secrets of the cluster to the redactor, and applies the proxy and the timeouts of the source.
fn prepared(mut cluster: Cluster, context: &Context, source: &Source) -> Cluster {
    let token = cluster.user.token.iter().map(|token| &token.secret);
    for secret in token.chain(cluster.user.password.iter().map(|(_, password)| password)) {
        context.console().redactor().add(secret.expose());
    }
    cluster.proxy = cluster.proxy.or_else(|| trimmed(source.proxy.as_ref()).map(str::to_owned));
    cluster.timeouts = Some(source.timeouts());
    cluster
}
