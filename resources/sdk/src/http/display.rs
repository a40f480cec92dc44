//! How messages show requests, statuses, bodies and durations: without secrets and control characters.

use std::fmt;
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};

/// How much of a body a message shows, in bytes.
const EXCERPT: usize = 300;

/// The method and URL of a request, without secrets.
#[derive(Debug, Clone)]
pub(crate) struct RequestLine {
    pub(crate) method: Method,
    pub(crate) url: String,
}

impl fmt::Display for RequestLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{} {}`", self.method, self.url)
    }
}

/// The parts of a URL that are not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UrlParts {
    /// All parts except the user information and the values of the query.
    Path,
    /// Scheme, host and port. The path is a secret, as in a webhook's URL.
    Origin,
}

/// The URL without its secrets.
pub(crate) fn display_url(url: &Url, parts: UrlParts) -> String {
    let origin = url.origin().ascii_serialization();
    if parts == UrlParts::Origin {
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

/// The bytes as one line of text, without control characters.
pub(crate) fn one_line(bytes: &[u8]) -> String {
    printable(&String::from_utf8_lossy(bytes)).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// The status as `404 Not Found`, or only the number if it has no standard name.
pub(crate) fn display_status(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_str()),
        None => status.as_str().to_owned(),
    }
}

/// The beginning of a body, on one line.
pub(crate) fn excerpt(body: &[u8]) -> String {
    match body.get(..EXCERPT) {
        Some(start) if body.len() > EXCERPT => format!("{}...", one_line(start)),
        _ => one_line(body),
    }
}

/// A duration in words: `3 s`, `0.4 s`, `12 min`.
pub(crate) fn display_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.05 {
        return "a moment".to_owned();
    }
    if seconds < 9.95 {
        let text = format!("{seconds:.1}");
        return format!("{} s", text.strip_suffix(".0").unwrap_or(&text));
    }
    match duration.as_secs() + u64::from(duration.subsec_nanos() > 0) {
        seconds @ ..=180 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn hides_user_information_and_query_values_of_a_url() {
        assert_eq!(
            display_url(&url("https://bob:pw@h.example:8443/a%20b?token=t&n=1&x#f"), UrlParts::Path),
            "https://h.example:8443/a%20b?token=...&n=...&x=..."
        );
    }

    #[test]
    fn hides_the_path_of_a_secret_url() {
        assert_eq!(display_url(&url("https://hooks.example/T0/B0/xyz"), UrlParts::Origin), "https://hooks.example/...");
    }

    #[test]
    fn shows_a_body_as_one_line_without_control_characters() {
        assert_eq!(one_line(b"  <html>\r\n\t<b>\x1b[31mno\xff</b>\n"), "<html> <b> [31mno\u{fffd}</b>");
    }

    #[test]
    fn shows_durations_in_rounded_units() {
        let display = |millis| display_duration(Duration::from_millis(millis));
        assert_eq!(
            [
                display(0),
                display(400),
                display(3000),
                display(9900),
                display(12_100),
                display(180_000),
                display(3_600_000)
            ],
            ["a moment", "0.4 s", "3 s", "9.9 s", "13 s", "180 s", "60 min"]
        );
    }
}
