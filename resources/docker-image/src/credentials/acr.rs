//! Azure Container Registry (ACR): a password for the worker's identity.
//!
//! The registry exchanges the identity's Azure token for a refresh token, which is used as a password. Other
//! credentials need no exchange: a service principal, a registry token and the registry's administrator have a user and
//! a password.

use anyhow::{Context as _, anyhow};
use jetway::http::{HttpResponse, HttpSettings, Method, Retry, StatusCode, Url};
use jetway::{Advise as _, Context, Result, Secret, trimmed};
use serde::Deserialize;
use std::time::Duration;

use crate::login::Login;
use crate::reference::Repository;
use crate::registry::challenge::bearer_parameter;
use crate::registry::{Access, Registry};
use crate::source::Source;

/// The user name for a refresh token.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// The instance metadata service. `AZURE_POD_IDENTITY_AUTHORITY_HOST` overrides it, as for Azure's own tools.
const MACHINE: &str = "http://169.254.169.254";

/// The connect timeout of the metadata service: it is on the machine itself, or does not exist.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// The tenant to use if none is known.
const ANY_TENANT: &str = "common";

/// The largest response that is read, in bytes.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;

/// One of Azure's clouds, which are separate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cloud {
    Public,
    Government,
    China,
}

impl Cloud {
    /// Parses a cloud's name as Azure's tools do: `AzurePublic`, `AzureUSGovernment`, `AzureChinaCloud`.
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().trim_end_matches("cloud") {
            "azurepublic" | "azure" => Some(Self::Public),
            "azuregovernment" | "azureusgovernment" => Some(Self::Government),
            "azurechina" => Some(Self::China),
            _ => None,
        }
    }

    /// The cloud of a registry, from its host name.
    fn of(registry: &str) -> Self {
        let host = registry.split(':').next().unwrap_or_default();
        match host.rsplit_once(".azurecr.").map(|(_, end)| end) {
            Some("us") => Self::Government,
            Some("cn") => Self::China,
            _ => Self::Public,
        }
    }

    /// The audience of the Azure token.
    fn resource(self) -> &'static str {
        match self {
            Self::Public => "https://management.azure.com",
            Self::Government => "https://management.usgovcloudapi.net",
            Self::China => "https://management.chinacloudapi.cn",
        }
    }

    /// The identity provider.
    fn authority(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::Government => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
        }
    }
}

/// The login to the registry of `repository`; `None` if the source does not enable ACR.
pub(crate) async fn find(context: &Context, source: &Source, repository: &Repository) -> Result<Option<Login>> {
    if !source.azure_acr {
        return Ok(None);
    }
    let host = repository.registry();
    let named = trimmed(source.azure_environment.as_deref());
    let cloud = named.and_then(Cloud::named);
    if let (Some(name), None) = (named, cloud) {
        context.console().warn(format_args!(
            "`azure_environment`: unknown value `{name}` (expected `AzurePublic`, `AzureGovernment` or `AzureChina`); falling back to the registry's name"
        ));
    }
    let identity = Identity { context, source, cloud: cloud.unwrap_or_else(|| Cloud::of(host)) };
    let log_in = async {
        let token = identity.token().await?;
        context.console().redactor().add(token.expose());
        exchange(context, source, repository, &token).await
    };
    let password = log_in.await.with_context(|| format!("cannot get Azure credentials for `{host}`"))?;
    context.console().redactor().add(password.expose());
    Ok(Some(Login::password(NOBODY, &password)))
}

/// The worker's Azure identity.
struct Identity<'i> {
    context: &'i Context,
    source: &'i Source,
    cloud: Cloud,
}

#[derive(Deserialize)]
struct Token {
    access_token: Secret,
}

