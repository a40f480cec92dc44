//! Black-box tests of the jira resource: the binary or the image against stand-ins for Jira Cloud and Jira Data Center.
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
mod create;
mod faults;
mod gate;
mod get;
mod official_client;
mod put;
mod readme;
mod secrets;
mod support;
mod tls;
