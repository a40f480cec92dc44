//! The private registries of charts that a source or the params name.

use jetway::aws::Login;
use jetway::{Problems, Secret, trimmed};
use schemars::JsonSchema;
use serde::Deserialize;

use super::aws::{self, AwsUser, Role};

/// The number of digits of an AWS account.
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

/// A registry to log in to.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PrivateRegistry {
    /// A registry of Amazon (ECR), with its own `user` and `role`, or those of `aws`, or else the worker's own identity.
    pub ecr: Option<Ecr>,
    /// The registry's host, as in `chart: oci://HOST/...`, with the port if it has one.
    pub host: Option<String>,
    /// The user to log in as.
    pub username: Option<String>,
    /// That user's password.
    pub password: Option<Secret>,
    /// Use plain HTTP.
    #[serde(default)]
    pub plain_http: bool,
    /// Accept any certificate of the registry.
    #[serde(default)]
    pub insecure: bool,
}

/// A registry of Amazon.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Ecr {
    /// Its region.
    pub region: String,
    /// The number of its AWS account.
    pub account_id: String,
    /// The keys of a user to log in with.
    pub user: Option<AwsUser>,
    /// A role to assume: its ARN, or keys for the ARN and its session.
    pub role: Option<Role>,
    /// Accepted for compatibility with the established resource, without effect: no profile is written or read.
    #[allow(dead_code, reason = "it is documentation for the pipeline's reader")]
    pub profile: Option<String>,
}

impl Ecr {
    /// The login to Amazon; `None` if the keys have none.
    pub(crate) fn login(&self) -> Option<Login> {
        let is_given = self.user.is_some() || self.role.is_some();
        is_given.then(|| aws::service_login(self.user.as_ref(), self.role.as_ref()))
    }
}

impl PrivateRegistries {
    /// The registries, one by one.
    pub(crate) fn all(&self) -> &[PrivateRegistry] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }

    /// Notes what is wrong.
    pub(crate) fn validate(&self, problems: &mut Problems) {
        for (index, registry) in self.all().iter().enumerate() {
            let place = match self {
                Self::One(_) => "private_registry".to_owned(),
                Self::Several(_) => format!("private_registry[{index}]"),
            };
            registry.validate(&place, problems);
        }
    }
}

impl PrivateRegistry {
    fn validate(&self, place: &str, problems: &mut Problems) {
        let at = |key: &str| format!("{place}.{key}");
        let (user, password) = (trimmed(self.username.as_ref()), Secret::non_empty(self.password.as_ref()));
        match (&self.ecr, trimmed(self.host.as_ref())) {
            (Some(_), Some(_)) => problems.add(at("host"), "conflicts with `ecr`; remove one"),
            (None, None) => {
                problems.add_with_hint(
                    at("host"),
                    "required, but missing",
                    "set `ecr` instead for a registry of Amazon",
                );
            }
            (None, Some(host)) if host.contains("://") || host.contains('/') => {
                problems.add(at("host"), "expected a host without a scheme and a path, such as `registry.example.com`");
            }
            _ => {}
        }
        match (user, password) {
            (Some(_), None) => problems.add(at("password"), "required with `username`, but missing"),
            (None, Some(_)) => problems.add(at("username"), "required with `password`, but missing"),
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
                    "put it in quotes: YAML reads a number that begins with 0 as octal",
                );
            }
            if user.is_some() {
                problems.add(at("username"), "excludes `ecr`");
            }
            if let Some(login) = ecr.login() {
                aws::validate_login(&at("ecr"), &login.roles, ecr.user.as_ref(), problems);
            }
        }
    }

    /// The host of the registry.
    pub(crate) fn host(&self) -> Option<String> {
        match &self.ecr {
            Some(Ecr { region, account_id, .. }) => {
                let region = region.trim();
                let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                Some(format!("{}.dkr.ecr.{region}.{domain}", account_id.trim()))
            }
            None => trimmed(self.host.as_ref()).map(str::to_owned),
        }
    }
}
