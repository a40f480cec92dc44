//! The git resource type: versions are commits of a branch, tags, or sets of branches.
//!
//! The git program does network transfers, walks history by pathspec and checks out work trees, since users' servers,
//! filters and hooks expect it. libgit2 reads objects, refs and metadata in this process. No child process is started
//! per commit or per tag.

mod check;
mod checkout;
mod get;
mod history;
#[doc(hidden)]
pub mod parsers;
mod pattern;
mod push;
mod put;
mod raw_commit;
mod source;
mod version;

use std::path::Path;

use jetway::{Companion, Context, Part, Resource, Response, Result, UnknownKeys, Verb};

pub use jetway_git_client::checkout::submodules::{AllOrNone, Submodules};
pub use jetway_git_client::source::setting::Setting;
pub use jetway_git_client::source::submodule_credentials::SubmoduleCredential;
pub use jetway_git_client::source::tunnel::Tunnel;
pub use source::Source;
pub use source::commit_filter::CommitFilter;
pub use source::get_params::GetParams;
pub use source::labels::{TagBehaviour, TagSort, VersionType};
pub use source::put_params::{Force, Lease, PutParams, Returning, Words};
pub use version::Version;

/// The resource type.
#[derive(Debug)]
pub struct Git;

impl Resource for Git {
    const NAME: &'static str = "git";
    const ABOUT: &'static str = "Commits of a git repository: follow branches or tags, check out, push";
    const RELEASE: &'static str = env!("CARGO_PKG_VERSION");
    const COMPANIONS: &'static [Companion] = jetway_git_client::COMPANIONS;

    type Source = Source;
    type Version = Version;
    type GetParams = GetParams;
    type PutParams = PutParams;

    /// The established resource refuses unknown keys in params and in the source of a check, but ignores them in the
    /// source of a get and a put.
    fn unknown_keys(verb: Verb, part: Part) -> UnknownKeys {
        match (verb, part) {
            (Verb::Get | Verb::Put, Part::Source) => UnknownKeys::Ignored,
            _ => UnknownKeys::RejectedAtTop,
        }
    }

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
