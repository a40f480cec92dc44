//! The protocol from outside: the program `counter`, run as Concourse runs a resource type.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test code: what is not as it should be ends its test there and then"
)]

mod children;
mod destinations;
mod dispatch;
mod endings;
mod output;
mod requests;
mod run;
