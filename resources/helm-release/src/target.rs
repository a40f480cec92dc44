//! What a put works on: one release in one namespace, and what it takes to get at it.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Inputs, Result};

use crate::cluster::Cluster;
use crate::helm::Helm;
use crate::kubernetes::Kubernetes;
use crate::name;
use crate::params::Params;
use crate::records::Records;
use crate::source::{Source, given};
use crate::version::Version;

/// The release of a put.
#[derive(Debug)]
pub(crate) struct Target<'p> {
    pub(crate) context: &'p Context,
    pub(crate) source: &'p Source,
    pub(crate) params: &'p Params,
    pub(crate) inputs: Inputs,
    pub(crate) helm: Helm<'p>,
    pub(crate) kubernetes: Kubernetes<'p>,
    /// The name of the release.
    pub(crate) release: String,
    /// The namespace that it is in.
    pub(crate) namespace: String,
}

impl<'p> Target<'p> {
    /// Finds the names in the source, the params and the inputs, and the cluster.
    pub(crate) async fn find(
        context: &'p Context,
        source: &'p Source,
        params: &'p Params,
        inputs: &Path,
    ) -> Result<Self> {
        let inputs = Inputs::new(inputs)?;
        let release = match given(params.release.as_ref()) {
            Some(text) => named(&inputs, "release", text)?,
            None => given(source.release.as_ref())
                .ok_or_else(|| anyhow!("there is no release to deploy").hint("name one as `release` in the source"))?
                .to_owned(),
        };
        name::release(&release).map_err(|problem| anyhow!("the name of the release {problem}"))?;
        let cluster = Cluster::find(context, source).await?;
        let helm = Helm::new(context, source, &cluster)?;
        let kubernetes = Kubernetes::of(context, source, cluster)?;
        let namespace = match given(params.namespace.as_ref()) {
            Some(text) => named(&inputs, "namespace", text)?,
            None => crate::check::namespace(source, &kubernetes).to_owned(),
        };
        name::namespace(&namespace).map_err(|problem| anyhow!("the name of the namespace {problem}"))?;
        Ok(Self { context, source, params, inputs, helm, kubernetes, release, namespace })
    }

    /// What the value of `key` stands for: itself, or what is in the file of the inputs that it names.
    pub(crate) fn named(&self, key: &str, text: &str) -> Result<String> {
        named(&self.inputs, key, text)
    }

    /// Helm's records in the namespace.
    pub(crate) fn records(&self) -> Records<'_> {
        Records::new(&self.kubernetes, self.source.storage, &self.namespace)
    }

    /// `version` with the namespace, where that is not the one that a check looks into.
    pub(crate) fn in_namespace(&self, version: Version) -> Version {
        let usual = crate::check::namespace(self.source, &self.kubernetes);
        Version { namespace: (self.namespace != usual).then(|| self.namespace.clone()), ..version }
    }
}

fn named(inputs: &Inputs, key: &str, text: &str) -> Result<String> {
    word_or_file(inputs, text).with_context(|| format!("cannot use `{key}`"))
}

/// The text itself, or what is in the file of the inputs that it names.
fn word_or_file(inputs: &Inputs, text: &str) -> Result<String> {
    match inputs.find(text) {
        Ok(Some(path)) if path.is_file() => {
            let bytes = inputs.read(&path)?;
            Ok(String::from_utf8(bytes).map_err(|_| anyhow!("the file `{text}` is not text"))?.trim().to_owned())
        }
        // What leads out of the inputs is no file of theirs; as a name it is held to a name's form.
        Ok(_) | Err(_) => Ok(text.to_owned()),
    }
}
