//! Runs the git program for resource types: environment, credentials, ssh, retries, errors, and the parts of a checkout
//! that several types share.
//!
//! This is a library, not a resource type. A type builds an [`Access`] from its source, and lists [`COMPANIONS`].

pub mod access;
pub mod checkout;
pub mod object_id;
pub mod source;
pub mod transport;

use jetway::Companion;

pub use access::{Access, Hints};
pub use transport::git::Git;

/// The companion programs that git runs: for credentials, ssh, the ssh agent and the proxy. A resource type that runs
/// git lists them.
pub const COMPANIONS: &[Companion] = &[
    transport::agent::COMPANION,
    transport::askpass::COMPANION,
    transport::ssh::COMPANION,
    transport::tunnel::COMPANION,
];
