//! The github-status resource type: versions are statuses of commits or deployments.
//!
//! A put sets the status of a commit. A check waits for a status that people or other systems set, so that it can gate
//! a pipeline. All requests go to GitHub's REST API, from this process.

mod check;
mod deployment;
mod get;
mod github;
mod params;
mod put;
mod source;
mod subject;
mod texts;
mod version;

use std::path::Path;

use jetway::{Context, NoParams, Resource, Response, Result};

pub use jetway_github::LogLevel;
pub use jetway_github::context_name::Contexts;
pub use params::{Params as PutParams, StatusParams};
pub use source::{DeploymentGate, Gate, Source};
pub use version::Version;

/// The resource type.
#[derive(Debug)]
pub struct GithubStatus;

impl Resource for GithubStatus {
    const NAME: &'static str = "github-status";
    const ABOUT: &'static str = "Commit statuses on GitHub: set, follow, gate jobs on them";
    const RELEASE: &'static str = env!("CARGO_PKG_VERSION");

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
