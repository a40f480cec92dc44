//! Black-box tests of the github-pr resource: the binary or the image against a stand-in for GitHub and a git server.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code: an unexpected value must fail the test at once"
)]

mod bad_input;
mod check;
mod content;
mod faults;
mod filters;
mod get;
mod gitea;
mod history;
mod order;
mod put;
mod readme;
mod real_gitea;
mod secrets;
mod support;
mod tls;
