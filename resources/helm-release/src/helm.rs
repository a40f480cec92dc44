//! The helm program: where it finds the cluster and keeps its own files, and nothing of this machine's.

use std::path::PathBuf;

use jetway::{Command, Context, Result};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::source::{Source, Storage};

/// helm, ready to be run for one cluster.
#[derive(Debug)]
pub(crate) struct Helm<'c> {
    context: &'c Context,
    source: &'c Source,
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl<'c> Helm<'c> {
    /// Hands the cluster over.
    pub(crate) fn new(context: &'c Context, source: &'c Source, cluster: &Cluster) -> Result<Self> {
        let private = context.private_directory();
        let kubeconfig = cluster.hand_over(private, source)?;
        Ok(Self { context, source, kubeconfig, home: private.path()?.join("helm") })
    }

    /// A command of helm's, such as `upgrade`.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = self.context.command("helm").label(format!("helm {name}")).arg(name);
        for (name, value) in &self.source.env_vars {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            command = command.env(name, value);
        }
        // What would lead helm to another cluster, or to another user's files.
        for name in ["HELM_KUBECONTEXT", "HELM_KUBETOKEN", "HELM_KUBEAPISERVER", "HELM_KUBECAFILE", "HELM_NAMESPACE"] {
            command = command.env_remove(name);
        }
        for (name, part) in [
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_DATA_HOME", "data"),
            ("KUBECACHEDIR", "kube"),
        ] {
            command = command.env(name, self.home.join(part));
        }
        let driver = match self.source.storage {
            Storage::Secret => "secret",
            Storage::Configmap => "configmap",
        };
        command.env("HELM_DRIVER", driver).env("KUBECONFIG", &self.kubeconfig)
    }
}

/// Whether a value can be a variable of helm's environment.
pub(crate) fn is_variable(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}
