//! The git program for resource types: its environment, credentials, ssh, retries and errors, and the parts of a checkout
//! that types share.
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

/// The programs that answer git's questions for credentials; a type that runs git has them.
pub const COMPANIONS: &[Companion] = &[
    transport::agent::COMPANION,
    transport::askpass::COMPANION,
    transport::ssh::COMPANION,
    transport::tunnel::COMPANION,
];
