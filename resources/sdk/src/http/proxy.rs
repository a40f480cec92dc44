//! The URLs of proxies.

use reqwest::Url;

/// Parses the URL of a proxy. Like curl, it accepts `host:port` for `http://host:port`.
pub(super) fn proxy_url(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).map_err(|error| format!("expected `http://host:port`: {error}"))?;
    if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
        let found = url.scheme();
        return Err(format!("expected `http://host:port` or `socks5://host:port`, found the scheme `{found}`"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("expected `http://host:port`, found no host".to_owned());
    }
    Ok(url)
}

/// Scheme, host and port of a proxy.
pub(super) fn proxy_origin(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_socks_proxies_and_shows_them_without_their_login() {
        for (text, shown) in
            [("socks5://u:p@h:1080", "socks5://h:1080"), ("socks5h://h", "socks5h://h"), ("h:3128", "http://h:3128")]
        {
            assert_eq!(proxy_origin(&proxy_url(text).unwrap()), shown);
        }
        assert!(proxy_url("socks4://h:1").is_err());
    }
}
