//! The parts of a request that an AWS signature covers.

use anyhow::anyhow;
use reqwest::Url;

use super::request::HttpRequest;
use super::upload::Upload;
use crate::error::Result;

/// The parts of a request that an AWS signature covers.
#[derive(Debug, Clone)]
pub(crate) struct SignedParts<'r> {
    pub(crate) method: &'r str,
    pub(crate) url: &'r Url,
    /// The headers except `host`, with names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: &'r [u8],
}

impl HttpRequest {
    /// The parts of the request that an AWS signature covers.
    pub(crate) fn signed_parts(&self) -> Result<SignedParts<'_>> {
        let url = self.url.as_ref().map_err(|problem| anyhow!("the URL is invalid: {problem}"))?;
        let body = match &self.upload {
            Upload::Nothing => &[][..],
            Upload::Bytes(bytes) => bytes,
            Upload::Opened { .. } => {
                return Err(anyhow!("cannot sign {}: its body is a stream", self.request_line(url)));
            }
        };
        let is_signed = |name: &str| name == "content-type" || name.starts_with("x-amz-");
        let headers = self.headers.iter().filter(|(name, _)| is_signed(name.as_str()));
        let headers = headers.map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        Ok(SignedParts { method: self.method.as_str(), url, headers: headers.collect(), body })
    }
}
