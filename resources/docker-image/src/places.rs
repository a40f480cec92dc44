//! Where an image may be had: from mirrors, in their order, and from its origin.

use anyhow::anyhow;
use jetway::{Context, Interrupted, Result};

use crate::credentials::{acr, ecr};
use crate::login::Login;
use crate::reference::{Repository, registry_of};
use crate::registry::{Access, Registry};
use crate::source::Source;

/// The places of one repository.
pub(crate) struct Places<'c> {
    mirrors: Vec<Registry<'c>>,
    origin: Registry<'c>,
}

impl<'c> Places<'c> {
    /// The places of the source's repository. Nothing is asked yet, but for credentials:
    /// Amazon, or Azure and its registry.
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
        // Mirrors are of Docker Hub. Nothing is written to them.
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

    /// The repository as people know it, wherever it is fetched from.
    pub(crate) fn repository(&self) -> &Repository {
        self.origin.repository()
    }

    /// Where a put goes.
    pub(crate) fn origin(&self) -> &Registry<'c> {
        &self.origin
    }

    /// What the first place has that has it. A mirror that fails is a warning; what the origin says is final.
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
                    console.warn(format_args!("the mirror cannot be used, the origin is asked: {}", causes.join(": ")));
                }
            }
        }
        look(&self.origin, true).await.map(Option::unwrap_or_default)
    }
}
