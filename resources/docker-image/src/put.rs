//! put: not in this release.

use std::path::Path;

use anyhow::anyhow;
use jetway::{Context, Parameters, Response, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::flavour::Flavour;
use crate::source::Source;
use crate::version::Version;

/// What stands under a put step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Params {}

impl Parameters for Params {}

#[allow(clippy::unused_async, reason = "a put is asynchronous")]
pub(crate) async fn put(_: &Context, _: Flavour, _: &Source, _: &Params, _: &Path) -> Result<Response<Version>> {
    Err(anyhow!("this release does not know how to put an image"))
}
