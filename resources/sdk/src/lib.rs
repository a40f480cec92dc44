//! The Concourse resource protocol as a library.
//!
//! A resource type implements [`Resource`]: a `Source`, a `Version`, two kinds of params and three verbs. This crate does the
//! rest. It reads the request strictly (misspelt keys are errors) and leniently (scalars as pipelines write them), and reports
//! every problem at once. Standard output carries only the response. Secrets are masked in all output. Child processes end with
//! the verb. SIGTERM cleans up.
//!
//! # A complete resource type
//!
//! ```no_run
//! use std::path::Path;
//! use std::process::ExitCode;
//!
//! use jetway::schemars::{self, JsonSchema};
//! use jetway::{Context, NoParams, Parameters, Resource, Response, Result};
//! use serde::{Deserialize, Serialize};
//!
//! /// Returns a number that only grows.
//! struct Counter;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Source {
//!     /// The first number.
//!     #[serde(default)]
//!     initial: u64,
//! }
//!
//! impl Parameters for Source {}
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Version {
//!     number: String,
//! }
//!
//! impl Resource for Counter {
//!     const NAME: &'static str = "counter";
//!     const ABOUT: &'static str = "A number that only grows";
//!     const RELEASE: &'static str = env!("CARGO_PKG_VERSION");
//!     type Source = Source;
//!     type Version = Version;
//!     type GetParams = NoParams;
//!     type PutParams = NoParams;
//!
//!     async fn check(_: &Context, source: Source, version: Option<Version>) -> Result<Vec<Version>> {
//!         Ok(vec![version.unwrap_or(Version { number: source.initial.to_string() })])
//!     }
//!
//!     async fn get(
//!         context: &Context, _: Source, version: Option<Version>, _: NoParams, destination: &Path,
//!     ) -> Result<Response<Version>> {
//!         let version = version.ok_or_else(|| jetway::anyhow!("there is no version to get"))?;
//!         std::fs::write(destination.join("number"), &version.number)?;
//!         context.console().step(format_args!("wrote number {}", version.number));
//!         Ok(Response::new(version))
//!     }
//!
//!     async fn put(_: &Context, _: Source, _: NoParams, inputs: &Path) -> Result<Response<Version>> {
//!         let last: u64 = std::fs::read_to_string(inputs.join("counter/number"))?.trim().parse()?;
//!         Ok(Response::new(Version { number: (last + 1).to_string() }).with("previous", last.to_string()))
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     jetway::main::<Counter>()
//! }
//! ```

mod address;
#[cfg(feature = "aws")]
pub mod aws;
mod build_metadata;
mod ca_bundle;
mod cache_file;
mod child;
mod companion;
mod console;
mod context;
mod core_dump;
pub mod docs;
mod encoding;
mod entry;
mod error;
mod error_text;
#[cfg(feature = "http")]
pub mod http;
mod inputs;
mod interpolate;
mod interrupt;
mod part;
mod private_directory;
mod redactor;
mod request;
mod resource;
mod resource_type;
mod runtime;
mod schema;
mod secret;
mod serve;
mod unfinished;
mod unknown_keys;
mod verb;
#[cfg(feature = "http")]
pub mod web_token;

pub use anyhow::anyhow;
pub use schemars;

pub use address::{address_secrets, userinfo_secret};
pub use build_metadata::BuildMetadata;
pub use ca_bundle::system_ca_bundle;
pub use cache_file::CacheFile;
pub use child::{Background, Command, Finished, Service};
pub use companion::{Companion, CompanionAnswer, CompanionCall};
pub use console::{Change, Colour, Console, stderr_console};
pub use context::Context;
pub use encoding::{hex, percent_decode, percent_encode};
pub use entry::{main, serve_companion};
pub use error::{Advise, Error, Interrupted, Line, Result, Silent, lines};
pub use error_text::{ErrorText, Evidence};
pub use inputs::Inputs;
pub use interpolate::{Interpolated, Unknown, interpolate};
pub use interrupt::Interrupt;
pub use part::Part;
pub use private_directory::PrivateDirectory;
pub use redactor::{MASK, Redactor};
pub use request::InvalidRequest;
#[doc(hidden)]
pub use request::check_request;
pub use resource::{Metadata, NoParams, Parameters, Resource, Response};
pub use resource_type::ResourceType;
pub use schema::nearest;
pub use schema::problem::{Problem, ProblemKind, Problems, Severity};
pub use secret::Secret;
pub use unfinished::Unfinished;
pub use unknown_keys::{KeyPolicy, UnknownKeys};
pub use verb::Verb;
