//! Black-box tests of the protocol: the program `counter`, run as Concourse runs a resource type.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code: an unexpected value must fail the test at once"
)]

mod children;
mod destinations;
mod dispatch;
mod endings;
mod output;
mod requests;
mod run;
