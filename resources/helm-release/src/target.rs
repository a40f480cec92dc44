//! The target of a put: one release in one namespace, with its cluster and the helm program.

pub(crate) mod shown_logs;

use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Inputs, Result, Secret, trimmed};

use crate::cluster::kubernetes::Kubernetes;
use crate::cluster::lookup;
use crate::helm::Helm;
use crate::params::Params;
use crate::records::Records;
use crate::source::Source;
use crate::source::name;
use crate::version::Version;
use shown_logs::ShownLogs;

/// The release of a put.
#[derive(Debug)]
pub(crate) struct Target<'p> {
    pub(crate) context: &'p Context,
    pub(crate) source: &'p Source,
    pub(crate) params: &'p Params,
    pub(crate) inputs: Inputs,
    pub(crate) helm: Helm<'p>,
    pub(crate) kubernetes: Kubernetes<'p>,
    /// The address of the cluster, if it is not the source's.
    other_cluster: Option<String>,
    /// The name of the release.
    pub(crate) release: String,
    /// The namespace that it is in.
    pub(crate) namespace: String,
    /// The logs of hooks and tests that have been shown.
    pub(crate) shown_logs: ShownLogs,
}

impl<'p> Target<'p> {
    /// Finds the cluster and the names in the source, the params and the inputs.
    pub(crate) async fn find(
        context: &'p Context,
        source: &'p Source,
        params: &'p Params,
        inputs: &Path,
    ) -> Result<Self> {
        let inputs = Inputs::new(inputs)?;
        let release = match trimmed(params.release.as_ref()) {
            Some(text) => named(&inputs, "release", text)?,
            None => trimmed(source.release.as_ref())
                .ok_or_else(|| anyhow!("there is no release to deploy").hint("set `release` in the source"))?
                .to_owned(),
        };
        name::release(&release).map_err(|problem| anyhow!("the name of the release {problem}"))?;
        let Login { kubeconfig, token } = Login::find(params, &inputs)?;
        let cluster = match &kubeconfig {
            Some(text) => {
                // `kubeconfig_context` applies to the source's own kubeconfig.
                let wanted = trimmed(source.kubeconfig_context.as_ref());
                let wanted = wanted.filter(|_| Secret::non_empty(source.kubeconfig.as_ref()).is_none());
                lookup::from_kubeconfig(context, source, text, wanted)?
            }
            None => lookup::find_with_token(context, source, token.as_ref()).await?,
        };
        let other_cluster = kubeconfig.is_some().then(|| cluster.server.clone());
        let helm = Helm::new(context, source, &cluster)?;
        let kubernetes = Kubernetes::for_cluster(context, source, cluster)?;
        let namespace = if let Some(text) = trimmed(params.namespace.as_ref()) {
            named(&inputs, "namespace", text)?
        } else {
            kubernetes.warn_of_ignored_namespace();
            source.namespace().to_owned()
        };
        name::namespace(&namespace).map_err(|problem| anyhow!("the name of the namespace {problem}"))?;
        Ok(Self {
            context,
            source,
            params,
            inputs,
            helm,
            kubernetes,
            other_cluster,
            release,
            namespace,
            shown_logs: ShownLogs::default(),
        })
    }

    /// The value of `key`: `text` itself, or the content of the file in the inputs that it names.
    pub(crate) fn named(&self, key: &str, text: &str) -> Result<String> {
        named(&self.inputs, key, text)
    }

    /// Helm's records in the namespace.
    pub(crate) fn records(&self) -> Records<'_> {
        Records::new(&self.kubernetes, self.source.storage(), &self.namespace)
    }

    /// Adds the namespace and the cluster to a version, if they are not those of the source.
    pub(crate) fn in_namespace(&self, version: Version) -> Version {
        let usual = self.source.namespace();
        let namespace = (self.namespace != usual).then(|| self.namespace.clone());
        Version { namespace, cluster: self.other_cluster.clone(), ..version }
    }
}

/// The login in the params of a put.
struct Login {
    kubeconfig: Option<Secret>,
    token: Option<Secret>,
}

impl Login {
    fn find(params: &Params, inputs: &Inputs) -> Result<Self> {
        let read = |key: &str, path: &str| -> Result<Secret> {
            let failed = || format!("cannot use `{key}`");
            let found = inputs.find(path).with_context(failed)?;
            let found = found.ok_or_else(|| anyhow!("there is no file `{path}` in the inputs")).with_context(failed)?;
            let text = String::from_utf8(inputs.read(&found).with_context(failed)?);
            Ok(Secret::new(text.map_err(|_| anyhow!("the file `{path}` is not text"))?.trim()))
        };
        let kubeconfig = match (Secret::non_empty(params.kubeconfig.as_ref()), trimmed(params.kubeconfig_path.as_ref()))
        {
            (Some(text), _) => Some(text.clone()),
            (None, Some(path)) => Some(read("kubeconfig_path", path)?),
            (None, None) => None,
        };
        let token = trimmed(params.token_path.as_ref()).map(|path| read("token_path", path)).transpose()?;
        Ok(Self { kubeconfig, token })
    }
}

fn named(inputs: &Inputs, key: &str, text: &str) -> Result<String> {
    word_or_file(inputs, text).with_context(|| format!("cannot use `{key}`"))
}

/// The text itself, or the content of the file in the inputs that it names.
fn word_or_file(inputs: &Inputs, text: &str) -> Result<String> {
    match inputs.find(text) {
        Ok(Some(path)) if path.is_file() => {
            let bytes = inputs.read(&path)?;
            Ok(String::from_utf8(bytes).map_err(|_| anyhow!("the file `{text}` is not text"))?.trim().to_owned())
        }
        // A path outside the inputs is not read; it counts as a name, and is then validated as one.
        Ok(_) | Err(_) => Ok(text.to_owned()),
    }
}
