//! URLs of web pages, for the links of statuses.

use jetway::http::Url;

/// Whether GitHub accepts the text as a page's URL: its scheme is `http` or `https`, and it has a host.
pub fn is_page(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty())
    }) && text.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_a_scheme_and_a_host() {
        for text in ["https://ci.example.com/builds/1", "http://127.0.0.1:8080", "HTTPS://ci.example.com?vars=%7B%7D"] {
            assert!(is_page(text), "{text}");
        }
        for text in
            ["", "ci.example.com/builds/1", "/builds/1", "ci.example.com:8080/x", "ftp://x/y", "https://", "https:x"]
        {
            assert!(!is_page(text), "{text}");
        }
    }
}
