//! A resource type for this crate's own tests, with a key of each kind.

use std::path::Path;

use jetway::schemars::{self, JsonSchema};
use jetway::{Context, Parameters, Problems, Resource, ResourceType, Response, Result, Secret};
use serde::{Deserialize, Serialize};

use crate::catalogue::Catalogue;

pub(crate) struct Example;

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code)]
pub(crate) struct Source {
    /// The URL.
    uri: String,
    /// The branch.
    branch: Option<String>,
    #[serde(default)]
    paths: Vec<String>,
    password: Option<Secret>,
    strategy: Option<Strategy>,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    hosts: Vec<Host>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Strategy {
    /// One.
    Merge,
    /// Another.
    Rebase,
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code)]
pub(crate) struct Host {
    name: String,
    key: Option<Secret>,
}

impl Parameters for Source {
    fn validate(&self, problems: &mut Problems) {
        if self.uri.starts_with('-') {
            problems.add("uri", "must not begin with `-`");
        }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Version {
    r#ref: String,
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code)]
pub(crate) struct GetParams {
    depth: Option<u32>,
}

impl Parameters for GetParams {}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code)]
pub(crate) struct PutParams {
    repository: String,
    tag: Option<String>,
}

impl Parameters for PutParams {}

impl Resource for Example {
    const NAME: &'static str = "example";
    const ABOUT: &'static str = "A type for tests";
    const RELEASE: &'static str = "1.0.0";
    const UNSUPPORTED_KEYS: &'static [&'static str] = &["source.later"];
    type Source = Source;
    type Version = Version;
    type GetParams = GetParams;
    type PutParams = PutParams;

    async fn check(_: &Context, _: Source, version: Option<Version>) -> Result<Vec<Version>> {
        Ok(version.into_iter().collect())
    }

    async fn get(
        _: &Context,
        _: Source,
        version: Option<Version>,
        _: GetParams,
        _: &Path,
    ) -> Result<Response<Version>> {
        version.map(Response::new).ok_or_else(|| jetway::anyhow!("no version"))
    }

    async fn put(_: &Context, _: Source, _: PutParams, _: &Path) -> Result<Response<Version>> {
        Ok(Response::new(Version { r#ref: "made".to_owned() }))
    }
}

pub(crate) fn catalogue() -> Catalogue {
    Catalogue::new(vec![ResourceType::of::<Example>()])
}
