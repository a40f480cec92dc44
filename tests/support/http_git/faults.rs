//! The ways in which the server can be told to misbehave.

use std::time::Duration;

/// What happens to a request instead of a good answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// An answer with this status.
    Status {
        /// The status code.
        status: u16,
        /// The value of a `Retry-After` header.
        retry_after: Option<String>,
        /// The body, plain text.
        body: String,
    },
    /// `302 Found`, to the same path and query below another address.
    Redirect {
        /// The address that the request's path is appended to.
        to: String,
    },
    /// The request is read and never answered.
    Stall,
    /// The answer stops after so many bytes of its body, with the connection left open.
    StallAfter {
        /// How many bytes of the body still come.
        bytes: u64,
    },
    /// The connection is cut after so many bytes of the answer's body.
    CutAfter {
        /// How many bytes of the body still come.
        bytes: u64,
    },
    /// A good answer, late and slowly.
    Slow {
        /// How long the answer's head takes.
        first_byte: Duration,
        /// How fast the body comes then.
        bytes_per_second: u64,
    },
}

impl Fault {
    /// An answer with a status and nothing more.
    pub fn status(status: u16) -> Self {
        Self::Status { status, retry_after: None, body: String::new() }
    }

    /// An answer with a status that says when to come back.
    pub fn retry_after(status: u16, retry_after: &str) -> Self {
        Self::Status { status, retry_after: Some(retry_after.to_owned()), body: String::new() }
    }
}

/// The faults that are still to come.
#[derive(Default)]
pub(super) struct Faults(Vec<Rule>);

struct Rule {
    /// How many requests it still applies to; without a number, to all.
    remaining: Option<usize>,
    /// How many requests it still lets pass before it begins.
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

    /// The fault for a request to `target`, which is one fewer from now on.
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
