//! The registries that may have an image: mirrors, in order, then the origin.

use anyhow::anyhow;
use jetway::{Context, Interrupted, Result};

use crate::credentials::{acr, ecr};
use crate::login::Login;
use crate::reference::{Repository, registry_of};
use crate::registry::{Access, Registry};
use crate::source::Source;

/// The registries of one repository.
pub(crate) struct Places<'c> {
    mirrors: Vec<Registry<'c>>,
    origin: Registry<'c>,
}

impl<'c> Places<'c> {
    /// Finds the registries of the source's repository. Sends no request yet, except to obtain credentials: to Amazon,
    /// or to Azure and its registry.
    pub(crate) async fn find(context: &'c Context, source: &'c Source, access: Access) -> Result<Self> {
        let repository = source.repository()?;
        let (repository, login) = if let Some(found) = ecr::find(context, source, &repository).await? {
            found
        } else if let Some(login) = acr::find(context, source, &repository).await? {
            (repository, login)
        } else {
            let login = source.login_for(repository.registry(), true);
            (repository, login)
        };
        let mut mirrors = Vec::new();
        // Mirrors are for Docker Hub only, and are never pushed to.
        if repository.is_on_hub() && access == Access::Pull {
            for mirror in source.mirrors() {
                let (registry, prefix) =
                    registry_of(mirror.host).map_err(|problem| anyhow!("`registry_mirror`: {problem}"))?;
                let there: Repository =
                    repository.at(&registry, &prefix).map_err(|problem| anyhow!("`registry_mirror`: {problem}"))?;
                let login = match mirror.login {
                    Some((user, password)) => Login::password(user, password),
                    None => source.login_for(&registry, false),
                };
                let there = Registry::new(context, source, there, true, login, access)?.without_waiting();
                mirrors.push(if mirror.host.starts_with("http://") { there.without_encryption() } else { there });
            }
        }
        let origin = Registry::new(context, source, repository, true, login, access)?;
        Ok(Self { mirrors, origin })
    }

    /// The repository as the source names it, even if the image comes from a mirror.
    pub(crate) fn repository(&self) -> &Repository {
        self.origin.repository()
    }

    /// The registry that a put pushes to.
    pub(crate) fn origin(&self) -> &Registry<'c> {
        &self.origin
    }

    /// The result of the first registry that has one. An error of a mirror is a warning; the origin's result is final.
    pub(crate) async fn first_with<T: Default>(
        &self,
        look: impl AsyncFn(&Registry<'c>, bool) -> Result<Option<T>>,
    ) -> Result<T> {
        for mirror in &self.mirrors {
            match look(mirror, false).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) if Interrupted::caused(&error) => return Err(error),
                Err(error) => {
                    let causes: Vec<String> = jetway::lines(&error).iter().map(|line| line.text().to_owned()).collect();
                    let console = self.origin.context().console();
                    console.warn(format_args!("the mirror failed, falling back to the origin: {}", causes.join(": ")));
                }
            }
        }
        look(&self.origin, true).await.map(Option::unwrap_or_default)
    }
}
