//! Signature Version 4.
//!
//! See "Create a signed AWS API request" in the IAM user guide. The tests compare with the signatures that Amazon has published.

use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use jiff::Timestamp;

use super::credentials::Credentials;
use crate::encoding::{hex, percent_encode};
use crate::http::{SignedParts, Url};
use crate::secret::Secret;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The credentials, scope and time of a signature.
pub(crate) struct Signing<'s> {
    pub(crate) credentials: &'s Credentials,
    pub(crate) region: &'s str,
    pub(crate) service: &'s str,
    pub(crate) time: Timestamp,
}

impl Signing<'_> {
    /// The headers that sign a request.
    pub(crate) fn of_request(&self, parts: &SignedParts<'_>) -> Vec<(&'static str, Secret)> {
        let mut headers = parts.headers.clone();
        headers.push(("host".to_owned(), authority(parts.url)));
        headers.push(("x-amz-date".to_owned(), self.moment()));
        let mut added = vec![("x-amz-date", Secret::new(self.moment()))];
        if let Some(token) = &self.credentials.session_token {
            headers.push(("x-amz-security-token".to_owned(), token.expose().to_owned()));
            added.push(("x-amz-security-token", token.clone()));
        }
        let headers = Headers::new(headers);
        let query =
            canonical_query(parts.url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())));
        let signature =
            self.signature(parts.method, parts.url, &query, &headers, &hex(digest(&SHA256, parts.body).as_ref()));
        let (id, scope, names) = (&self.credentials.access_key_id, self.scope(), headers.names());
        let value = format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        added.push(("authorization", Secret::new(value)));
        added
    }

    /// `url` with the signature of a GET in its query.
    pub(crate) fn of_url(&self, url: &Url, headers: &[(&str, &str)], lifetime: Duration) -> String {
        self.of_url_with(url, headers, lifetime, &hex(digest(&SHA256, b"").as_ref()))
    }

    fn of_url_with(&self, url: &Url, headers: &[(&str, &str)], lifetime: Duration, body_hash: &str) -> String {
        let mut headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_lowercase(), (*value).to_owned())).collect();
        headers.push(("host".to_owned(), authority(url)));
        let headers = Headers::new(headers);
        let mut pairs: Vec<(String, String)> =
            url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let mut add = |name: &str, value: String| pairs.push((name.to_owned(), value));
        add("X-Amz-Algorithm", ALGORITHM.to_owned());
        add("X-Amz-Credential", format!("{}/{}", self.credentials.access_key_id, self.scope()));
        add("X-Amz-Date", self.moment());
        add("X-Amz-Expires", lifetime.as_secs().to_string());
        add("X-Amz-SignedHeaders", headers.names());
        if let Some(token) = &self.credentials.session_token {
            add("X-Amz-Security-Token", token.expose().to_owned());
        }
        let query = canonical_query(pairs);
        let signature = self.signature("GET", url, &query, &headers, body_hash);
        format!("{}://{}{}?{query}&X-Amz-Signature={signature}", url.scheme(), authority(url), url.path())
    }

    fn signature(&self, method: &str, url: &Url, query: &str, headers: &Headers, body_hash: &str) -> String {
        let path = self.canonical_path(url.path());
        let request = format!("{method}\n{path}\n{query}\n{}\n{}\n{body_hash}", headers.canonical(), headers.names());
        let request_hash = hex(digest(&SHA256, request.as_bytes()).as_ref());
        let text = format!("{ALGORITHM}\n{}\n{}\n{request_hash}", self.moment(), self.scope());
        let mut key = format!("AWS4{}", self.credentials.secret_access_key.expose()).into_bytes();
        for part in [self.day().as_str(), self.region, self.service, "aws4_request"] {
            key = hmac_sha256(&key, part);
        }
        hex(&hmac_sha256(&key, &text))
    }

    /// The path, with each segment encoded once more. S3 is an exception: it uses the path of the URL.
    fn canonical_path(&self, path: &str) -> String {
        if self.service == "s3" {
            return path.to_owned();
        }
        path.split('/').map(|segment| percent_encode(segment, "")).collect::<Vec<_>>().join("/")
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day(), self.region, self.service)
    }

    fn moment(&self) -> String {
        self.time.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    fn day(&self) -> String {
        self.time.strftime("%Y%m%d").to_string()
    }
}

/// Headers in canonical order and form.
struct Headers(Vec<(String, String)>);

impl Headers {
    fn new(mut headers: Vec<(String, String)>) -> Self {
        for (_, value) in &mut headers {
            *value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        headers.sort();
        Self(headers)
    }

    fn canonical(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(text, "{name}:{value}");
            text
        })
    }

    fn names(&self) -> String {
        self.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";")
    }
}

fn canonical_query(pairs: impl IntoIterator<Item = (String, String)>) -> String {
    let mut pairs: Vec<_> =
        pairs.into_iter().map(|(name, value)| (percent_encode(&name, ""), percent_encode(&value, ""))).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The host, with the port if it is not the default of the scheme.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key that Amazon's test suite for Signature Version 4 signs with.
    fn suite(token: Option<&str>) -> Credentials {
        Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: token.map(Secret::new),
            expires: None,
        }
    }

    fn signed(
        credentials: &Credentials,
        service: &str,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        let time = "2015-08-30T12:36:00Z".parse().unwrap();
        let signing = Signing { credentials, region: "us-east-1", service, time };
        let url = Url::parse(url).unwrap();
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let added = signing.of_request(&SignedParts { method, url: &url, headers, body: body.as_bytes() });
        added.into_iter().find(|(name, _)| *name == "authorization").unwrap().1.expose().to_owned()
    }

    /// Method, path and query, headers, body, signature.
    type Case<'c> = (&'c str, &'c str, &'c [(&'c str, &'c str)], &'c str, &'c str);

    #[test]
    fn matches_published_signatures() {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let cases: [Case<'_>; 6] = [
            ("GET", "/", &[], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", "/", &[], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            // get-vanilla-query-order-key-case, get-vanilla-query-unreserved
            (
                "GET",
                "/?Param2=value2&Param1=value1",
                &[],
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "GET",
                "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
                &[],
                "",
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            // get-header-value-trim
            (
                "GET",
                "/",
                &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
                "",
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            ("POST", "/", &form, "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        ];
        for (method, path, headers, body, signature) in cases {
            let url = format!("https://example.amazonaws.com{path}");
            let authorization = signed(&suite(None), "service", method, &url, headers, body);
            assert!(authorization.ends_with(signature), "{method} {path}: {authorization}");
        }
    }

    #[test]
    fn matches_example_of_the_user_guide() {
        let authorization = signed(
            &suite(None),
            "iam",
            "GET",
            "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
            &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
            "",
        );
        assert_eq!(
            authorization,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    #[test]
    fn signs_session_token() {
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        let authorization = signed(&suite(Some(token)), "service", "POST", "https://example.amazonaws.com/", &[], "");
        assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token, "), "{authorization}");
        assert!(
            authorization.ends_with("85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
            "{authorization}"
        );
    }

    #[test]
    fn matches_published_presigned_url() {
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            session_token: None,
            expires: None,
        };
        let time = "2013-05-24T00:00:00Z".parse().unwrap();
        let signing = Signing { credentials: &credentials, region: "us-east-1", service: "s3", time };
        let url = Url::parse("https://examplebucket.s3.amazonaws.com/test.txt").unwrap();
        // The S3 example does not sign the body; everything else is the same.
        let signed = signing.of_url_with(&url, &[], Duration::from_hours(24), "UNSIGNED-PAYLOAD");
        assert_eq!(
            signed,
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }
}
