//! The services of a region: their URLs, and signed requests to them.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;

use super::credentials::Credentials;
use super::signature::Signing;
use crate::context::Context;
use crate::error::{Advise as _, Result};
use crate::http::{HttpClient, HttpRequest, Url};
use crate::secret::Secret;

/// The AWS services of one region.
#[derive(Clone)]
pub struct Aws {
    pub(super) context: Context,
    http: HttpClient,
    region: String,
}

impl fmt::Debug for Aws {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Aws").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Aws {
    /// The services in `region`, such as `eu-west-1`. `http` sends the requests.
    pub fn new(context: &Context, http: HttpClient, region: &str) -> Result<Self> {
        if !is_region(region) {
            return Err(anyhow!("`{region}` is not an AWS region").hint("a region looks like `eu-west-1`"));
        }
        Ok(Self { context: context.clone(), http, region: region.to_owned() })
    }

    /// The client that sends the requests.
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The URL of a service (`sts`, `eks`), without a slash at its end.
    pub fn endpoint(&self, service: &str) -> String {
        let named = format!("AWS_ENDPOINT_URL_{}", service.to_uppercase().replace(['-', '.'], "_"));
        let given = self.context.variable(&named).or_else(|| self.context.variable("AWS_ENDPOINT_URL"));
        match given {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("https://{service}.{}.{}", self.region, self.domain()),
        }
    }

    /// Signs a request for a service. Its method, URL, body and headers must not change afterwards.
    pub fn sign(&self, request: HttpRequest, service: &str, credentials: &Credentials) -> Result<HttpRequest> {
        self.redact(credentials);
        let headers = self.signing(service, credentials).of_request(&request.signed_parts()?);
        Ok(headers.iter().fold(request, |request, (name, value)| request.secret_header(name, value)))
    }

    /// A URL with a signature, which allows one GET within `lifetime` without other credentials. `headers` must be sent with it.
    pub fn presign(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        service: &str,
        credentials: &Credentials,
        lifetime: Duration,
    ) -> Result<Secret> {
        let url = Url::parse(url).with_context(|| format!("`{url}` is not a URL"))?;
        let url = Secret::new(self.signing(service, credentials).of_url(&url, headers, lifetime));
        self.context.console().redactor().add(url.expose());
        Ok(url)
    }

    fn signing<'s>(&'s self, service: &'s str, credentials: &'s Credentials) -> Signing<'s> {
        Signing { credentials, region: &self.region, service, time: Timestamp::now() }
    }

    /// The domain of the region's services.
    fn domain(&self) -> &'static str {
        if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
    }

    /// Makes the console redact the credentials. The id of an access key is not secret.
    pub(super) fn redact(&self, credentials: &Credentials) {
        let redactor = self.context.console().redactor();
        redactor.add(credentials.secret_access_key.expose());
        if let Some(token) = &credentials.session_token {
            redactor.add(token.expose());
        }
    }
}

/// Whether a text is a valid region, which becomes a part of host names.
fn is_region(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_regions_that_would_change_the_host() {
        for region in ["eu-west-1", "us-gov-east-1", "cn-north-1"] {
            assert!(is_region(region), "{region}");
        }
        for region in ["", "eu.west", "x/", "evil.example#", "EU", "-a", "a@b", "a\n"] {
            assert!(!is_region(region), "{region:?}");
        }
    }
}
