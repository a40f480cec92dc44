//! URLs as people may see them.

use reqwest::Url;

/// How much of a URL may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// All but the user information and the values of the query.
    Path,
    /// Scheme, host and port: the path itself is a secret, as in a webhook's URL.
    Origin,
}

/// `url` without its secrets.
pub(crate) fn shown(url: &Url, how: Shown) -> String {
    let origin = url.origin().ascii_serialization();
    if how == Shown::Origin {
        return format!("{origin}/...");
    }
    let mut text = format!("{origin}{}", url.path());
    let mut separator = '?';
    for (name, _) in url.query_pairs() {
        text.push(separator);
        separator = '&';
        text.push_str(&printable(&name));
        text.push_str("=...");
    }
    text
}

/// Bytes as one line that a terminal takes as text: no control character comes through.
pub(crate) fn one_line(bytes: &[u8]) -> String {
    printable(&String::from_utf8_lossy(bytes)).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_url_is_shown_without_user_information_and_without_the_values_of_its_query() {
        assert_eq!(
            shown(&url("https://bob:pw@h.example:8443/a%20b?token=t&n=1&x#f"), Shown::Path),
            "https://h.example:8443/a%20b?token=...&n=...&x=..."
        );
    }

    #[test]
    fn a_url_whose_path_is_a_secret_is_shown_by_its_host() {
        assert_eq!(shown(&url("https://hooks.example/T0/B0/xyz"), Shown::Origin), "https://hooks.example/...");
    }

    #[test]
    fn a_body_becomes_one_harmless_line() {
        assert_eq!(one_line(b"  <html>\r\n\t<b>\x1b[31mno\xff</b>\n"), "<html> <b> [31mno\u{fffd}</b>");
    }
}
