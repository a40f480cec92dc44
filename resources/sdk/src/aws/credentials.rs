//! Credentials, and how a pipeline can provide them.

use crate::secret::Secret;

/// The keys that sign requests.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The id of the access key, which is not secret.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: Secret,
    /// The session token, which temporary keys require.
    pub session_token: Option<Secret>,
    /// When temporary keys expire, in seconds since 1970.
    pub expires: Option<i64>,
}

/// How to get credentials.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// The given keys. Without keys, the worker's identity is used: from its environment, a web identity, its
    /// container, or its machine, in this order.
    pub keys: Option<Credentials>,
    /// The roles to assume, each with the credentials of the previous one.
    pub roles: Vec<Role>,
}

/// A role to assume.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its ARN, such as `arn:aws:iam::123456789012:role/deployer`.
    pub arn: String,
    /// The name of the session in AWS logs.
    pub session_name: String,
    /// The external id, if the role of another account requires one.
    pub external_id: Option<String>,
}
