//! Credentials, and the ways to them that a pipeline can name.

use crate::secret::Secret;

/// Keys that requests are signed with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The key's id, which is no secret.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: Secret,
    /// What temporary keys are worth nothing without.
    pub session_token: Option<Secret>,
    /// When temporary keys end, in seconds since 1970.
    pub expires: Option<i64>,
}

/// How to get credentials.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// Keys that are given; without any, those that the worker may use: of its environment, of a web identity, of its
    /// container, of its machine, in that order.
    pub keys: Option<Credentials>,
    /// Roles to assume, each by the credentials of the one before.
    pub roles: Vec<Role>,
}

/// A role to assume.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its name in full, `arn:aws:iam::123456789012:role/deployer`.
    pub arn: String,
    /// What the session is called in Amazon's logs.
    pub session_name: String,
    /// What the role's owner asks for, when it is somebody else's.
    pub external_id: Option<String>,
}
