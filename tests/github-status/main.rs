//! The github-status resource from outside: the binary or the image, against a stand-in that knows what GitHub takes.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test code: what is not as it should be ends its test there and then"
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
