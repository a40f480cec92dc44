//! When a request is retried, and after which pause.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};

/// The bounds of retries.
///
/// The pause before a retry is random, between zero and a limit that doubles with each attempt ("full jitter"), so that the
/// resources of a pipeline do not all retry at once. If a server says how long to wait, the client waits that long; if that
/// exceeds `total`, the request fails at once with an error that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The maximum number of attempts, including the first one.
    pub attempts: u32,
    /// The limit of the first pause.
    pub first_pause: Duration,
    /// The maximum pause, except for pauses in `Retry-After`.
    pub longest_pause: Duration,
    /// The time after which no further attempt begins.
    pub total: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(20),
            total: Duration::from_mins(2),
        }
    }
}

impl Retry {
    /// Allows only one attempt.
    pub fn never() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// The pause after this number of attempts, for retries that a caller makes itself.
    pub fn pause_after(&self, attempts: u32) -> Duration {
        self.pause(attempts, random())
    }

    /// The pause after this number of attempts. `random` is from 0 to 1.
    pub(crate) fn pause(&self, attempts: u32, random: f64) -> Duration {
        let limit = self.first_pause.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)));
        limit.min(self.longest_pause).mul_f64(random.clamp(0.0, 1.0))
    }
}

/// Whether to retry after a response or a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// Do not retry: it would fail again, or apply the request twice.
    No,
    /// Retry after a pause by [`Retry`].
    AfterPause,
    /// Retry after the time in `Retry-After`.
    After(Duration),
}

/// Whether a method is idempotent (RFC 9110, section 9.2.2).
pub(crate) fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE].contains(method)
}

/// Whether to retry after a response. `repeatable` says whether the request may be applied twice.
pub fn after_response(status: StatusCode, headers: &HeaderMap, repeatable: bool, now: SystemTime) -> RetryDecision {
    let requested = requested_pause(headers, now);
    let or_paused = requested.map_or(RetryDecision::AfterPause, RetryDecision::After);
    match status {
        StatusCode::TOO_MANY_REQUESTS => or_paused,
        // GitHub answers 403 for its primary and secondary rate limits. A 403 without such a header is final.
        StatusCode::FORBIDDEN => requested.map_or(RetryDecision::No, RetryDecision::After),
        StatusCode::SERVICE_UNAVAILABLE if requested.is_some() => or_paused,
        status if repeatable && is_transient(status) => or_paused,
        _ => RetryDecision::No,
    }
}

/// Whether a status is transient. The list is that of go-containerregistry.
pub fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 499 | 500 | 502 | 503 | 504 | 522)
}

/// The pause that the server requests.
fn requested_pause(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    // A date refers to the server's clock, which may differ from the local one.
    let now = text(DATE.as_str()).and_then(http_date).unwrap_or(now);
    let until = |time: SystemTime| time.duration_since(now).unwrap_or_default();
    if let Some(wait) = text(RETRY_AFTER.as_str()) {
        return wait.parse().map(Duration::from_secs).ok().or_else(|| http_date(wait).map(until));
    }
    if text("x-ratelimit-remaining") != Some("0") {
        return None;
    }
    let reset: u64 = text("x-ratelimit-reset")?.parse().ok()?;
    // The limit counts in whole seconds, so wait one second more.
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(reset.checked_add(1)?)).map(until)
}

/// Parses a date by RFC 9110, section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<SystemTime> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let since_epoch = Duration::from_secs(time.as_second().try_into().ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

/// A random number from 0 to 1.
pub(crate) fn random() -> f64 {
    use aws_lc_rs::rand::SecureRandom as _;
    let mut bytes = [0_u8; 4];
    match aws_lc_rs::rand::SystemRandom::new().fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fri, 15 Jan 2027 08:00:00 GMT: 1800000000 seconds.
    const NOW: Duration = Duration::from_hours(500_000);

    fn again(status: u16, repeatable: bool, headers: &[(&'static str, &str)]) -> RetryDecision {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        after_response(StatusCode::from_u16(status).unwrap(), &headers, repeatable, SystemTime::UNIX_EPOCH + NOW)
    }

    fn seconds(seconds: u64) -> RetryDecision {
        RetryDecision::After(Duration::from_secs(seconds))
    }

    #[test]
    fn retries_any_method_if_the_server_did_not_apply_it() {
        for repeatable in [true, false] {
            assert_eq!(again(429, repeatable, &[]), RetryDecision::AfterPause);
            assert_eq!(again(429, repeatable, &[("retry-after", "3")]), seconds(3));
            assert_eq!(again(503, repeatable, &[("retry-after", "3")]), seconds(3));
            assert_eq!(again(403, repeatable, &[("retry-after", "3")]), seconds(3));
        }
    }

    #[test]
    fn retries_transient_statuses_only_if_the_request_is_repeatable() {
        for status in [408, 499, 500, 502, 503, 504, 522] {
            assert_eq!(again(status, true, &[]), RetryDecision::AfterPause, "{status}");
            assert_eq!(again(status, false, &[]), RetryDecision::No, "{status}");
        }
        assert_eq!(again(502, false, &[("retry-after", "3")]), RetryDecision::No);
    }

    #[test]
    fn does_not_retry_other_statuses() {
        for status in [200, 302, 400, 401, 403, 404, 409, 410, 412, 501, 505, 520] {
            assert_eq!(again(status, true, &[]), RetryDecision::No, "{status}");
        }
    }

    #[test]
    fn reads_retry_after_as_a_date_by_the_servers_clock() {
        let date = ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(again(429, true, &[date, ("date", "Sun, 06 Nov 1994 08:49:30 GMT")]), seconds(7));
        assert_eq!(again(429, true, &[date]), seconds(0));
        assert_eq!(again(429, true, &[("retry-after", "Fri, 15 Jan 2027 08:00:05 GMT")]), seconds(5));
        assert_eq!(again(429, true, &[("retry-after", "soon")]), RetryDecision::AfterPause);
    }

    #[test]
    fn waits_until_githubs_rate_limit_resets() {
        let reset = ("x-ratelimit-reset", "1800000030");
        assert_eq!(again(403, false, &[("x-ratelimit-remaining", "0"), reset]), seconds(31));
        assert_eq!(again(429, false, &[("x-ratelimit-remaining", "0"), reset]), seconds(31));
        assert_eq!(again(403, false, &[("x-ratelimit-remaining", "12"), reset]), RetryDecision::No);
        assert_eq!(again(403, false, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "x")]), RetryDecision::No);
        assert_eq!(
            again(403, false, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "18446744073709551615")]),
            RetryDecision::No
        );
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_are_random_below_it() {
        let retry = Retry::default();
        let limits: Vec<u64> = (1..=7).map(|attempts| retry.pause(attempts, 1.0).as_secs()).collect();
        assert_eq!(limits, [1, 2, 4, 8, 16, 20, 20]);
        assert_eq!(retry.pause(3, 0.25), Duration::from_secs(1));
        assert_eq!(retry.pause(u32::MAX, 1.0), retry.longest_pause);
        assert_eq!(retry.pause(3, 0.0), Duration::ZERO);
        assert!((0.0..=1.0).contains(&random()));
    }
}
