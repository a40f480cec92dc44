//! The helm-release resource type: versions are the revisions of a release that have been deployed.
//!
//! check and get read helm's own records from Kubernetes, without helm: see [`records`] and [`release`]. How to get to the
//! cluster, in whatever cloud, is [`cluster`]'s matter.

mod check;
mod cluster;
mod get;
mod kubernetes;
mod name;
mod put;
mod records;
pub mod release;
mod source;
mod version;
mod yaml;

use std::path::Path;

use jetway::{Context, NoParams, Resource, Response, Result};

pub use cluster::aws::{Aws, AwsUser, Role};
pub use cluster::digitalocean::DigitalOcean;
pub use source::{Ecr, Plugin, PrivateRegistry, Repository, Source, StableRepository, Status, Storage};
pub use version::Version;

/// The resource type.
#[derive(Debug)]
pub struct HelmRelease;

impl Resource for HelmRelease {
    const NAME: &'static str = "helm-release";
    const ABOUT: &'static str = "Releases of helm charts in a Kubernetes cluster: follow them, read them";
    const RELEASE: &'static str = env!("CARGO_PKG_VERSION");
    const NOT_YET: &'static [&'static str] = put::NOT_YET;

    type Source = Source;
    type Version = Version;
    type GetParams = NoParams;
    type PutParams = NoParams;

    async fn check(context: &Context, source: Source, version: Option<Version>) -> Result<Vec<Version>> {
        check::check(context, &source, version).await
    }

    async fn get(
        context: &Context,
        source: Source,
        version: Option<Version>,
        _: NoParams,
        destination: &Path,
    ) -> Result<Response<Version>> {
        get::get(context, &source, version, destination).await
    }

    async fn put(_: &Context, _: Source, _: NoParams, _: &Path) -> Result<Response<Version>> {
        put::put()
    }
}