impl Identity<'_> {
    /// Requests an Azure token: by workload identity if the cluster provides one, else by the machine's managed
    /// identity.
    async fn token(&self) -> Result<Secret> {
        match self.context.variable("AZURE_FEDERATED_TOKEN_FILE") {
            Some(file) => self.of_cluster(&file).await.context("cannot get a token for the workload identity"),
            None => self.of_machine().await.context("cannot get a token for the managed identity").hint(
                "the machine requires a managed identity with the role `AcrPull` or `AcrPush`; if it has several, set `azure_client_id`",
            ),
        }
    }

    async fn of_machine(&self) -> Result<Secret> {
        let retry = Retry { attempts: 3, ..Retry::default() };
        let http =
            self.context.http(HttpSettings { connect_timeout: METADATA_TIMEOUT, retry, ..HttpSettings::default() })?;
        let given = self.context.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");
        let service = given.as_deref().unwrap_or(MACHINE).trim_end_matches('/');
        let mut request = http
            .get(format!("{service}/metadata/identity/oauth2/token"))
            // The service requires this header, which a forged request (SSRF) cannot send.
            .header("metadata", "true")
            .query("api-version", "2018-02-01")
            .query("resource", self.cloud.resource());
        if let Some(client) = trimmed(self.source.azure_client_id.as_deref()) {
            request = request.query("client_id", client);
        }
        read::<Token>(request.send().await?).await.map(|token| token.access_token)
    }

    /// Exchanges the cluster's service account token for an Azure token ("workload identity").
    async fn of_cluster(&self, file: &str) -> Result<Secret> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the token in `{file}`"))?;
        let ours = Secret::new(text.trim());
        self.context.console().redactor().add(ours.expose());
        let known = |key: &Option<String>, variable: &str| {
            let given = trimmed(key.as_deref()).map(str::to_owned).or_else(|| self.context.variable(variable));
            given.ok_or_else(|| {
                anyhow!("the environment variable `{variable}` is not set, and the source has no value for it")
            })
        };
        let client = known(&self.source.azure_client_id, "AZURE_CLIENT_ID")?;
        let tenant = known(&self.source.azure_tenant_id, "AZURE_TENANT_ID")?;
        let authority = self.context.variable("AZURE_AUTHORITY_HOST");
        let authority = authority.as_deref().unwrap_or(self.cloud.authority());
        let mut url = Url::parse(authority).map_err(|_| anyhow!("`AZURE_AUTHORITY_HOST` is not a valid URL"))?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend([tenant.as_str(), "oauth2", "v2.0", "token"]);
        }
        let scope = format!("{}/.default", self.cloud.resource());
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", &client),
            ("scope", &scope),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", ours.expose()),
        ];
        let http = self.context.http(HttpSettings::default())?;
        let answer = http.post(url).form(fields).repeatable().send().await?;
        read::<Token>(answer).await.map(|token| token.access_token)
    }
}

#[derive(Deserialize)]
struct Exchanged {
    refresh_token: Secret,
}

/// Exchanges an Azure token for the registry's refresh token.
async fn exchange(context: &Context, source: &Source, repository: &Repository, token: &Secret) -> Result<Secret> {
    let registry = Registry::new(context, source, repository.clone(), true, Login::Anonymous, Access::Pull)?;
    let tenant = match trimmed(source.azure_tenant_id.as_deref()) {
        Some(tenant) => tenant.to_owned(),
        None => tenant_of(&registry).await.unwrap_or_else(|| ANY_TENANT.to_owned()),
    };
    let host = repository.registry();
    let fields =
        [("grant_type", "access_token"), ("service", host), ("tenant", &tenant), ("access_token", token.expose())];
    let asked = registry.send_to_host(Method::POST, "/oauth2/exchange", |request| request.form(fields).repeatable());
    let exchanged = async { read::<Exchanged>(asked.await?).await }.await;
    let exchanged = exchanged.context("the registry rejected the token of the identity").hint(
        "the identity requires pull or push access to the registry; if its tenant cannot be detected, set `azure_tenant_id`",
    )?;
    if exchanged.refresh_token.is_empty() {
        return Err(anyhow!("the registry's response to the token of the identity is empty"));
    }
    Ok(exchanged.refresh_token)
}

/// The tenant in the registry's challenge. Not all registries name it. Errors are ignored, since the later request
/// reports them better.
async fn tenant_of(registry: &Registry<'_>) -> Option<String> {
    let ping = registry.send_to_host(Method::GET, "/v2/", |request| request.allow(StatusCode::UNAUTHORIZED));
    bearer_parameter(&ping.await.ok()?, "tenant").filter(|tenant| !tenant.is_empty())
}

/// Parses a response. It holds a secret, which the parser's error would repeat.
async fn read<T: serde::de::DeserializeOwned>(response: HttpResponse) -> Result<T> {
    let body = response.bytes(MAX_RESPONSE_BYTES).await?;
    serde_json::from_slice(&body).map_err(|_| anyhow!("the response is not JSON with a token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_cloud_by_key_or_registry() {
        for (name, cloud) in [
            ("AzurePublic", Cloud::Public),
            ("AzureGovernment", Cloud::Government),
            ("AzureUSGovernmentCloud", Cloud::Government),
            ("azurechina", Cloud::China),
            ("AzureChinaCloud", Cloud::China),
        ] {
            assert_eq!(Cloud::named(name), Some(cloud), "{name}");
        }
        assert_eq!(Cloud::named("AzureGermanCloud"), None);
        for (registry, cloud) in [
            ("team.azurecr.io", Cloud::Public),
            ("team.azurecr.us", Cloud::Government),
            ("team.azurecr.cn:443", Cloud::China),
            ("registry.example.cn", Cloud::Public),
        ] {
            assert_eq!(Cloud::of(registry), cloud, "{registry}");
        }
    }
}
