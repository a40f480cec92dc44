//! A repository in a registry, spoken to by HTTP (the distribution specification of the OCI).
//!
//! [`Registry::send`](client) is how every request goes out: it finds the scheme, logs in when the registry asks for that, and shows
//! what the registry says of its limits. Beside it: [`manifests`](self), tags, blobs: each module adds its requests.

mod auth;
pub(crate) mod blobs;
pub(crate) mod challenge;
mod client;
mod elsewhere;
mod host;
mod manifests;
mod other;
mod problem;
mod quota;
mod referrers;
mod status;
mod tags;
pub(crate) mod uploads;

pub(crate) use auth::Access;
pub(crate) use client::Registry;
pub(crate) use manifests::Asked;
