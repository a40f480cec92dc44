//! Passwords for Amazon's registries (ECR), from their API.

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::client::Aws;
use super::credentials::{Credentials, Login};
use crate::error::{Advise as _, Result};
use crate::secret::Secret;

/// The login to the registry of an account. It is valid for twelve hours.
#[derive(Debug)]
pub struct RegistryLogin {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// The URL of the account's registry; empty if the API does not return it.
    pub address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationResponse {
    authorization_data: Vec<AuthorizationData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationData {
    authorization_token: Secret,
    proxy_endpoint: Option<String>,
}

impl Aws {
    /// Gets the login to the registries of the region.
    pub async fn registry_login(&self, login: &Login) -> Result<RegistryLogin> {
        let asked = async { self.registry_authorization(&self.log_in(login).await?).await };
        asked
            .await
            .with_context(|| format!("cannot get credentials for ECR in `{}`", self.region()))
            .hint("the credentials need the permission `ecr:GetAuthorizationToken`")
    }

    async fn registry_authorization(&self, credentials: &Credentials) -> Result<RegistryLogin> {
        // The AWS CLI derives the variable from `ecr` and the host from `api.ecr`.
        let given = self.context.variable("AWS_ENDPOINT_URL_ECR").map(|url| url.trim_end_matches('/').to_owned());
        let url = format!("{}/", given.unwrap_or_else(|| self.endpoint("api.ecr")));
        let request = self
            .http()
            .post(url)
            .header("x-amz-target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")
            .header("content-type", "application/x-amz-json-1.1")
            .body("{}")
            // A repeated request only issues another token.
            .repeatable();
        let response: AuthorizationResponse = self.sign(request, "ecr", credentials)?.send().await?.json().await?;
        let data =
            response.authorization_data.into_iter().next().ok_or_else(|| anyhow!("ECR returned no authorization"))?;
        let redactor = self.context.console().redactor();
        redactor.add(data.authorization_token.expose());
        let decoded = STANDARD.decode(data.authorization_token.expose().trim()).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let (user, password) = decoded
            .as_deref()
            .and_then(|text| text.split_once(':'))
            .ok_or_else(|| anyhow!("ECR returned an authorization without a user and password"))?;
        redactor.add(password);
        Ok(RegistryLogin {
            user: user.to_owned(),
            password: Secret::new(password),
            address: data.proxy_endpoint.unwrap_or_default(),
        })
    }
}
