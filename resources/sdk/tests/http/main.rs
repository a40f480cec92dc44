//! Black-box tests of the HTTP client, against a scripted server on loopback.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code: an unexpected value must fail the test at once"
)]

mod client;
mod error_texts;
mod processes;
mod proxies;
mod proxy_relay;
mod redirects;
mod requests;
mod responses;
mod retries;
mod secrets;
mod server;
mod socks;
mod tls;
mod tls_algorithms;
