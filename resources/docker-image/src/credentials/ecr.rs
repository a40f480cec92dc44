//! Amazon Elastic Container Registry (ECR): host names, and the login.

use anyhow::anyhow;
use jetway::aws::Aws;
use jetway::http::HttpSettings;
use jetway::{Context, Result, trimmed};

use crate::login::Login;
use crate::reference::{Repository, registry_of};
use crate::source::Source;

/// The repository with its registry's full name, and the login; `None` if it is not on ECR.
pub(crate) async fn find(
    context: &Context,
    source: &Source,
    repository: &Repository,
) -> Result<Option<(Repository, Login)>> {
    let host = Host::of(repository.registry());
    let region = match (trimmed(source.aws_region.as_deref()), &host) {
        (Some(region), _) => region.to_owned(),
        // If the source has credentials, they are for the registry itself, not for AWS.
        (None, Some(host)) if source.login().is_none() => host.region.to_owned(),
        _ => return Ok(None),
    };
    let aws = Aws::new(context, context.http(HttpSettings::default())?, &region)?;
    let given = aws.registry_login(&source.aws_login()).await?;
    let repository = match (host, trimmed(source.aws_account_id.as_deref())) {
        (Some(_), _) => repository.clone(),
        (None, Some(account)) => {
            if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(anyhow!("`aws_account_id` must be 12 digits"));
            }
            let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            below(&format!("{account}.dkr.ecr.{region}.{domain}"), &source.repository)?
        }
        (None, None) => {
            let (registry, _) =
                registry_of(&given.address).map_err(|problem| anyhow!("ECR returned no valid registry: {problem}"))?;
            below(&registry, &source.repository)?
        }
    };
    Ok(Some((repository, Login::Password { user: given.user, password: given.password })))
}

/// The login to a registry, if it is on ECR.
pub(crate) async fn login_to(context: &Context, source: &Source, registry: &str) -> Result<Option<Login>> {
    let Some(host) = Host::of(registry) else { return Ok(None) };
    let aws = Aws::new(context, context.http(HttpSettings::default())?, host.region)?;
    let given = aws.registry_login(&source.aws_login()).await?;
    Ok(Some(Login::Password { user: given.user, password: given.password }))
}

/// The repository in an ECR registry, when its name has no host. It is used as written: only Docker Hub adds
/// `library/`.
fn below(registry: &str, written: &str) -> Result<Repository> {
    Repository::new(registry, written.trim()).map_err(|problem| anyhow!("`repository`: {problem}"))
}

/// The parts of an ECR host name.
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
    fn repository_of_ecr_registry_is_unchanged() {
        for path in ["app", "library/app", "team/library/app"] {
            assert_eq!(below("123456789012.dkr.ecr.eu-west-1.amazonaws.com", path).unwrap().path(), path);
        }
    }

    #[test]
    fn ecr_registry_contains_its_region() {
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
