//! Retries git commands after transient errors. git itself does not retry.
//!
//! git does not print the headers of a response, such as `Retry-After`. So it writes a trace of its requests
//! (`GIT_TRACE_CURL`), without bodies and with credentials redacted, to a private file. The trace is read if git fails.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use jetway::http::header::{HeaderName, HeaderValue};
use jetway::http::{HeaderMap, Retry, RetryDecision, StatusCode, after_response};
use jetway::{Command, Console, Context, Finished, Result};

use crate::transport::error_texts::{AFTER_NO_GREETING, Meaning, NO_GREETING, STATUS, means};

/// The limits of retries. Concourse repeats a check within about a minute, and people wait for gets and puts.
const RETRY: Retry = Retry {
    attempts: 4,
    first_pause: Duration::from_secs(1),
    longest_pause: Duration::from_secs(8),
    total: Duration::from_mins(2),
};

/// The largest trace that is read, in bytes. A longer one counts as a request that may have changed something.
const MAX_TRACE_BYTES: u64 = 4 * 1024 * 1024;

/// Whether a command changes something on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It only reads.
    None,
    /// It changes something, and must not be repeated if the server may have applied the change.
    Change,
}

/// The private directory with git's traces, one file for each command.
pub(crate) struct Traces {
    directory: PathBuf,
    count: Cell<u32>,
}

impl Traces {
    /// Creates the directory.
    pub(crate) fn new(context: &Context) -> Result<Self> {
        Ok(Self { directory: context.private_directory().directory("traces")?, count: Cell::new(0) })
    }

    fn next(&self) -> PathBuf {
        let number = self.count.get();
        self.count.set(number.wrapping_add(1));
        self.directory.join(number.to_string())
    }
}

/// Makes a command retry after transient errors, unless a retry could repeat a change on the server.
pub(crate) fn prepare(context: &Context, command: Command, traces: Option<&Traces>, effect: Effect) -> Command {
    let file = traces.map(Traces::next);
    let command = match &file {
        Some(file) => command.env("GIT_TRACE_CURL", file).env("GIT_TRACE_CURL_NO_DATA", "1"),
        None => command,
    };
    let (console, started) = (context.console().clone(), Instant::now());
    command.retry(move |finished, attempts| {
        let trace = file.as_ref().and_then(Trace::take);
        let decision = retry_decision(finished, trace.as_ref(), effect);
        pause(&console, &decision, attempts, started.elapsed())
    })
}

/// The pause before the next attempt, with a warning; `None` if there is no next attempt.
fn pause(console: &Console, decision: &ExplainedDecision, attempts: u32, elapsed: Duration) -> Option<Duration> {
    let pause = match decision.again {
        RetryDecision::No => return None,
        _ if attempts >= RETRY.attempts => {
            console.warn(format_args!("{}; gave up after {attempts} attempts", decision.why));
            return None;
        }
        RetryDecision::AfterPause => RETRY.pause_after(attempts),
        RetryDecision::After(pause) => pause,
    };
    if elapsed.saturating_add(pause) > RETRY.total {
        let asked = match decision.again {
            RetryDecision::After(pause) => format!(" and asks to retry in {} s", pause.as_secs()),
            _ => String::new(),
        };
        let most = RETRY.total.as_secs();
        console.warn(format_args!("{}{asked}; gave up, since retries take at most {most} s in total", decision.why));
        return None;
    }
    console.warn(format_args!("{}; retrying in {:.1} s", decision.why, pause.as_secs_f64()));
    Some(pause)
}

/// Whether to retry, and the reason for the message.
struct ExplainedDecision {
    again: RetryDecision,
    why: String,
}

impl ExplainedDecision {
    fn no() -> Self {
        Self { again: RetryDecision::No, why: String::new() }
    }
}

/// Decides whether a finished command is retried.
fn retry_decision(finished: &Finished, trace: Option<&Trace>, effect: Effect) -> ExplainedDecision {
    if finished.is_success() {
        return ExplainedDecision::no();
    }
    retry_decision_for_stderr(&finished.stderr.to_lowercase(), trace, effect)
}

