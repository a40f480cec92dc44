//! Amazon's web services, as far as logging in goes: which credentials there are, and requests signed with them.
//!
//! No tool and no configuration file of Amazon's is needed: keys come from the pipeline or from where the worker runs, roles
//! are assumed by the Security Token Service, requests are signed here (Signature Version 4).
//!
//! ```no_run
//! # async fn example(context: &jetway::Context) -> jetway::Result<()> {
//! use jetway::aws::{Aws, Login};
//! use jetway::http::HttpSettings;
//!
//! let aws = Aws::new(context, context.http(HttpSettings::default())?, "eu-west-1")?;
//! let credentials = aws.log_in(&Login::default()).await?;
//! let url = format!("{}/clusters/production", aws.endpoint("eks"));
//! let request = aws.sign(aws.http().get(url), "eks", &credentials)?;
//! let cluster: serde_json::Value = request.send().await?.json().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The variables that Amazon's own tools know are known here too: `AWS_ACCESS_KEY_ID` and its kin, `AWS_ROLE_ARN` with
//! `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_CONTAINER_CREDENTIALS_*`, `AWS_EC2_METADATA_*`, and `AWS_ENDPOINT_URL` with its forms
//! for one service, such as `AWS_ENDPOINT_URL_STS`.

mod chain;
mod credentials;
mod registry;
mod signature;
mod token_service;

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;

use crate::context::Context;
use crate::error::{Advise as _, Result};
use crate::http::{HttpClient, HttpRequest, Url};

pub use credentials::{Credentials, Login, Role};
pub use registry::RegistryLogin;

pub(crate) use signature::Parts;
use signature::Signing;

/// Amazon's services in one region.
#[derive(Clone)]
pub struct Aws {
    context: Context,
    http: HttpClient,
    region: String,
}

impl fmt::Debug for Aws {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Aws").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Aws {
    /// The services in `region`, such as `eu-west-1`, asked by `http`.
    pub fn new(context: &Context, http: HttpClient, region: &str) -> Result<Self> {
        if !is_region(region) {
            return Err(anyhow!("`{region}` is no region of AWS").hint("a region is written as `eu-west-1`"));
        }
        Ok(Self { context: context.clone(), http, region: region.to_owned() })
    }

    /// The client that requests are made by.
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Where a service (`sts`, `eks`) is, without a slash at its end.
    pub fn endpoint(&self, service: &str) -> String {
        let named = format!("AWS_ENDPOINT_URL_{}", service.to_uppercase().replace(['-', '.'], "_"));
        let given = self.context.variable(&named).or_else(|| self.context.variable("AWS_ENDPOINT_URL"));
        match given {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("https://{service}.{}.{}", self.region, self.domain()),
        }
    }

    /// Credentials: those of `login`, or else what the worker itself may use; then its roles, one by the other.
    pub async fn log_in(&self, login: &Login) -> Result<Credentials> {
        let mut credentials = match &login.keys {
            Some(keys) => keys.clone(),
            None => chain::ambient(self).await?,
        };
        self.learn(&credentials);
        for role in &login.roles {
            credentials = token_service::assume_role(self, &credentials, role)
                .await
                .with_context(|| format!("cannot assume the role `{}`", role.arn))?;
            self.learn(&credentials);
        }
        Ok(credentials)
    }

    /// A request signed for a service. Its method, URL, body and headers must not change after this.
    pub fn sign(&self, request: HttpRequest, service: &str, credentials: &Credentials) -> Result<HttpRequest> {
        self.learn(credentials);
        let headers = self.signing(service, credentials).of_request(&request.signed_parts()?);
        Ok(headers.iter().fold(request, |request, (name, value)| request.secret_header(name, value)))
    }

    /// A URL that is itself a login: whoever gets it within `lifetime` may do that one GET. `headers` must be sent with it.
    pub fn presign(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        service: &str,
        credentials: &Credentials,
        lifetime: Duration,
    ) -> Result<crate::Secret> {
        let url = Url::parse(url).with_context(|| format!("`{url}` is no URL"))?;
        let url = crate::Secret::new(self.signing(service, credentials).of_url(&url, headers, lifetime));
        self.context.console().redactor().add(url.expose());
        Ok(url)
    }

    fn signing<'s>(&'s self, service: &'s str, credentials: &'s Credentials) -> Signing<'s> {
        Signing { credentials, region: &self.region, service, time: Timestamp::now() }
    }

    /// Where the region's services have their names.
    fn domain(&self) -> &'static str {
        if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
    }

    /// Keeps credentials out of what people see. (A key's id is no secret.)
    fn learn(&self, credentials: &Credentials) {
        let redactor = self.context.console().redactor();
        redactor.add(credentials.secret_access_key.expose());
        if let Some(token) = &credentials.session_token {
            redactor.add(token.expose());
        }
    }
}

/// Whether a text can be a region: it becomes part of a host's name.
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
    fn a_region_can_lead_to_no_other_host() {
        for region in ["eu-west-1", "us-gov-east-1", "cn-north-1"] {
            assert!(is_region(region), "{region}");
        }
        for region in ["", "eu.west", "x/", "evil.example#", "EU", "-a", "a@b", "a\n"] {
            assert!(!is_region(region), "{region:?}");
        }
    }
}
