//! The faults that the server can inject.

use std::time::Duration;

/// A fault to inject in place of a good response.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Responds with this status.
    Status {
        /// The status code.
        status: u16,
        /// The value of a `Retry-After` header.
        retry_after: Option<String>,
        /// The body, plain text.
        body: String,
    },
    /// Responds with `302 Found`, to the same path and query below another URL.
    Redirect {
        /// The URL that the request's path is appended to.
        to: String,
    },
    /// Reads the request and never responds.
    Stall,
    /// Stalls after this many bytes of the body, with the connection open.
    StallAfter {
        /// The number of bytes to send.
        bytes: u64,
    },
    /// Cuts the connection after this many bytes of the body.
    CutAfter {
        /// The number of bytes to send.
        bytes: u64,
    },
    /// Sends a good response late and slowly.
    Slow {
        /// The delay of the response's head.
        first_byte: Duration,
        /// The speed of the body.
        bytes_per_second: u64,
    },
}

impl Fault {
    /// A response with a status and no body.
    pub fn status(status: u16) -> Self {
        Self::Status { status, retry_after: None, body: String::new() }
    }

    /// A response with a status and a `Retry-After` header.
    pub fn retry_after(status: u16, retry_after: &str) -> Self {
        Self::Status { status, retry_after: Some(retry_after.to_owned()), body: String::new() }
    }
}

/// The queued faults.
#[derive(Default)]
pub(super) struct Faults(Vec<Rule>);

struct Rule {
    /// The number of further requests that it applies to; all, without a number.
    remaining: Option<usize>,
    /// The number of requests to let pass first.
    skipped: usize,
    part: String,
    fault: Fault,
}

impl Faults {
    pub(super) fn add(&mut self, skipped: usize, times: Option<usize>, part: &str, fault: Fault) {
        self.0.push(Rule { remaining: times, skipped, part: part.to_owned(), fault });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes the fault for a request to `target`, and counts it as used.
    pub(super) fn take(&mut self, target: &str) -> Option<Fault> {
        let mut matching = self.0.iter_mut().filter(|rule| rule.remaining != Some(0) && target.contains(&rule.part));
        let rule = loop {
            let rule = matching.next()?;
            match rule.skipped.checked_sub(1) {
                None => break rule,
                Some(fewer) => rule.skipped = fewer,
            }
        };
        if let Some(remaining) = &mut rule.remaining {
            *remaining -= 1;
        }
        Some(rule.fault.clone())
    }
}
