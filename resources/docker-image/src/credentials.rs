//! Credentials: whose they are, and for which registry.

pub(crate) mod acr;
pub(crate) mod docker_config;
pub(crate) mod ecr;

use jetway::Secret;

use crate::reference::registry_of;
use crate::source::Source;

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

impl Source {
    /// The credentials for a registry; those of `username` are for the registry of `repository` alone.
    pub(crate) fn login_for(&self, registry: &str, is_main: bool) -> Login {
        if is_main && let Some((user, password)) = self.login() {
            return Login::password(user, password);
        }
        let named = self
            .additional_private_registries
            .iter()
            .find(|entry| registry_of(&entry.registry).is_ok_and(|(host, _)| host == registry));
        if let Some(entry) = named {
            return Login::password(&entry.username, &entry.password);
        }
        self.docker_config.as_ref().and_then(|config| config.config().login_for(registry)).unwrap_or_default()
    }
}
