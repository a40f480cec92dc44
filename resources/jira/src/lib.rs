//! The jira resource type: versions are arrivals of issues in a status.
//!
//! A check waits until an issue of a JQL query reaches a status, so that an issue can gate a pipeline. A get writes the
//! issue's fields to files. A put creates, edits, comments on, links or transitions an issue. This process sends all
//! requests to Jira's REST API: version 3 of Jira Cloud, version 2 of Data Center.

mod adf;
mod arrivals;
mod check;
mod client;
mod error_response;
mod get;
mod inputs;
mod issue_key;
mod memory;
mod params;
mod plan;
mod put;
mod responses;
mod search;
mod source;
mod time;
mod variables;
mod version;

use std::path::Path;

use jetway::{Context, Resource, Response, Result};

pub use params::{CreateParams, GetParams, Link, LinkParams, PutParams};
pub use source::{Api, Category, Source, Statuses};
pub use version::Version;

/// The resource type.
#[derive(Debug)]
pub struct Jira;

impl Resource for Jira {
    const NAME: &'static str = "jira";
    const ABOUT: &'static str =
        "Issues in Jira: wait for a status, read fields, create, comment, transition, link builds";
    const RELEASE: &'static str = env!("CARGO_PKG_VERSION");

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
