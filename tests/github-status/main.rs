//! Black-box tests of the github-status resource: the binary or the image against a stand-in that validates requests as GitHub
//! does.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code: an unexpected value must fail the test at once"
)]

mod app;
mod bad_input;
mod check;
mod cogito;
mod comments;
mod confirmed;
mod deployment;
mod faults;
mod gate;
mod get;
mod gitea;
mod injection;
mod put;
mod readme;
mod real_gitea;
mod recordings;
mod secrets;
mod support;
mod tls;
