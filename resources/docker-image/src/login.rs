//! What a registry is asked with.

use jetway::Secret;

/// What a registry is told of who asks.
#[derive(Debug, Clone, Default)]
pub(crate) enum Login {
    /// Nothing.
    #[default]
    Anonymous,
    /// A user and a password.
    Password { user: String, password: Secret },
    /// A token that is good for nothing but tokens.
    Refresh(Secret),
}

impl Login {
    pub(crate) fn password(user: &str, password: &Secret) -> Self {
        Self::Password { user: user.to_owned(), password: password.clone() }
    }
}
