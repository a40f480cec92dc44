//! A cluster of Google Kubernetes Engine: OAuth gives the token, the API the address and the certificate authority.

use anyhow::{Context as _, anyhow};
use jetway::http::{HttpClient, HttpResponse, HttpSettings, Proxies, Retry};
use jetway::web_token::SigningKey;
use jetway::{Advise as _, Context, Result, Secret, trimmed};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::connection::{Cluster, Token, User, decode_authority};
use crate::source::Source;
use crate::source::google::ServiceAccount;

/// The OAuth scope of the token.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The lifetime of a signed assertion, in seconds: the maximum that Google allows.
const ASSERTION_LIFETIME: i64 = 3600;

/// Finds the cluster that the keys with the prefix `gcloud_` name.
pub(crate) async fn find(context: &Context, source: &Source) -> Result<Cluster> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ClusterResponse {
        endpoint: Option<String>,
        master_auth: MasterAuth,
        private_cluster_config: Option<PrivateCluster>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct MasterAuth {
        cluster_ca_certificate: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct PrivateCluster {
        private_endpoint: Option<String>,
    }
    let http = context.http(source.http())?;
    let token = log_in(context, source).await?;
    let of_account = account(source)?.and_then(|account| account.project_id);
    let project = match trimmed(source.gcloud_project_name.as_ref()).map(str::to_owned).or(of_account) {
        Some(project) => project,
        None => metadata(context, "project/project-id").await?.text().await?.trim().to_owned(),
    };
    let zone = trimmed(source.gcloud_k8s_zone.as_ref()).unwrap_or_default();
    let name = trimmed(source.gcloud_k8s_cluster_name.as_ref()).unwrap_or_default();
    // gcloud reads this variable for its property `api_endpoint_overrides/container`.
    let api = context.variable("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER");
    let api = api.unwrap_or_else(|| "https://container.googleapis.com/".to_owned());
    let url = format!("{}/v1/projects/{project}/locations/{zone}/clusters/{name}", api.trim_end_matches('/'));
    let response = http.get(url).bearer(&token.secret).send().await;
    let response =
        response.with_context(|| format!("cannot find the cluster `{name}` in `{zone}` of the project `{project}`"));
    let found: ClusterResponse = response?.json().await?;
    let internal = found.private_cluster_config.and_then(|config| config.private_endpoint);
    let endpoint = if source.gcloud_use_internal_ip { internal } else { found.endpoint };
    let endpoint = endpoint.filter(|endpoint| !endpoint.is_empty());
    let endpoint = endpoint.ok_or_else(|| anyhow!("the cluster `{name}` has no such address (yet)"))?;
    Ok(Cluster {
        server: format!("https://{endpoint}"),
        authority: Some(decode_authority(&found.master_auth.cluster_ca_certificate)?),
        user: User::with_token(token),
        ..Cluster::default()
    })
}

/// Returns a new token of the service account in the source, or of the worker's service account.
pub(crate) async fn log_in(context: &Context, source: &Source) -> Result<Token> {
    let http = context.http(source.http())?;
    let granted = if let Some(account) = account(source)? {
        let granted = token_of_account(&http, &account).await;
        granted.with_context(|| format!("cannot log in as `{}`", account.client_email))?
    } else {
        let granted = token_of_worker(context).await;
        granted.context("cannot log in as the worker's own service account").hint(NO_WORKLOAD_IDENTITY)?
    };
    context.console().redactor().add(granted.access_token.expose());
    let expires = Timestamp::now().as_second().saturating_add(granted.expires_in.unwrap_or(ASSERTION_LIFETIME));
    Ok(Token { secret: granted.access_token, expires: Some(expires) })
}

/// The service account in the source; `None` if the worker's own is to be used.
fn account(source: &Source) -> Result<Option<ServiceAccount>> {
    let key = Secret::non_empty(source.gcloud_service_account_key_file.as_ref())
        .filter(|_| !source.gcloud_workload_identity_enabled);
    let parsed = key.map(|key| ServiceAccount::parse(key.expose())).transpose();
    parsed.map_err(|problem| anyhow!("`gcloud_service_account_key_file`: {problem}"))
}

const NO_WORKLOAD_IDENTITY: &str =
    "the worker must run on Google Cloud, under a service account that may use the cluster";

#[derive(Deserialize)]
struct TokenResponse {
    access_token: Secret,
    expires_in: Option<i64>,
}

/// Returns a token for a service account in exchange for an assertion that is signed with its key. See "Using OAuth 2.0 for Server
/// to Server Applications" in Google's documentation.
async fn token_of_account(http: &HttpClient, account: &ServiceAccount) -> Result<TokenResponse> {
    let key =
        SigningKey::parse(account.private_key.expose()).map_err(|problem| anyhow!("its `private_key` {problem}"))?;
    let now = Timestamp::now().as_second();
    let claims = json!({
        "iss": account.client_email, "scope": SCOPE, "aud": account.token_uri, "iat": now, "exp": now + ASSERTION_LIFETIME,
    });
    let header: Vec<(&str, &str)> = account.private_key_id.iter().map(|id| ("kid", id.as_str())).collect();
    let assertion = key.token(&header, &claims)?;
    let fields = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.expose())];
    // A retry may create a second token, which is harmless.
    http.post(&account.token_uri).form(fields).repeatable().send().await?.json().await
}

/// Returns a token of the worker's service account.
async fn token_of_worker(context: &Context) -> Result<TokenResponse> {
    metadata(context, "instance/service-accounts/default/token").await?.json().await
}

/// Reads from the metadata server, which is on the worker's own machine: no proxy is used.
async fn metadata(context: &Context, of: &str) -> Result<HttpResponse> {
    // Google's own libraries read this variable.
    let host = context.variable("GCE_METADATA_HOST").unwrap_or_else(|| "metadata.google.internal".to_owned());
    let retry = Retry { attempts: 2, ..Retry::default() };
    let http = context.http(HttpSettings { proxies: Proxies::None, retry, ..HttpSettings::default() })?;
    let url = format!("http://{host}/computeMetadata/v1/{of}");
    http.get(url).header("metadata-flavor", "Google").send().await
}
