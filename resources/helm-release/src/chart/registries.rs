//! Private registries of charts: writes helm's logins into a private file in Docker's format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::aws::Aws;
use jetway::{Result, Secret, trimmed};
use serde_json::{Map, Value, json};

use crate::source::aws;
use crate::source::registry::{Ecr, PrivateRegistries, PrivateRegistry};
use crate::target::Target;

/// The names of Docker Hub, and the key under which helm and Docker store a login there.
const HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
const HUB_LOGIN: &str = "https://index.docker.io/v1/";

/// The registries of the params, then those of the source. The first one of a host has precedence.
fn all<'t>(target: &'t Target<'_>) -> impl Iterator<Item = &'t PrivateRegistry> {
    let of_params = target.params.private_registry.as_ref().map(PrivateRegistries::all).unwrap_or_default();
    let of_source = target.source.private_registry.as_ref().map(PrivateRegistries::all).unwrap_or_default();
    of_params.iter().chain(of_source)
}

/// The options for a command that fetches from this address.
pub(crate) fn options(target: &Target<'_>, address: &str) -> Vec<&'static str> {
    let host = address.trim().strip_prefix("oci://").and_then(|rest| rest.split('/').next());
    let Some(host) = host else { return Vec::new() };
    let found = all(target).find(|registry| registry.host().as_deref() == Some(host));
    let Some(registry) = found else { return Vec::new() };
    let plain = registry.plain_http.then_some("--plain-http");
    let insecure = registry.insecure.then_some("--insecure-skip-tls-verify");
    plain.into_iter().chain(insecure).collect()
}

/// Writes the logins of all registries for helm.
pub(crate) async fn log_in(target: &Target<'_>) -> Result<()> {
    let mut logins: Vec<(String, Secret)> = Vec::new();
    for registry in all(target) {
        let Some(host) = registry.host() else { continue };
        if logins.iter().any(|(known, _)| *known == host) {
            continue;
        }
        let (user, password) = match &registry.ecr {
            Some(ecr) => ecr_login(target, ecr).await?,
            None => match (trimmed(registry.username.as_ref()), Secret::non_empty(registry.password.as_ref())) {
                (Some(user), Some(password)) => (user.to_owned(), password.clone()),
                _ => continue,
            },
        };
        let login = Secret::new(STANDARD.encode(format!("{user}:{}", password.expose())));
        target.context.console().redactor().add(login.expose());
        logins.push((host, login));
    }
    if logins.is_empty() {
        return Ok(());
    }
    target.helm.configure("registry/config.json", config(&logins).to_string().as_bytes())
}

/// The logins in the format of Docker's configuration.
fn config(logins: &[(String, Secret)]) -> Value {
    let place = |host: &str| if HUB.contains(&host) { HUB_LOGIN.to_owned() } else { host.to_owned() };
    let logins = logins.iter().map(|(host, login)| (place(host), json!({ "auth": login.expose() })));
    json!({ "auths": logins.collect::<Map<_, _>>() })
}

async fn ecr_login(target: &Target<'_>, ecr: &Ecr) -> Result<(String, Secret)> {
    let Target { context, source, .. } = target;
    let aws = Aws::new(context, context.http(source.http())?, ecr.region.trim())?;
    let login = ecr.login().or_else(|| source.aws.as_ref().map(aws::Aws::login)).unwrap_or_default();
    let given = aws.registry_login(&login).await?;
    Ok((given.user, given.password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_logins_under_the_keys_that_helm_reads() {
        let of = |host: &str| config(&[(host.to_owned(), Secret::new("dTpw"))]);
        let hub = json!({ "auths": { "https://index.docker.io/v1/": { "auth": "dTpw" } } });
        for host in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(of(host), hub, "{host}");
        }
        let other = json!({ "auths": { "registry.example.com:5000": { "auth": "dTpw" } } });
        assert_eq!(of("registry.example.com:5000"), other);
    }
}
