//! The registry's pull rate limit, from the headers `RateLimit-Limit` and `RateLimit-Remaining`.

use std::sync::atomic::{AtomicBool, Ordering};

use jetway::Console;
use jetway::http::HttpResponse;

use crate::reference::Repository;

/// Whether the limit has been logged.
#[derive(Debug, Default)]
pub(crate) struct Quota(AtomicBool);

impl Quota {
    /// Logs the limit in a response, once.
    pub(crate) fn show(&self, console: &Console, repository: &Repository, response: &HttpResponse) {
        let read = |name: &str| response.header(name).and_then(amount);
        let Some(remaining) = read("ratelimit-remaining") else { return };
        if self.0.swap(true, Ordering::Relaxed) {
            return;
        }
        console.step(sentence(repository, remaining, read("ratelimit-limit")));
    }
}

/// A number, and its time window in seconds: `100;w=21600`.
fn amount(value: &str) -> Option<(u64, Option<u64>)> {
    let (number, rest) = value.split_once(';').unwrap_or((value, ""));
    let window = rest.split(';').find_map(|part| part.trim().strip_prefix("w=")?.parse().ok());
    Some((number.trim().parse().ok()?, window))
}

fn sentence(repository: &Repository, remaining: (u64, Option<u64>), limit: Option<(u64, Option<u64>)>) -> String {
    let of = limit.map(|(limit, _)| format!(" of {limit}")).unwrap_or_default();
    let registry = if repository.is_on_hub() { "Docker Hub" } else { repository.registry() };
    let window = limit.and_then(|(_, window)| window).or(remaining.1);
    let per = match window {
        Some(seconds) if seconds >= 3600 => format!(" for {} h", seconds.div_ceil(3600)),
        Some(seconds) => format!(" for {seconds} s"),
        None => String::new(),
    };
    format!("{registry} allows {}{of} more pulls{per}", remaining.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_limits() {
        let hub: Repository = "debian".parse().unwrap();
        let messages = |remaining: &str, limit: &str| sentence(&hub, amount(remaining).unwrap(), amount(limit));
        assert_eq!(messages("76;w=21600", "100;w=21600"), "Docker Hub allows 76 of 100 more pulls for 6 h");
        assert_eq!(messages("0", "x"), "Docker Hub allows 0 more pulls");
        assert_eq!(amount("many;w=1"), None);
    }
}
