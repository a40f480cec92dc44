//! The helm-release resource type: versions are the revisions of a release that have been deployed.
//!
//! check and get read helm's own records from Kubernetes, without helm: see [`records`] and [`release`]. A put is helm's own
//! work ([`mod@helm`]). How to get to the cluster, in whatever cloud, is [`cluster`]'s matter.

mod advice;
mod apply;
mod chart;
mod check;
mod cluster;
mod dependencies;
mod deploy;
mod diagnosis;
mod diff;
mod dry_run;
mod env_vars;
mod get;
mod helm;
mod hook_output;
mod kubernetes;
mod manifest;
mod name;
mod namespace;
mod params;
mod plugins;
mod post_renderer;
mod put;
mod records;
mod recovery;
mod registries;
pub mod release;
mod release_tests;
mod repositories;
mod rollback;
mod source;
mod span;
mod state;
mod target;
mod uninstall;
mod upgrade;
mod values;
mod version;
mod waiting;
mod yaml;

use std::path::Path;

use jetway::{Companion, Context, NoParams, Resource, Response, Result};

pub use apply::{Automatic, ServerSideApply};
pub use cluster::aws::{Aws, AwsUser, Role};
pub use cluster::digitalocean::DigitalOcean;
pub use params::{DryRun, Params as PutParams, ValueFiles};
pub use plugins::Plugin;
pub use recovery::{Recovery, RecoveryRules};
pub use registries::{Ecr, PrivateRegistries, PrivateRegistry};
pub use release_tests::{Test, TestRules};
pub use repositories::{Repository, StableRepository};
pub use rollback::{FirstInstall, Rollback, RollbackOnFailure, RollbackRules, RollbackTo};
pub use source::{Source, Status, Storage};
pub use values::{Kind as OverrideKind, Override};
pub use version::Version;
pub use waiting::{Strategy, Wait};

/// The resource type.
#[derive(Debug)]
pub struct HelmRelease;

impl Resource for HelmRelease {
    const NAME: &'static str = "helm-release";
    const ABOUT: &'static str = "Releases of helm charts in a Kubernetes cluster: deploy them, follow them, read them";
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
