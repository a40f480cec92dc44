//! The github-pr resource from outside: the binary or the image, against a stand-in for GitHub and a git server.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test code: what is not as it should be ends its test there and then"
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
