//! What the client offers to the builder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jetway::Secret;

use crate::engine::RegistryLogin;
use crate::engine::session::call::{NOT_FOUND, Status};
use crate::reference::registry_of;

pub(super) const HEALTH: &str = "/grpc.health.v1.Health/Check";
pub(super) const FILES: &str = "/moby.filesync.v1.FileSync/DiffCopy";
pub(super) const CREDENTIALS: &str = "/moby.filesync.v1.Auth/Credentials";
pub(super) const SECRET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
pub(super) const AGENT: &str = "/moby.sshforward.v1.SSH/CheckAgent";
pub(super) const FORWARD: &str = "/moby.sshforward.v1.SSH/ForwardAgent";

/// A directory that the builder may read.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    pub(crate) root: PathBuf,
    /// Files of the directory under other names: the Dockerfile, whatever its name is. If there are any, only these
    /// files are offered.
    pub(crate) aliases: BTreeMap<String, PathBuf>,
}

/// Everything that a build may request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offer {
    /// Directories by the builder's names for them: `context`, `dockerfile`.
    pub(crate) directories: BTreeMap<&'static str, Directory>,
    /// Secrets by their ids.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// Sockets of ssh agents by their ids.
    pub(crate) agents: BTreeMap<String, PathBuf>,
    /// Credentials by registry.
    pub(crate) logins: BTreeMap<String, RegistryLogin>,
}

impl Offer {
    pub(super) fn methods(&self) -> Vec<&'static str> {
        let mut methods = vec![HEALTH, FILES, CREDENTIALS];
        if !self.secrets.is_empty() {
            methods.push(SECRET);
        }
        if !self.agents.is_empty() {
            methods.extend([AGENT, FORWARD]);
        }
        methods
    }

    pub(super) fn login(&self, host: &str) -> Option<&RegistryLogin> {
        let (host, _) = registry_of(host).ok()?;
        self.logins
            .iter()
            .find(|(registry, _)| registry_of(registry).is_ok_and(|(registry, _)| registry == host))
            .map(|(_, login)| login)
    }

    pub(super) fn agent(&self, id: &str) -> Result<&PathBuf, Status> {
        let id = if id.is_empty() { "default" } else { id };
        self.agents.get(id).ok_or_else(|| Status { code: NOT_FOUND, message: format!("`ssh` has no ssh agent `{id}`") })
    }
}
