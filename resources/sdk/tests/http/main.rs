//! The HTTP client from outside: against a server that behaves as told, on the loopback interface.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test code: what is not as it should be ends its test there and then"
)]

mod answers;
mod client;
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
