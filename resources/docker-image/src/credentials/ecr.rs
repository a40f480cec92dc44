//! Amazon's registries (ECR): their names, and the passwords that their API hands out.

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::aws::Aws;
use jetway::http::HttpSettings;
use jetway::{Advise as _, Context, Result, Secret};
use serde::Deserialize;

use super::Login;
use crate::reference::{Repository, registry_of};
use crate::source::{Source, set};

/// The repository with its registry's full name, and how to log in there; `None` when this is no registry of Amazon's.
pub(crate) async fn find(
    context: &Context,
    source: &Source,
    repository: &Repository,
) -> Result<Option<(Repository, Login)>> {
    let host = Host::of(repository.registry());
    let region = match (set(source.aws_region.as_deref()), &host) {
        (Some(region), _) => region.to_owned(),
        // Credentials that are given are for the registry itself.
        (None, Some(host)) if source.login().is_none() => host.region.to_owned(),
        _ => return Ok(None),
    };
    let aws = Aws::new(context, context.http(HttpSettings::default())?, &region)?;
    let log_in = async {
        let credentials = aws.log_in(&source.aws_login()).await?;
        authorization(context, &aws, &credentials).await
    };
    let given = log_in
        .await
        .with_context(|| format!("cannot get credentials of ECR in `{region}`"))
        .hint("the credentials need the permission `ecr:GetAuthorizationToken`")?;
    let repository = match (host, set(source.aws_account_id.as_deref())) {
        (Some(_), _) => repository.clone(),
        (None, Some(account)) => {
            if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(anyhow!("`aws_account_id` must be 12 digits"));
            }
            let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            below(&format!("{account}.dkr.ecr.{region}.{domain}"), repository)?
        }
        (None, None) => below(&given.registry, repository)?,
    };
    Ok(Some((repository, Login::Password { user: given.user, password: given.password })))
}

/// The repository in a registry that its own name leaves out.
fn below(registry: &str, repository: &Repository) -> Result<Repository> {
    Repository::new(registry, &repository.to_string()).map_err(|problem| anyhow!("`repository`: {problem}"))
}

/// What the API gives.
struct Given {
    user: String,
    password: Secret,
    registry: String,
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

async fn authorization(context: &Context, aws: &Aws, credentials: &jetway::aws::Credentials) -> Result<Given> {
    // The variable that Amazon's tools know has another name than the host.
    let given = context.variable("AWS_ENDPOINT_URL_ECR").map(|url| url.trim_end_matches('/').to_owned());
    let url = format!("{}/", given.unwrap_or_else(|| aws.endpoint("api.ecr")));
    let request = aws
        .http()
        .post(url)
        .header("x-amz-target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")
        .header("content-type", "application/x-amz-json-1.1")
        .body("{}")
        // It changes nothing but the time until which its answer is good.
        .repeatable();
    let answer: Answer = aws.sign(request, "ecr", credentials)?.send().await?.json().await?;
    let data = answer.authorization_data.into_iter().next().ok_or_else(|| anyhow!("ECR gave no authorization"))?;
    let redactor = context.console().redactor();
    redactor.add(data.authorization_token.expose());
    let decoded = STANDARD.decode(data.authorization_token.expose().trim()).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let (user, password) = decoded
        .as_deref()
        .and_then(|text| text.split_once(':'))
        .ok_or_else(|| anyhow!("ECR gave an authorization that is no user and password"))?;
    redactor.add(password);
    let registry = data.proxy_endpoint.unwrap_or_default();
    let (registry, _) = registry_of(&registry).map_err(|problem| anyhow!("ECR named no registry: {problem}"))?;
    Ok(Given { user: user.to_owned(), password: Secret::new(password), registry })
}

/// What the name of a registry of Amazon's says.
#[derive(Debug, PartialEq, Eq)]
struct Host<'h> {
    region: &'h str,
}

impl<'h> Host<'h> {
    /// `ACCOUNT.dkr.ecr.REGION.amazonaws.com`, `ACCOUNT.dkr.ecr-fips.REGION.amazonaws.com`, `ACCOUNT.dkr-ecr.REGION.on.aws`.
    fn of(registry: &'h str) -> Option<Self> {
        let (account, rest) = registry.split_once(".dkr")?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let rest =
            [".ecr.", ".ecr-fips.", "-ecr.", "-ecr-fips."].iter().find_map(|service| rest.strip_prefix(service))?;
        let (region, domain) = rest.split_once('.')?;
        ["amazonaws.com", "amazonaws.com.cn", "on.aws", "on.amazonwebservices.com.cn"]
            .contains(&domain)
            .then_some(Self { region })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_of_amazons_tells_its_region() {
        let region = |host: &str| Host::of(host).map(|host| host.region.to_owned());
        for (host, of) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
            ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "us-east-1"),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
        ] {
            assert_eq!(region(host).as_deref(), Some(of), "{host}");
        }
        for host in [
            "dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
            "public.ecr.aws",
            "x.dkr.ecr.eu-west-1.amazonaws.com",
        ] {
            assert_eq!(region(host), None, "{host}");
        }
    }
}
