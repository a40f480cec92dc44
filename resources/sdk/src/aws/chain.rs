//! The credentials of the worker itself, in the order in which the AWS CLI looks for them.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use serde::Deserialize;

use super::client::Aws;
use super::credentials::{Credentials, Role};
use super::token_service::assume_role_with_web_identity;
use crate::error::{Advise as _, Result};
use crate::http::{HttpClient, HttpSettings, Retry, StatusError, Url};
use crate::secret::Secret;

/// The service with a container's credentials (`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`).
const CONTAINER: &str = "http://169.254.170.2";

/// The hosts, besides loopback, to which requests for a container's credentials may use plain HTTP: those of ECS and
/// EKS.
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// The metadata service of an EC2 machine.
const MACHINE: &str = "http://169.254.169.254";

/// The timeout for a connection to the metadata service, which is on the machine itself.
const MACHINE_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns the credentials from the first source that has some.
pub(crate) async fn ambient(aws: &Aws) -> Result<Credentials> {
    let variable = |name: &str| aws.context.variable(name);
    if let (Some(id), Some(key)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        return Ok(Credentials {
            access_key_id: id,
            secret_access_key: Secret::new(key),
            session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
            expires: None,
        });
    }
    if let (Some(arn), Some(file)) = (variable("AWS_ROLE_ARN"), variable("AWS_WEB_IDENTITY_TOKEN_FILE")) {
        let session_name = variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "jetway".to_owned());
        let role = Role { arn, session_name, external_id: None };
        let assumed = async { assume_role_with_web_identity(aws, &role, &token_in(aws, &file)?).await };
        return assumed.await.with_context(|| format!("cannot assume the role `{}` by web identity", role.arn));
    }
    let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{CONTAINER}{path}"));
    if let Some(url) = relative.or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        return of_container(aws, &url).await.context("cannot get the container's credentials");
    }
    if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(anyhow!("there are no credentials for AWS").hint(NO_CREDENTIALS));
    }
    of_machine(aws).await.context("there are no credentials for AWS").hint(NO_CREDENTIALS)
}

/// The hint if no credentials are found.
const NO_CREDENTIALS: &str =
    "set an access key, or run the worker under a role (of its service account, task or machine)";

/// Reads a token from a file of the worker.
fn token_in(aws: &Aws, file: &str) -> Result<Secret> {
    let text =
        std::fs::read_to_string(Path::new(file)).with_context(|| format!("cannot read the token in `{file}`"))?;
    aws.context.console().redactor().add(&text);
    Ok(Secret::new(text))
}

/// The response of the credential services of containers and machines.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CredentialsResponse {
    access_key_id: String,
    secret_access_key: Secret,
    token: Option<Secret>,
    expiration: Option<String>,
}

impl CredentialsResponse {
    fn credentials(self) -> Result<Credentials> {
        let expires = self.expiration.map(|text| text.parse::<Timestamp>().context("cannot parse their expiration"));
        Ok(Credentials {
            access_key_id: self.access_key_id,
            secret_access_key: self.secret_access_key,
            session_token: self.token,
            expires: expires.transpose()?.map(Timestamp::as_second),
        })
    }
}

async fn of_container(aws: &Aws, url: &str) -> Result<Credentials> {
    if !is_of_container(url) {
        return Err(anyhow!(
            "`AWS_CONTAINER_CREDENTIALS_FULL_URI` names a host that must not be asked over plain HTTP"
        ));
    }
    let token = match aws.context.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => Some(token_in(aws, &file)?),
        None => aws.context.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::new),
    };
    let mut request = nearby(aws)?.get(url);
    if let Some(token) = &token {
        request = request.secret_header("authorization", token);
    }
    request.send().await?.json::<CredentialsResponse>().await?.credentials()
}

/// Whether a request for a container's credentials may use this URL.
fn is_of_container(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || is_loopback || CONTAINER_HOSTS.contains(&host)
}

/// The credentials of the machine's role, from its metadata service. Version 2 of its protocol requires a PUT first, which
/// protects from request forgery.
async fn of_machine(aws: &Aws) -> Result<Credentials> {
    let given = aws.context.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    let service = given.as_deref().unwrap_or(MACHINE).trim_end_matches('/').to_owned();
    let http = nearby(aws)?;
    let token = http
        .put(format!("{service}/latest/api/token"))
        .header("x-aws-ec2-metadata-token-ttl-seconds", "300")
        .send()
        .await?
        .text()
        .await?;
    let token = Secret::new(token);
    let roles = format!("{service}/latest/meta-data/iam/security-credentials/");
    let read = async |url: &str| http.get(url).secret_header("x-aws-ec2-metadata-token", &token).send().await;
    let role = match read(&roles).await {
        Ok(response) => response.text().await?,
        Err(error) if error.downcast_ref::<StatusError>().is_some_and(|response| response.status().as_u16() == 404) => {
            return Err(anyhow!("the machine has no role"));
        }
        Err(error) => return Err(error),
    };
    let role = role.lines().next().map(str::trim).filter(|role| !role.is_empty());
    let role = role.ok_or_else(|| anyhow!("the machine has no role"))?;
    read(&format!("{roles}{role}")).await?.json::<CredentialsResponse>().await?.credentials()
}

/// A client for a service of this machine.
fn nearby(aws: &Aws) -> Result<HttpClient> {
    let retry = Retry { attempts: 2, ..Retry::default() };
    aws.context.http(HttpSettings { connect_timeout: MACHINE_TIMEOUT, retry, ..HttpSettings::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_container_credentials_locally_or_over_tls() {
        for url in [
            "http://127.0.0.1:1/x",
            "http://[::1]/",
            "http://169.254.170.23/v1",
            "https://any.example/",
            "http://localhost/",
        ] {
            assert!(is_of_container(url), "{url}");
        }
        for url in ["http://any.example/", "http://169.254.169.254/", "ftp://127.0.0.1.example/", "x"] {
            assert!(!is_of_container(url), "{url}");
        }
    }
}
