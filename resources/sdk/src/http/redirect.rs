//! Redirects: the next request, and what it must not send to another host.

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Method, StatusCode, Url};

/// How redirects are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// Follows up to ten redirects. Credentials are not sent to another scheme, host or port. A redirect from `https` to `http`
    /// is an error, and so is one that would send a body to another host.
    Follow,
    /// Like `Follow`, but also from `https` to `http`, without credentials. For content that is verified by its digest.
    FollowToPlainHttp,
    /// Like `Follow`, but also sends the body to another host. For content that is not secret.
    FollowWithBody,
    /// Returns the redirect as the response.
    Return,
}

/// The maximum number of redirects in a row.
pub(crate) const MAX_REDIRECTS: usize = 10;

/// The request that follows a redirect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) url: Url,
    pub(crate) method: Method,
    /// Whether it has the body of the original request.
    pub(crate) body: bool,
    /// Whether it has the scheme, host and port of the previous request.
    pub(crate) same_origin: bool,
}

/// Why a redirect is not followed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RedirectError {
    /// Its `Location` is not an HTTP URL.
    Location,
    /// A redirect from `https` to `http`.
    Downgrade(Url),
    /// It would send a body to another host.
    Body(Url),
}

/// Whether a response is a redirect that can be followed.
pub(crate) fn is_redirect(status: StatusCode, headers: &HeaderMap) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) && headers.contains_key(LOCATION)
}

