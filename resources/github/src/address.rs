//! URLs: web pages, for the links of statuses, and APIs.

use jetway::http::Url;

/// Whether GitHub accepts the text as a page's URL: its scheme is `http` or `https`, and it has a host.
pub fn is_page(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty())
    }) && text.contains("://")
}

/// Whether the REST API at this URL is one of Gitea or Forgejo, whose path ends with `/api/v1`.
pub fn is_gitea(api: &str) -> bool {
    api.trim_end_matches('/').ends_with("/api/v1")
}

/// The web address of the server whose REST API is at `api`.
pub fn server_of(api: &str) -> String {
    if is_gitea(api) {
        return api.trim_end_matches("/api/v1").to_owned();
    }
    let Ok(url) = Url::parse(api) else { return api.to_owned() };
    let host = url.host_str().unwrap_or_default();
    if url.path().trim_matches('/').is_empty()
        && let Some(host) = host.strip_prefix("api.")
    {
        return format!("{}://{host}", url.scheme());
    }
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_gitea_depends_on_the_path_of_the_api() {
        assert!(is_gitea("https://gitea.example/api/v1") && is_gitea("https://example.com/gitea/api/v1/"));
        for api in ["https://api.github.com", "https://ghe.example/api/v3", "https://gitea.example"] {
            assert!(!is_gitea(api), "{api}");
        }
    }

    #[test]
    fn is_page_requires_a_scheme_and_a_host() {
        for text in ["https://ci.example.com/builds/1", "http://127.0.0.1:8080", "HTTPS://ci.example.com?vars=%7B%7D"] {
            assert!(is_page(text), "{text}");
        }
        for text in
            ["", "ci.example.com/builds/1", "/builds/1", "ci.example.com:8080/x", "ftp://x/y", "https://", "https:x"]
        {
            assert!(!is_page(text), "{text}");
        }
    }

    #[test]
    fn server_is_that_of_the_api() {
        for (api, server) in [
            ("https://api.github.com", "https://github.com"),
            ("https://api.tenant.ghe.com", "https://tenant.ghe.com"),
            ("https://ghe.example/api/v3", "https://ghe.example"),
            ("https://api.example/api/v3", "https://api.example"),
            ("https://gitea.example:3000/api/v1", "https://gitea.example:3000"),
            ("https://example.com/gitea/api/v1", "https://example.com/gitea"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(server_of(api), server, "{api}");
        }
    }
}