fn retry_decision_for_stderr(stderr: &str, trace: Option<&Trace>, effect: Effect) -> ExplainedDecision {
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("warning: "));
    let has_no_greeting =
        stderr.contains(NO_GREETING) && lines.all(|line| line == NO_GREETING || AFTER_NO_GREETING.contains(&line));
    let is_unreached = means(stderr, Meaning::Unreached) || has_no_greeting;
    let has_changed_nothing = match trace.filter(|trace| trace.has_requests) {
        Some(trace) => !trace.may_have_pushed,
        None => is_unreached,
    };
    let repeatable = effect == Effect::None || has_changed_nothing;
    if let Some(status) = status_in(stderr) {
        let headers = trace.filter(|trace| trace.status == Some(status)).map(|trace| trace.headers.clone());
        let again = after_response(status, &headers.unwrap_or_default(), repeatable, SystemTime::now());
        return ExplainedDecision { again, why: format!("the server answered {status}") };
    }
    if !repeatable || !(is_unreached || means(stderr, Meaning::Transient)) || means(stderr, Meaning::Permanent) {
        return ExplainedDecision::no();
    }
    let why = if is_unreached { "the server cannot be reached" } else { "the connection was cut" };
    ExplainedDecision { again: RetryDecision::AfterPause, why: why.to_owned() }
}

/// The status of a failed request, from `The requested URL returned error: 503`.
fn status_in(stderr: &str) -> Option<StatusCode> {
    let (_, rest) = stderr.rsplit_once(STATUS)?;
    StatusCode::from_bytes(rest.get(..3)?.as_bytes()).ok()
}

/// The parsed trace of a command's requests.
#[derive(Debug, Default)]
struct Trace {
    /// Whether the command sent any request.
    has_requests: bool,
    /// Whether the request that changes refs was sent, or may have been.
    may_have_pushed: bool,
    /// The status of the last response.
    status: Option<StatusCode>,
    /// The headers of the last response.
    headers: HeaderMap,
}

impl Trace {
    /// Parses the trace and removes the file; `None` if there is none.
    fn take(file: &PathBuf) -> Option<Self> {
        let length = fs::metadata(file).ok()?.len();
        let text = if length <= MAX_TRACE_BYTES { fs::read(file).ok() } else { None };
        let _ = fs::remove_file(file);
        let unknown = Self { has_requests: true, may_have_pushed: true, ..Self::default() };
        Some(text.map_or(unknown, |text| Self::parse(&String::from_utf8_lossy(&text))))
    }

