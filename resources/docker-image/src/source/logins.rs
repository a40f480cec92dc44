//! The source's credentials by registry.

use crate::login::Login;
use crate::reference::registry_of;
use crate::source::Source;

impl Source {
    /// The credentials for a registry; those of `username` apply only to the registry of `repository`.
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
