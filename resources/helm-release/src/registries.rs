//! Private registries of charts: logins for helm in a private file of Docker's form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::aws::{Aws, Login};
use jetway::{Problems, Result, Secret};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cluster::aws::{self, AwsUser, Role};
use crate::source::{given, set};
use crate::target::Target;

/// The names of Docker Hub, and the one under which helm looks for a login there, as Docker itself does.
const HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
const HUB_LOGIN: &str = "https://index.docker.io/v1/";

/// How many digits the number of an account of Amazon's has.
const ACCOUNT_DIGITS: usize = 12;

/// One registry, or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PrivateRegistries {
    /// One.
    One(Box<PrivateRegistry>),
    /// Several.
    Several(Vec<PrivateRegistry>),
}

/// A registry that puts log in to.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PrivateRegistry {
    /// A registry of Amazon's, by its own `user` and `role`, or those of `aws`, or else by the worker's own identity.
    pub ecr: Option<Ecr>,
    /// The registry's host, as it stands in `chart: oci://HOST/...`, with the port if it has one.
    pub host: Option<String>,
    /// The user to log in as.
    pub username: Option<String>,
    /// That user's password.
    pub password: Option<Secret>,
    /// Speak plain HTTP with it.
    #[serde(default)]
    pub plain_http: bool,
    /// Accept any certificate of its.
    #[serde(default)]
    pub insecure: bool,
}

/// A registry of Amazon's.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Ecr {
    /// Its region.
    pub region: String,
    /// The number of the account that it belongs to.
    pub account_id: String,
    /// The keys of a user to log in with.
    pub user: Option<AwsUser>,
    /// A role to assume: its ARN, or that with what else its owner asks for.
    pub role: Option<Role>,
    /// Taken for compatibility with the established resource, without effect: no file with profiles is written or read.
    #[allow(dead_code, reason = "it is documentation for the pipeline's reader")]
    pub profile: Option<String>,
}

impl Ecr {
    /// How to log in to Amazon for it; `None` when it does not say.
    fn login(&self) -> Option<Login> {
        let is_given = self.user.is_some() || self.role.is_some();
        is_given.then(|| aws::login_of(self.user.as_ref(), self.role.as_ref()))
    }
}

impl PrivateRegistries {
    fn all(&self) -> &[PrivateRegistry] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }

    /// Notes what is wrong.
    pub(crate) fn rules(&self, problems: &mut Problems) {
        for (index, registry) in self.all().iter().enumerate() {
            let place = match self {
                Self::One(_) => "private_registry".to_owned(),
                Self::Several(_) => format!("private_registry[{index}]"),
            };
            registry.rules(&place, problems);
        }
    }
}

impl PrivateRegistry {
    fn rules(&self, place: &str, problems: &mut Problems) {
        let at = |key: &str| format!("{place}.{key}");
        let (user, password) = (given(self.username.as_ref()), set(self.password.as_ref()));
        match (&self.ecr, given(self.host.as_ref())) {
            (Some(_), Some(_)) => problems.add(at("host"), "names another registry than `ecr` does; leave one out"),
            (None, None) => {
                problems.add_with_hint(at("host"), "required, but missing", "or `ecr`, for a registry of Amazon's");
            }
            (None, Some(host)) if host.contains("://") || host.contains('/') => {
                problems.add(at("host"), "expected a host without a scheme and a path, such as `registry.example.com`");
            }
            _ => {}
        }
        match (user, password) {
            (Some(_), None) => problems.add(at("password"), "required beside `username`, but missing"),
            (None, Some(_)) => problems.add(at("username"), "required beside `password`, but missing"),
            _ => {}
        }
        if let Some(ecr) = &self.ecr {
            let is_region = |text: &str| {
                !text.is_empty()
                    && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            };
            if !is_region(ecr.region.trim()) {
                problems.add(at("ecr.region"), "expected the name of a region, such as `eu-west-1`");
            }
            let account = ecr.account_id.trim();
            if account.len() != ACCOUNT_DIGITS || !account.bytes().all(|byte| byte.is_ascii_digit()) {
                problems.add_with_hint(
                    at("ecr.account_id"),
                    format!("expected {ACCOUNT_DIGITS} digits"),
                    "YAML takes a number that begins with 0 for another one, unless it is in quotes",
                );
            }
            if user.is_some() {
                problems.add(at("username"), "is nothing that goes with `ecr`");
            }
            if let Some(login) = ecr.login() {
                aws::login_rules(&at("ecr"), &login.roles, ecr.user.as_ref(), problems);
            }
        }
    }

    fn host(&self) -> Option<String> {
        match &self.ecr {
            Some(Ecr { region, account_id, .. }) => {
                let region = region.trim();
                let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                Some(format!("{}.dkr.ecr.{region}.{domain}", account_id.trim()))
            }
            None => given(self.host.as_ref()).map(str::to_owned),
        }
    }
}

impl Target<'_> {
    /// The registries of the params, and those of the source, of which the first one of a host counts.
    fn registries(&self) -> impl Iterator<Item = &PrivateRegistry> {
        let of_params = self.params.private_registry.as_ref().map(PrivateRegistries::all).unwrap_or_default();
        let of_source = self.source.private_registry.as_ref().map(PrivateRegistries::all).unwrap_or_default();
        of_params.iter().chain(of_source)
    }

    /// The options for a command that fetches from this address.
    pub(crate) fn registry_options(&self, address: &str) -> Vec<&'static str> {
        let asked = address.trim().strip_prefix("oci://").and_then(|rest| rest.split('/').next());
        let Some(asked) = asked else { return Vec::new() };
        let found = self.registries().find(|registry| registry.host().as_deref() == Some(asked));
        let Some(registry) = found else { return Vec::new() };
        let plain = registry.plain_http.then_some("--plain-http");
        let insecure = registry.insecure.then_some("--insecure-skip-tls-verify");
        plain.into_iter().chain(insecure).collect()
    }
}

/// Leaves helm the logins of all registries.
pub(crate) async fn log_in(target: &Target<'_>) -> Result<()> {
    let mut logins: Vec<(String, Secret)> = Vec::new();
    for registry in target.registries() {
        let Some(host) = registry.host() else { continue };
        if logins.iter().any(|(known, _)| *known == host) {
            continue;
        }
        let (user, password) = match &registry.ecr {
            Some(ecr) => amazon(target, ecr).await?,
            None => match (given(registry.username.as_ref()), set(registry.password.as_ref())) {
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

/// What Docker's own configuration says of these hosts and logins.
fn config(logins: &[(String, Secret)]) -> Value {
    let place = |host: &str| if HUB.contains(&host) { HUB_LOGIN.to_owned() } else { host.to_owned() };
    let logins = logins.iter().map(|(host, login)| (place(host), json!({ "auth": login.expose() })));
    json!({ "auths": logins.collect::<Map<_, _>>() })
}

async fn amazon(target: &Target<'_>, ecr: &Ecr) -> Result<(String, Secret)> {
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
    fn logins_stand_where_helm_looks_for_them() {
        let of = |host: &str| config(&[(host.to_owned(), Secret::new("dTpw"))]);
        let hub = json!({ "auths": { "https://index.docker.io/v1/": { "auth": "dTpw" } } });
        for host in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(of(host), hub, "{host}");
        }
        let other = json!({ "auths": { "registry.example.com:5000": { "auth": "dTpw" } } });
        assert_eq!(of("registry.example.com:5000"), other);
    }
}
