//! The credentials that an engine is handed: each for one registry.

use super::{EngineLogins, engine_name};
use crate::credentials::Login;
use crate::engine::RegistryLogin;
use crate::reference::{Repository, registry_of};
use crate::source::Source;

/// Credentials by registry.
#[derive(Debug)]
pub(super) struct Logins(EngineLogins);

impl Logins {
    /// Those of the source; `login` is the one for the registry of `repository`.
    pub(super) fn of_source(source: &Source, repository: &Repository, login: &Login) -> Self {
        let mut all = EngineLogins::new();
        let mut add = |registry: &str, login: &Login| {
            if let Some(login) = for_engine(login) {
                all.insert(engine_name(registry), login);
            }
        };
        let configured = source.docker_config.iter().flat_map(|config| config.config().auths.into_keys());
        let private = source.additional_private_registries.iter().map(|entry| entry.registry.clone());
        for registry in configured.chain(private) {
            if let Ok((registry, _)) = registry_of(&registry) {
                add(&registry, &source.login_for(&registry, false));
            }
        }
        add(repository.registry(), login);
        Self(all)
    }

    pub(super) fn all(&self) -> &EngineLogins {
        &self.0
    }

    /// The registries that there are credentials for.
    pub(super) fn registries(&self) -> impl Iterator<Item = String> {
        self.0.keys().filter_map(|name| Some(registry_of(name).ok()?.0))
    }

    /// The credentials for a registry.
    pub(super) fn of(&self, registry: &str) -> Option<&RegistryLogin> {
        self.0.get(&engine_name(registry))
    }
}

fn for_engine(login: &Login) -> Option<RegistryLogin> {
    match login {
        Login::Anonymous => None,
        Login::Password { user, password } => {
            Some(RegistryLogin::Password { user: user.clone(), password: password.clone() })
        }
        Login::Refresh(token) => Some(RegistryLogin::Identity(token.clone())),
    }
}
