//! The fixtures of the black-box tests, the demo and the benchmark.
//!
//! Each fixture starts its own server on loopback, on a port that the system picks, and stops it when the value is dropped.
//! [`http_git::HttpGit`] and [`ssh_git::SshGit`] are servers, [`repository::Repository`] is the history that they serve, and
//! [`verb::Verb`] runs a resource as a Concourse worker does.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "this is test code: a fixture that cannot be set up ends its test there and then"
)]

pub mod aws;
pub mod binaries;
pub mod certificates;
pub mod checkout;
pub mod concourse;
pub mod counterparts;
pub mod daemon;
pub mod delivery;
pub mod engine;
pub mod git;
pub mod gitea;
pub mod github;
pub mod http_git;
pub mod jira;
pub mod kubernetes;
pub mod large_repository;
pub mod layer;
pub mod nginx_git;
pub mod process;
pub mod registry;
pub mod repository;
pub mod scratch;
pub mod signing;
pub mod slack;
pub mod small_disk;
pub mod snapshot;
pub mod socks;
pub mod ssh_git;
pub mod stand_in;
pub mod tinyproxy;
pub mod tls_cases;
pub mod tls_engine;
pub mod token_server;
pub mod tree;
pub mod verb;
pub mod worker;
