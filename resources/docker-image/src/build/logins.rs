//! The credentials for the engine: each for one registry.

use std::collections::{BTreeMap, BTreeSet};

use jetway::{Context, Result};

use crate::credentials::ecr;
use crate::engine::RegistryLogin;
use crate::login::Login;
use crate::reference::{Repository, registry_of};
use crate::source::Source;

/// Credentials by registry.
#[derive(Debug)]
pub(super) struct Logins(EngineLogins);

impl Logins {
    /// The credentials of the source; `login` is for the registry of `repository`.
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

    /// Adds credentials for Amazon's registries among these, unless they have some. An error is only a warning, since
    /// the build may not need them.
    pub(super) async fn add_of_amazon(
        &mut self,
        context: &Context,
        source: &Source,
        registries: BTreeSet<String>,
    ) -> Result<()> {
        for registry in registries {
            if self.of(&registry).is_some() {
                continue;
            }
            match ecr::login_to(context, source, &registry).await {
                Ok(login) => {
                    if let Some(login) = login.as_ref().and_then(for_engine) {
                        self.0.insert(engine_name(&registry), login);
                    }
                }
                Err(error) if context.interrupt().received().is_some() => return Err(error),
                Err(error) => {
                    context.console().warn(format_args!("cannot get credentials for `{registry}`: {error:#}"));
                }
            }
        }
        Ok(())
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

/// The name under which an engine keeps a registry's credentials.
pub(crate) fn engine_name(registry: &str) -> String {
    let hub = registry_of("docker.io").map(|(hub, _)| hub).unwrap_or_default();
    if registry == hub { "https://index.docker.io/v1/".to_owned() } else { registry.to_owned() }
}

/// Credentials by the engine's names of the registries.
pub(crate) type EngineLogins = BTreeMap<String, RegistryLogin>;
