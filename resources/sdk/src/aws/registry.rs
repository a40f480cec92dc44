//! Amazon's registries (ECR): the passwords that their API hands out.

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Aws, Credentials, Login};
use crate::error::{Advise as _, Result};
use crate::secret::Secret;

/// How to log in to the registry of an account. It holds for twelve hours.
#[derive(Debug)]
pub struct RegistryLogin {
    /// The user.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The address of the account's own registry, `https://...`; empty when the API does not say.
    pub address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    authorization_data: Vec<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    authorization_token: Secret,
    proxy_endpoint: Option<String>,
}

impl Aws {
    /// How the caller logs in to the registries of the region.
    pub async fn registry_login(&self, login: &Login) -> Result<RegistryLogin> {
        let asked = async { self.registry_authorization(&self.log_in(login).await?).await };
        asked
            .await
            .with_context(|| format!("cannot get credentials of ECR in `{}`", self.region()))
            .hint("the credentials need the permission `ecr:GetAuthorizationToken`")
    }

    async fn registry_authorization(&self, credentials: &Credentials) -> Result<RegistryLogin> {
        // The variable that Amazon's tools know has another name than the host.
        let given = self.context.variable("AWS_ENDPOINT_URL_ECR").map(|url| url.trim_end_matches('/').to_owned());
        let url = format!("{}/", given.unwrap_or_else(|| self.endpoint("api.ecr")));
        let request = self
            .http()
            .post(url)
            .header("x-amz-target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")
            .header("content-type", "application/x-amz-json-1.1")
            .body("{}")
            // It changes nothing but the time until which its answer is good.
            .repeatable();
        let answer: Answer = self.sign(request, "ecr", credentials)?.send().await?.json().await?;
        let data = answer.authorization_data.into_iter().next().ok_or_else(|| anyhow!("ECR gave no authorization"))?;
        let redactor = self.context.console().redactor();
        redactor.add(data.authorization_token.expose());
        let decoded = STANDARD.decode(data.authorization_token.expose().trim()).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let (user, password) = decoded
            .as_deref()
            .and_then(|text| text.split_once(':'))
            .ok_or_else(|| anyhow!("ECR gave an authorization that is no user and password"))?;
        redactor.add(password);
        Ok(RegistryLogin {
            user: user.to_owned(),
            password: Secret::new(password),
            address: data.proxy_endpoint.unwrap_or_default(),
        })
    }
}
