//! A client for one repository in a registry (OCI distribution specification).
//!
//! [`Registry::send`](client) sends every request: it finds the scheme, logs in when the registry challenges, and logs
//! the registry's rate limits. The other modules ([`manifests`](self), tags, blobs) each add their requests.

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
pub(crate) use manifests::Reference;
