//! Black-box tests of the slack resource: the binary or the image against stand-ins that validate requests as Slack
//! does.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code: an unexpected value must fail the test at once"
)]

mod alert;
mod bad_input;
mod bot;
mod injection;
mod message;
mod official_client;
mod peer_bugs;
mod readme;
mod secrets;
mod support;
mod tls;
mod trouble;
mod version;