    /// Parses lines such as `12:00:00.000000 http.c:664   <= Recv header: HTTP/1.1 503 Service Unavailable`.
    fn parse(text: &str) -> Self {
        let mut trace = Self::default();
        for line in text.lines() {
            if let Some((_, sent)) = line.split_once("=> Send header: ") {
                trace.has_requests = true;
                trace.may_have_pushed |= sent.starts_with("POST ") && sent.contains("/git-receive-pack");
            } else if let Some((_, received)) = line.split_once("<= Recv header: ") {
                if received.starts_with("HTTP/") {
                    let status = received.split_whitespace().nth(1);
                    trace.status = status.and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
                    trace.headers.clear();
                } else if let Some((name, value)) = received.split_once(':')
                    && let Ok(name) = HeaderName::from_bytes(name.trim().as_bytes())
                    && let Ok(value) = HeaderValue::from_str(value.trim())
                {
                    trace.headers.insert(name, value);
                }
            }
        }
        trace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNAVAILABLE: &str = "fatal: unable to access 'http://h/x/': the requested url returned error: 503";
    const CUT: &str = "error: rpc failed; curl 18 transfer closed\nfatal: the remote end hung up unexpectedly";

    fn trace(sent: &str, received: &[&str]) -> Trace {
        let received: Vec<String> =
            received.iter().map(|header| format!("t http.c:1 <= Recv header: {header}")).collect();
        let received = received.join("\n");
        Trace::parse(&format!("t http.c:1 == Info: x\nt http.c:1 => Send header: {sent}\n{received}"))
    }

    #[test]
    fn retry_after_is_read_from_the_last_response() {
        let mut text = trace(
            "GET /x/info/refs?service=git-upload-pack HTTP/1.1",
            &["HTTP/1.1 401 Unauthorized", "Retry-After: 99", "HTTP/2 503", "retry-after: 7"],
        );
        assert_eq!(
            retry_decision_for_stderr(UNAVAILABLE, Some(&text), Effect::None).again,
            RetryDecision::After(Duration::from_secs(7))
        );
        text.headers.clear();
        assert_eq!(retry_decision_for_stderr(UNAVAILABLE, Some(&text), Effect::None).again, RetryDecision::AfterPause);
        assert_eq!(retry_decision_for_stderr(UNAVAILABLE, None, Effect::None).again, RetryDecision::AfterPause);
    }

    #[test]
    fn push_is_retried_only_if_it_has_certainly_changed_nothing() {
        let asked = trace("GET /x/info/refs?service=git-receive-pack HTTP/1.1", &["HTTP/1.1 200 OK"]);
        let sent = trace("POST /x/git-receive-pack HTTP/1.1", &["HTTP/1.1 200 OK"]);
        assert_eq!(retry_decision_for_stderr(CUT, Some(&asked), Effect::Change).again, RetryDecision::AfterPause);
        assert_eq!(retry_decision_for_stderr(CUT, Some(&sent), Effect::Change).again, RetryDecision::No);
        assert_eq!(retry_decision_for_stderr(CUT, None, Effect::Change).again, RetryDecision::No);
        assert_eq!(retry_decision_for_stderr(CUT, Some(&sent), Effect::None).again, RetryDecision::AfterPause);
        assert_eq!(retry_decision_for_stderr(UNAVAILABLE, Some(&sent), Effect::Change).again, RetryDecision::No);
        let later = trace("POST /x/git-receive-pack HTTP/1.1", &["HTTP/1.1 503 x", "Retry-After: 3"]);
        assert_eq!(
            retry_decision_for_stderr(UNAVAILABLE, Some(&later), Effect::Change).again,
            RetryDecision::After(Duration::from_secs(3))
        );
        let refused =
            "ssh: connect to host h port 22: connection refused\nfatal: could not read from remote repository.";
        assert_eq!(retry_decision_for_stderr(refused, None, Effect::Change).again, RetryDecision::AfterPause);
        // git's output after a closed connection, if ssh prints nothing.
        let silent = "fatal: could not read from remote repository.\n\nplease make sure you have the correct access rights\nand the repository exists.";
        for effect in [Effect::None, Effect::Change] {
            assert_eq!(retry_decision_for_stderr(silent, None, effect).again, RetryDecision::AfterPause);
        }
        let closed = "connection to h closed by remote host.\nfatal: the remote end hung up unexpectedly";
        assert_eq!(retry_decision_for_stderr(closed, None, Effect::Change).again, RetryDecision::No);
    }

    #[test]
    fn permanent_errors_are_not_retried() {
        for stderr in [
            "fatal: unable to access 'x': the requested url returned error: 403",
            "fatal: unable to access 'x': the requested url returned error: 501",
            "fatal: authentication failed for 'x'",
            "git@h: permission denied (publickey).\nconnection closed by h",
            "error: no tunnel to `h:22`\nkex_exchange_identification: connection closed by remote host",
            "remote error: upload-pack: not our ref 1\nfatal: the remote end hung up unexpectedly",
            "fatal: couldn't find remote ref x",
            "git: no such user\nfatal: could not read from remote repository.\n\nplease make sure you have the correct access rights",
            "",
        ] {
            assert_eq!(retry_decision_for_stderr(stderr, None, Effect::None).again, RetryDecision::No, "{stderr}");
        }
    }
}
