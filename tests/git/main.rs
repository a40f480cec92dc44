//! The git resource from outside: the binary or the image, against real servers.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test code: an unexpected result should panic"
)]

mod agent;
mod bad_input;
mod check;
mod credential_hosts;
mod encrypted;
mod error_texts;
mod filters;
mod get;
mod git_config;
mod gitea;
mod interruption;
mod kill;
mod lfs;
mod names;
mod put;
mod random_histories;
mod secrecy;
mod servers;
mod sha256;
mod submodule_credentials;
mod submodules;
mod support;
mod tags;
mod transport;
mod trouble;
mod tunnel;
mod verification;
mod web_server;
mod words;
