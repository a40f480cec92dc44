//! The keys of a source that name a cluster of Amazon's Elastic Kubernetes Service, and those of a login to Amazon.

use jetway::aws::{Credentials, Login, Role as AssumedRole};
use jetway::{Problems, Secret, trimmed};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// The session name of an assumed role, as in the established resource.
const SESSION: &str = "EKSAssumeRoleSession";

/// A cluster of Amazon's, and its login.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Aws {
    /// The region of the cluster, such as `eu-west-1`.
    pub region: String,

    /// The name of the cluster.
    pub cluster_name: String,

    /// A role to assume: its ARN, or keys for the ARN and its session.
    pub role: Option<Role>,

    /// The ARN of a role to assume; `role` has precedence.
    pub role_arn: Option<String>,

    /// The keys of a user. The default is the worker's own identity: a web identity, or the role of its container or machine.
    pub user: Option<AwsUser>,

    /// Accepted for compatibility with the established resource, without effect: no profile is written.
    #[allow(dead_code, reason = "it is documentation for the pipeline's reader")]
    pub profile: Option<String>,
}

/// A role in AWS.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Role {
    /// Its ARN.
    Arn(String),
    /// The ARN, with settings of the session.
    More {
        /// The ARN of the role, `arn:aws:iam::123456789012:role/deployer`.
        arn: String,
        /// The session name in Amazon's logs; the default is `EKSAssumeRoleSession`.
        session_name: Option<String>,
        /// The external ID that the role's trust policy requires.
        external_id: Option<String>,
    },
}

/// The keys of a user.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct AwsUser {
    /// The ID of the key.
    pub access_key_id: String,
    /// The secret key.
    pub secret_access_key: Secret,
    /// The session token of temporary keys.
    pub session_token: Option<Secret>,
    /// A role to assume with these keys.
    pub role_arn: Option<String>,
}

impl Aws {
    pub(crate) fn validate(&self, problems: &mut Problems) {
        let is_name = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !is_name(self.cluster_name.trim()) {
            problems.add("aws.cluster_name", format!("`{}` is not a valid cluster name", self.cluster_name));
        }
        if !is_name(self.region.trim()) {
            problems.add("aws.region", format!("`{}` is not a valid region", self.region));
        }
        validate_login("aws", &self.roles(), self.user.as_ref(), problems);
    }

    /// The keys in the form of a source, for the program that renews the token. They contain secrets.
    pub(crate) fn to_json(&self) -> Value {
        let roles = self.roles();
        let role = roles.last().filter(|_| self.role.is_some() || self.role_arn.is_some());
        let secret = |secret: &Secret| secret.expose().to_owned();
        let user = self.user.as_ref().map(|user| {
            json!({
                "access_key_id": user.access_key_id, "secret_access_key": secret(&user.secret_access_key),
                "session_token": user.session_token.as_ref().map(secret), "role_arn": user.role_arn,
            })
        });
        let role = role
            .map(|role| json!({ "arn": role.arn, "session_name": role.session_name, "external_id": role.external_id }));
        json!({ "region": self.region, "cluster_name": self.cluster_name, "user": user, "role": role })
    }

    fn roles(&self) -> Vec<AssumedRole> {
        let role = assumed_role(self.role.as_ref()).or_else(|| trimmed(self.role_arn.as_ref()).map(plain_role));
        roles(self.user.as_ref(), role)
    }

    /// The login to Amazon's services.
    pub(crate) fn login(&self) -> Login {
        Login { keys: self.user.as_ref().map(AwsUser::credentials), roles: self.roles() }
    }
}

impl AwsUser {
    fn credentials(&self) -> Credentials {
        Credentials {
            access_key_id: self.access_key_id.trim().to_owned(),
            secret_access_key: Secret::new(self.secret_access_key.expose().trim()),
            session_token: Secret::non_empty(self.session_token.as_ref())
                .map(|token| Secret::new(token.expose().trim())),
            expires: None,
        }
    }
}

/// The login with these keys and this role, for another service than the cluster.
pub(crate) fn service_login(user: Option<&AwsUser>, role: Option<&Role>) -> Login {
    Login { keys: user.map(AwsUser::credentials), roles: roles(user, assumed_role(role)) }
}

/// Notes what is wrong with keys and roles below `place`.
pub(crate) fn validate_login(place: &str, roles: &[AssumedRole], user: Option<&AwsUser>, problems: &mut Problems) {
    for role in roles.iter().filter(|role| !role.arn.starts_with("arn:")) {
        problems.add(
            format!("{place}.role"),
            format!("expected the ARN of a role, `arn:aws:iam::ACCOUNT:role/NAME`, found `{}`", role.arn),
        );
    }
    if let Some(user) = user
        && (user.access_key_id.trim().is_empty() || Secret::non_empty(Some(&user.secret_access_key)).is_none())
    {
        problems.add(format!("{place}.user"), "must have both `access_key_id` and `secret_access_key`");
    }
}

fn plain_role(arn: &str) -> AssumedRole {
    AssumedRole { arn: arn.to_owned(), session_name: SESSION.to_owned(), external_id: None }
}

fn assumed_role(role: Option<&Role>) -> Option<AssumedRole> {
    match role? {
        Role::Arn(arn) => trimmed(Some(arn)).map(plain_role),
        Role::More { arn, session_name, external_id } => Some(AssumedRole {
            arn: arn.trim().to_owned(),
            session_name: trimmed(session_name.as_ref()).unwrap_or(SESSION).to_owned(),
            external_id: trimmed(external_id.as_ref()).map(str::to_owned),
        }),
    }
}

/// The roles to assume, in this order: the user's own, and then `role`.
fn roles(user: Option<&AwsUser>, role: Option<AssumedRole>) -> Vec<AssumedRole> {
    let of_user = user.and_then(|user| trimmed(user.role_arn.as_ref())).map(plain_role);
    of_user.into_iter().chain(role).collect()
}
