//! Black-box tests of the HTTP client, against a scripted server on loopback.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test code: what is not as it should be ends its test there and then"
)]

mod answers;
mod client;
mod error_texts;
mod processes;
mod proxies;
mod proxy_relay;
mod redirects;
mod requests;
mod secrets;
mod server;
mod socks;
mod tls;
mod tls_algorithms;
mod trying_again;
