//! A cluster of Amazon's Elastic Kubernetes Service: its API gives the address and the certificate authority; the token is a
//! presigned URL.

use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jetway::aws::{Aws as Services, Credentials};
use jetway::{Context, Result, Secret};
use jiff::Timestamp;
use serde::Deserialize;

use super::connection::{Cluster, Token, User, decode_authority};
use crate::source::Source;
use crate::source::aws::Aws;

/// The validity of the presigned URL, as in Amazon's own tools.
const URL_LIFETIME: Duration = Duration::from_mins(1);

/// How long the cluster accepts a token, in seconds: 15 minutes, less one minute for clock skew.
const TOKEN_LIFETIME: i64 = 14 * 60;

/// Finds the cluster that `aws` names.
pub(crate) async fn find(context: &Context, source: &Source, aws: &Aws) -> Result<Cluster> {
    #[derive(Deserialize)]
    struct ClusterResponse {
        cluster: ClusterDescription,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ClusterDescription {
        endpoint: String,
        certificate_authority: Authority,
    }
    #[derive(Deserialize)]
    struct Authority {
        data: String,
    }
    let (services, credentials) = services(context, source, aws).await?;
    let name = aws.cluster_name.trim();
    let url = format!("{}/clusters/{name}", services.endpoint("eks"));
    let response = services.sign(services.http().get(url), "eks", &credentials)?.send().await;
    let response =
        response.with_context(|| format!("cannot find the cluster `{name}` in the region `{}`", services.region()));
    let ClusterResponse { cluster } = response?.json().await?;
    Ok(Cluster {
        server: cluster.endpoint.trim_end_matches('/').to_owned(),
        authority: Some(decode_authority(&cluster.certificate_authority.data)?),
        user: User::with_token(token(&services, name, &credentials)?),
        ..Cluster::default()
    })
}

/// Returns a new token.
pub(crate) async fn log_in(context: &Context, source: &Source, aws: &Aws) -> Result<Token> {
    let (services, credentials) = services(context, source, aws).await?;
    token(&services, aws.cluster_name.trim(), &credentials)
}

async fn services(context: &Context, source: &Source, aws: &Aws) -> Result<(Services, Credentials)> {
    let services = Services::new(context, context.http(source.http())?, aws.region.trim())?;
    let credentials = services.log_in(&aws.login()).await?;
    Ok((services, credentials))
}

/// A token for the cluster: a presigned URL with which the cluster requests the caller's identity from Amazon.
fn token(services: &Services, cluster: &str, credentials: &Credentials) -> Result<Token> {
    let url = format!("{}/?Action=GetCallerIdentity&Version=2011-06-15", services.endpoint("sts"));
    let url = services.presign(&url, &[("x-k8s-aws-id", cluster)], "sts", credentials, URL_LIFETIME)?;
    let secret = Secret::new(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url.expose())));
    let holds = Timestamp::now().as_second() + TOKEN_LIFETIME;
    Ok(Token { secret, expires: Some(credentials.expires.map_or(holds, |end| end.min(holds))) })
}
