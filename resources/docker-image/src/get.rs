//! get: an image as files.

use std::path::Path;

use anyhow::Context as _;
use jetway::{Context, Parameters, Response, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::digest::Digest;
use crate::flavour::Flavour;
use crate::places::Places;
use crate::registry::{Access, Registry};
use crate::source::{Source, set};
use crate::version::Version;

/// What stands under a get step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Params {
    /// Fetch nothing: write what the version says, and make sure that it is still there.
    #[serde(default)]
    pub skip_download: bool,
}

impl Parameters for Params {}

pub(crate) async fn get(
    context: &Context,
    flavour: Flavour,
    source: &Source,
    version: Option<Version>,
    params: &Params,
    destination: &Path,
) -> Result<Response<Version>> {
    let version = version.context("there is no version to get")?;
    let digest: Digest = version
        .digest
        .as_deref()
        .and_then(|digest| set(Some(digest)))
        .context("the version has no digest")?
        .parse()
        .map_err(|problem: String| jetway::anyhow!("the version's digest cannot be used: {problem}"))?;
    let _ = params;
    let places = Places::find(context, source, Access::Pull).await?;
    let tag = version.tag.clone().unwrap_or_else(|| source.tag_or_usual(flavour).to_owned());
    places
        .first_with(async |registry: &Registry<'_>, _| {
            registry.manifest_of(&digest).await?;
            Ok(Some(()))
        })
        .await?;
    for (name, value) in [("repository", source.repository.trim()), ("tag", &tag), ("digest", &digest.to_string())] {
        let path = destination.join(name);
        std::fs::write(&path, format!("{value}{}", flavour.line_end()))
            .with_context(|| format!("cannot write the file `{name}`"))?;
    }
    Ok(Response::new(version).with("repository", source.repository.trim()).with("tag", tag))
}
