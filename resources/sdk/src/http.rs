//! The HTTP client for resource types: with the system's certificates, proxies, redirects, retries, rate limits and signals.
//!
//! [`crate::Context::http`] creates an [`HttpClient`]. Requests are built and sent like this:
//!
//! ```no_run
//! # async fn example(context: &jetway::Context, token: jetway::Secret) -> jetway::Result<()> {
//! use jetway::http::{HttpSettings, StatusCode, StatusError};
//!
//! let client = context.http(HttpSettings::default())?;
//! let state: serde_json::Value = client.get("https://api.example/state").bearer(&token).send().await?.json().await?;
//! let created = client.post("https://api.example/state").bearer(&token).json(&state).send().await;
//! if let Err(error) = &created
//!     && let Some(error) = error.downcast_ref::<StatusError>()
//!     && error.status() == StatusCode::CONFLICT
//! {
//!     context.console().step("another build was faster");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A request is retried, within the bounds of [`Retry`], if that cannot apply it twice:
//!
//! | failure | retried |
//! |---|---|
//! | no connection (host name, refused, timeout) | always: nothing was sent |
//! | connection closed or silent before the response's head is complete | GET, HEAD, OPTIONS, PUT, DELETE |
//! | 429; 403 with the headers of a rate limit; 503 with `Retry-After` | always: the server did not apply the request |
//! | 408, 499, 500, 502, 504, 522; 503 without `Retry-After` | GET, HEAD, OPTIONS, PUT, DELETE |
//!
//! [`HttpRequest::repeatable`] marks another request as safe to apply twice. Permanent errors, such as an untrusted certificate,
//! are not retried. A failure in the body of a response is not retried either: the caller resumes the download with
//! [`HttpRequest::resume_at`].

mod client;
mod display;
mod environment;
mod error_texts;
mod explain;
mod pem;
mod provider;
mod proxy;
mod proxy_relay;
mod redirect;
mod request;
mod response;
mod retry;
mod send;
mod settings;
#[cfg(feature = "aws")]
mod signed_parts;
mod status_error;
mod tls_error;
mod transport_error;
mod trust;
mod trust_sources;
mod upload;

pub use bytes::Bytes;
pub use reqwest::header::{self, HeaderMap};
pub use reqwest::{Method, StatusCode, Url};

pub use client::HttpClient;
pub use explain::tls_problem;
pub use proxy_relay::ProxyRelay;
pub use redirect::Redirects;
pub use request::HttpRequest;
pub use response::HttpResponse;
pub use retry::{Retry, RetryDecision, after_response, is_transient};
pub use settings::{Authorities, ClientCertificate, HttpSettings, Proxies, TimeoutKeys, authority_problem};
#[cfg(feature = "aws")]
pub(crate) use signed_parts::SignedParts;
pub use status_error::StatusError;
pub use transport_error::{TransportError, TransportKind};
