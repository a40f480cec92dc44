//! The credentials for a registry.

use jetway::Secret;

/// The credentials for a registry.
#[derive(Debug, Clone, Default)]
pub(crate) enum Login {
    /// No credentials.
    #[default]
    Anonymous,
    /// A user and a password.
    Password { user: String, password: Secret },
    /// A refresh token, which is only good for requesting tokens.
    Refresh(Secret),
}

impl Login {
    pub(crate) fn password(user: &str, password: &Secret) -> Self {
        Self::Password { user: user.to_owned(), password: password.clone() }
    }
}
