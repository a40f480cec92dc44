//! The github-pr resource type: versions are head commits of pull requests on GitHub, Gitea or Forgejo.
//!
//! A check lists pull requests with one query of the GraphQL API, or one request of Gitea's REST API. A get checks out a pull
//! request, integrated with its base branch. A put sets statuses on its head commit, and comments on it.

mod changed_files;
mod check;
mod checkout;
mod filter;
mod get;
mod gitea;
mod glob;
mod head;
mod listing;
mod memory;
mod metadata;
mod params;
mod put;
mod source;
mod version;

use std::path::Path;

use jetway::{Companion, Context, Resource, Response, Result};

pub use jetway_git_client::source::submodule_credentials::SubmoduleCredential;
pub use jetway_github::context_name::Contexts;
pub use params::{GetParams, IntegrationTool, PutParams, Submodules};
pub use source::{Labels, Source, State};
pub use version::Version;

/// The resource type.
#[derive(Debug)]
pub struct GithubPr;

impl Resource for GithubPr {
    const NAME: &'static str = "github-pr";
    const ABOUT: &'static str = "Pull requests on GitHub or Gitea: build each new head commit, set its status, comment";
    const RELEASE: &'static str = env!("CARGO_PKG_VERSION");
    const COMPANIONS: &'static [Companion] = jetway_git_client::COMPANIONS;

    type Source = Source;
    type Version = Version;
    type GetParams = GetParams;
    type PutParams = PutParams;

    async fn check(context: &Context, source: Source, version: Option<Version>) -> Result<Vec<Version>> {
        check::check(context, &source, version).await
    }

    async fn get(
        context: &Context,
        source: Source,
        version: Option<Version>,
        params: GetParams,
        destination: &Path,
    ) -> Result<Response<Version>> {
        get::get(context, &source, version, &params, destination).await
    }

    async fn put(context: &Context, source: Source, params: PutParams, inputs: &Path) -> Result<Response<Version>> {
        put::put(context, &source, &params, inputs).await
    }
}
