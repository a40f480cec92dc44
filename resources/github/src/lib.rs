//! GitHub for resource types: a client of its API with tokens, Apps, rate limits and a cache, the parts of statuses and comments
//! that types share, and the pull requests of Gitea.
//!
//! This is a library, not a resource type. A type builds an [`Access`] from its source and opens a [`GitHub`].

pub mod access;
pub mod address;
mod app;
pub mod checkout;
pub mod comments;
pub mod context_name;
mod credentials;
pub mod description;
pub mod error_response;
pub mod gitea;
pub mod github;
pub mod graphql;
pub mod inputs;
pub mod lenient;
pub mod log;
pub mod put_texts;
mod remote;
pub mod responses;
pub mod server;
pub mod state;
pub mod status;
mod store;
pub mod time;
pub mod variables;

pub use access::{Access, Hints};
pub use github::{GitHub, with_api};
pub use log::{Log, LogLevel};