/// The request that follows a redirect from `url`.
pub(crate) fn next(
    url: &Url,
    method: &Method,
    has_body: bool,
    status: StatusCode,
    headers: &HeaderMap,
    redirects: Redirects,
) -> Result<Next, RedirectError> {
    let location = headers.get(LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let mut target = location.and_then(|location| url.join(location).ok()).ok_or(RedirectError::Location)?;
    if !matches!(target.scheme(), "http" | "https") || target.host_str().is_none() {
        return Err(RedirectError::Location);
    }
    // A server must not choose the credentials.
    let _ = target.set_username("");
    let _ = target.set_password(None);
    if url.scheme() == "https" && target.scheme() == "http" && redirects != Redirects::FollowToPlainHttp {
        return Err(RedirectError::Downgrade(target));
    }
    // Like browsers, and as RFC 9110, section 15.4 allows: a POST becomes a GET, except with 307 and 308.
    let becomes_get = match status {
        StatusCode::SEE_OTHER => *method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *method == Method::POST,
        _ => false,
    };
    let body = has_body && !becomes_get;
    let same_origin = url.origin() == target.origin();
    if body && !same_origin && redirects != Redirects::FollowWithBody {
        return Err(RedirectError::Body(target));
    }
    let method = if becomes_get { Method::GET } else { method.clone() };
    Ok(Next { url: target, method, body, same_origin })
}

/// Removes the headers that must not be sent to the redirect's target.
pub(crate) fn strip(headers: &mut HeaderMap, next: &Next) {
    if !next.body {
        headers.remove(CONTENT_TYPE);
        headers.remove(CONTENT_LENGTH);
    }
    if !next.same_origin {
        // Headers with a secret are marked as sensitive. The names cover those that a caller set as plain headers.
        let secret = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            let credentials = ["authorization", "cookie", "proxy-authorization", "www-authenticate"];
            (value.is_sensitive() || credentials.contains(&name.as_str())).then(|| name.clone())
        };
        let names: Vec<_> = headers.iter().filter_map(secret).collect();
        for name in names {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{AUTHORIZATION, HeaderValue};

    fn followed(from: &str, method: &Method, body: bool, status: u16, location: &str) -> Result<Next, RedirectError> {
        follow_by(Redirects::Follow, from, method, body, status, location)
    }

    fn follow_by(
        redirects: Redirects,
        from: &str,
        method: &Method,
        body: bool,
        status: u16,
        location: &str,
    ) -> Result<Next, RedirectError> {
        let headers = [(LOCATION, location.parse().unwrap())].into_iter().collect();
        next(&Url::parse(from).unwrap(), method, body, StatusCode::from_u16(status).unwrap(), &headers, redirects)
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn resolves_relative_location() {
        let next = followed("https://a.example/x/y?q", &Method::GET, false, 302, "../z").unwrap();
        assert_eq!(next, Next { url: url("https://a.example/z"), method: Method::GET, body: false, same_origin: true });
    }

    #[test]
    fn different_scheme_host_or_port_is_another_origin() {
        for (from, to, same) in [
            ("https://a.example/", "https://a.example:443/b", true),
            ("https://a.example/", "https://a.example:8443/", false),
            ("https://a.example/", "https://b.a.example/", false),
            ("http://a.example/", "https://a.example/", false),
        ] {
            assert_eq!(followed(from, &Method::GET, false, 307, to).unwrap().same_origin, same, "{to}");
        }
    }

    #[test]
    fn method_stays_or_becomes_get() {
        for (method, status, becomes) in [
            (Method::POST, 301, Method::GET),
            (Method::POST, 302, Method::GET),
            (Method::POST, 303, Method::GET),
            (Method::PUT, 303, Method::GET),
            (Method::HEAD, 303, Method::HEAD),
            (Method::PUT, 302, Method::PUT),
            (Method::POST, 307, Method::POST),
            (Method::PATCH, 308, Method::PATCH),
        ] {
            let next = followed("http://a/", &method, true, status, "/b").unwrap();
            assert_eq!((next.method, next.body), (becomes.clone(), becomes == method), "{method} {status}");
        }
    }

    #[test]
    fn rejects_unsafe_redirects() {
        let downgrade = followed("https://a/", &Method::GET, false, 302, "http://a/");
        assert_eq!(downgrade, Err(RedirectError::Downgrade(url("http://a/"))));
        let body = followed("https://a/", &Method::POST, true, 307, "https://b/");
        assert_eq!(body, Err(RedirectError::Body(url("https://b/"))));
        for location in ["file:///etc/passwd", "http://", "data:x"] {
            assert_eq!(
                followed("http://a/", &Method::GET, false, 302, location),
                Err(RedirectError::Location),
                "{location}"
            );
        }
    }

    #[test]
    fn follows_to_plain_http_or_with_a_body_when_the_caller_allows_it() {
        let plain =
            follow_by(Redirects::FollowToPlainHttp, "https://a/", &Method::GET, false, 302, "http://b/").unwrap();
        assert_eq!((plain.url, plain.same_origin), (url("http://b/"), false));
        let body = follow_by(Redirects::FollowWithBody, "https://a/", &Method::PUT, true, 307, "https://b/").unwrap();
        assert_eq!((body.url, body.body, body.same_origin), (url("https://b/"), true, false));
        // Neither permission implies the other.
        let both = |redirects| follow_by(redirects, "https://a/", &Method::PUT, true, 307, "http://b/");
        assert!(both(Redirects::FollowToPlainHttp).is_err() && both(Redirects::FollowWithBody).is_err());
    }

    #[test]
    fn ignores_credentials_in_a_location() {
        let next = followed("https://a/", &Method::GET, false, 302, "https://u:p@b/").unwrap();
        assert_eq!(next.url, url("https://b/"));
    }

    #[test]
    fn removes_marked_headers_and_credentials() {
        let mut token = HeaderValue::from_static("t");
        token.set_sensitive(true);
        let sent: HeaderMap = [
            (AUTHORIZATION, HeaderValue::from_static("Basic x")),
            ("private-token".parse().unwrap(), token),
            (CONTENT_TYPE, HeaderValue::from_static("text/plain")),
            ("accept".parse().unwrap(), HeaderValue::from_static("*/*")),
        ]
        .into_iter()
        .collect();
        let names = |next: &Next| {
            let mut headers = sent.clone();
            strip(&mut headers, next);
            headers.keys().map(ToString::to_string).collect::<Vec<_>>()
        };
        let elsewhere = followed("https://a/", &Method::GET, false, 302, "https://b/").unwrap();
        assert_eq!(names(&elsewhere), ["accept"]);
        let here = followed("https://a/", &Method::GET, false, 302, "https://a/b").unwrap();
        assert_eq!(names(&here), ["authorization", "private-token", "accept"]);
    }
}
