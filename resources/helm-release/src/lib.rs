//! The helm-release resource type: its versions are the deployed revisions of a release.
//!
//! A check and a get read helm's records from Kubernetes, without helm: see [`records`]. A put runs helm ([`mod@helm`], [`deploy`]).
//! The module [`cluster`] finds the cluster and logs in to it.

mod chart;
mod check;
mod cluster;
mod deploy;
mod diagnosis;
pub mod error_texts;
mod get;
mod helm;
mod params;
mod put;
mod records;
mod source;
mod target;
mod version;
mod yaml;

use std::path::Path;

use jetway::{Companion, Context, NoParams, Resource, Response, Result};

pub use params::apply::{Automatic, ServerSideApply};
pub use params::override_value::{Kind as OverrideKind, Override};
pub use params::recovery::{Recovery, RecoveryRules};
pub use params::rollback::{FirstInstall, Rollback, RollbackOnFailure, RollbackRules, RollbackTo};
pub use params::test::{Test, TestRules};
pub use params::wait::{Strategy, Wait};
pub use params::{DryRun, Params as PutParams, ValueFiles};
pub use records::release;
pub use source::Source;
pub use source::aws::{Aws, AwsUser, Role};
pub use source::digitalocean::DigitalOcean;
pub use source::plugin::Plugin;
pub use source::registry::{Ecr, PrivateRegistries, PrivateRegistry};
pub use source::repository::{Repository, StableRepository};
pub use source::status::Status;
pub use source::storage::Storage;
pub use version::Version;

/// The resource type.
#[derive(Debug)]
pub struct HelmRelease;

impl Resource for HelmRelease {
    const NAME: &'static str = "helm-release";
    const ABOUT: &'static str = "Releases of Helm charts in a Kubernetes cluster: follow, read, deploy, roll back";
    const RELEASE: &'static str = env!("CARGO_PKG_VERSION");
    const COMPANIONS: &'static [Companion] = &[cluster::handover::COMPANION];

    type Source = Source;
    type Version = Version;
    type GetParams = NoParams;
    type PutParams = PutParams;

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

    async fn put(context: &Context, source: Source, params: PutParams, inputs: &Path) -> Result<Response<Version>> {
        put::put(context, &source, &params, inputs).await
    }
}
