//! A library for Concourse resource types, which implements the resource protocol.
//!
//! A resource type implements [`Resource`]: the types of its source, version and params, and its three verbs. Its `main` calls
//! [`main`](fn@main). This crate does the rest:
//!
//! - It reads the request by the JSON Schemas of the types. A misspelt key is an error, scalars are converted, and all problems
//!   are reported at once.
//! - Standard output contains only the response; messages go to standard error.
//! - Secrets are masked in all output.
//! - Child processes end with the verb, also after a signal or a panic.
//!
//! # Where to find what
//!
//! | task | items |
//! |---|---|
//! | implement a type | [`Resource`], [`Parameters`], [`NoParams`], [`Response`], [`Metadata`], [`fn@main`] |
//! | validate parameters | [`Problems`], [`nearest`], [`UnknownKeys`] |
//! | work in a verb | [`Context`], [`BuildMetadata`], [`Console`], [`Interrupt`], [`interpolate()`] |
//! | read and write files | [`Inputs`], [`Unfinished`], [`CacheFile`], [`PrivateDirectory`] |
//! | report errors | [`Result`], [`anyhow!`], [`Advise::hint`] |
//! | keep secrets | [`Secret`], [`Redactor`], [`address_secrets`] |
//! | run programs | [`Command`], [`Background`], [`Service`], [`Companion`] |
//! | send HTTP requests | [`http`], [`aws`], [`web_token`] |
//! | serve or document several types | [`ResourceType`], [`serve_companion`], [`docs`] |
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
//! /// A counter: each put returns the next number.
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
//!     const ABOUT: &'static str = "Numbers: follow, read, count up";
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
mod text;
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
pub use companion::{Companion, CompanionCall, CompanionOutcome};
pub use console::{Change, Colour, Console, stderr_console};
pub use context::Context;
pub use encoding::{hex, percent_decode, percent_encode};
pub use entry::{main, serve_companion};
pub use error::{Advise, Error, Interrupted, Line, Result, SilentChild, lines};
pub use error_text::{ErrorText, Evidence};
pub use inputs::Inputs;
pub use interpolate::{Interpolated, UnknownVariables, interpolate};
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
pub use text::{non_empty, trimmed};
pub use unfinished::Unfinished;
pub use unknown_keys::{KeyPolicy, UnknownKeys};
pub use verb::Verb;
