//! Verifies AWS signatures: computes the signature from the request.
//!
//! By "Create a signed AWS API request"
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>) and, for a URL that is signed
//! as a whole, "Authenticating Requests: Using Query Parameters"
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;

use crate::stand_in::RecordedRequest;

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The id.
    pub id: String,
    /// The secret key.
    pub secret: String,
    /// The session token.
    pub session: Option<String>,
}

impl Key {
    /// Creates a key without a session.
    pub fn new(id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: secret.to_owned(), session: None }
    }

    /// Verifies that a request is signed with this key, for this region and service. The signature is in a header, or in the
    /// query of a presigned URL, which was sent with `headers`.
    pub fn has_signed(&self, request: &RecordedRequest, region: &str, service: &str) -> Result<(), String> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let mut pairs: Vec<(String, String)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let fields = match request.header("authorization") {
            Some(header) => of_header(header)?,
            None => of_query(&mut pairs),
        };
        let field = |name: &str| fields.get(name).cloned().ok_or_else(|| format!("there is no {name}"));
        let moment = match request.header("x-amz-date") {
            Some(moment) => moment.to_owned(),
            None => field("Date")?,
        };
        let day = moment.get(..8).ok_or("no date")?;
        let scope = format!("{day}/{region}/{service}/aws4_request");
        if field("Credential")? != format!("{}/{scope}", self.id) {
            return Err(format!("the credential is {}", field("Credential")?));
        }
        let session =
            request.header("x-amz-security-token").map(str::to_owned).or(fields.get("Security-Token").cloned());
        if session != self.session {
            return Err("the session's token is another one".to_owned());
        }
        let names = field("SignedHeaders")?;
        if !names.split(';').any(|name| name == "host") {
            return Err("the host is not signed".to_owned());
        }
        let mut headers = String::new();
        for name in names.split(';') {
            let value = request.header(name).ok_or_else(|| format!("the header {name} did not come"))?;
            let _ = writeln!(headers, "{name}:{value}");
        }
        pairs.sort();
        let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = format!(
            "{}\n{path}\n{}\n{headers}\n{names}\n{}",
            request.method,
            query.join("&"),
            hex(digest(&SHA256, &request.body).as_ref())
        );
        let text =
            format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", hex(digest(&SHA256, request.as_bytes()).as_ref()));
        let first = format!("AWS4{}", self.secret).into_bytes();
        let key = [day, region, service, "aws4_request"].iter().fold(first, |key, part| keyed(&key, part));
        let expected = hex(&keyed(&key, &text));
        if field("Signature")? == expected { Ok(()) } else { Err("the signature is another one".to_owned()) }
    }
}

/// The fields of an `Authorization` header.
fn of_header(header: &str) -> Result<BTreeMap<String, String>, String> {
    let fields = header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("another algorithm")?;
    let pairs = fields.split(", ").filter_map(|field| field.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The fields of a presigned URL, without the prefix `X-Amz-`; removes the signature from the query.
fn of_query(pairs: &mut Vec<(String, String)>) -> BTreeMap<String, String> {
    let fields = pairs.iter().filter_map(|(name, value)| {
        let value = value.replace("%2F", "/").replace("%3B", ";").replace("%2B", "+").replace("%3D", "=");
        Some((name.strip_prefix("X-Amz-")?.to_owned(), value))
    });
    let fields = fields.collect();
    pairs.retain(|(name, _)| name != "X-Amz-Signature");
    fields
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
