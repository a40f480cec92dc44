//! The output of children: captured for the program, or relayed to the console line by line.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::console::Console;
use crate::error::Result;

/// The minimum time between two progress lines (lines that end with a carriage return) that are shown.
const PROGRESS_PAUSE: Duration = Duration::from_secs(5);

/// The length of the end of a child's standard error that is kept for its error message, in bytes.
const TAIL: usize = 16 * 1024;

/// The maximum length of a line, in bytes. A longer line is shown in parts.
const MAX_LINE: usize = 1024 * 1024;

/// The maximum length of standard output that is captured, in bytes.
const MAX_OUTPUT: usize = 256 * 1024 * 1024;

/// Which part of a child's standard error is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShownOutput {
    /// Every line.
    Lines,
    /// A progress line every few seconds, and the lines that begin with this text.
    Progress(Option<&'static str>),
    /// Nothing.
    Nothing,
}

/// When the child last wrote something, and whether it has written to standard output.
pub(crate) struct Activity {
    last: Cell<Instant>,
    first_output: Notify,
}

impl Default for Activity {
    fn default() -> Self {
        Self { last: Cell::new(Instant::now()), first_output: Notify::new() }
    }
}

impl Activity {
    fn record(&self) {
        self.last.set(Instant::now());
    }

    /// Returns as soon as the child has written to its standard output or has closed it.
    pub(crate) async fn first_output(&self) {
        self.first_output.notified().await;
    }

    /// Returns as soon as the child has written nothing for `limit`.
    pub(crate) async fn silence(&self, limit: Duration) {
        loop {
            let quiet_until = self.last.get() + limit;
            if quiet_until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(quiet_until).await;
        }
    }
}

/// Captures standard output.
pub(crate) async fn capture(
    mut pipe: impl AsyncRead + Unpin,
    captured: &mut Vec<u8>,
    activity: &Activity,
) -> Result<()> {
    loop {
        let count = pipe.read_buf(captured).await.context("cannot read a child's output")?;
        activity.record();
        activity.first_output.notify_one();
        if count == 0 {
            return Ok(());
        }
        if captured.len() > MAX_OUTPUT {
            return Err(anyhow!("the output is larger than {} MiB", MAX_OUTPUT / 1024 / 1024));
        }
    }
}

/// Relays lines as they arrive, and keeps the last of them in `tail`. Of a progress line, which overwrites itself by carriage
/// returns, one state is shown every few seconds.
pub(crate) async fn relay(
    mut pipe: impl AsyncRead + Unpin,
    console: &Console,
    shown: ShownOutput,
    tail: &mut String,
    activity: &Activity,
) -> Result<()> {
    let mut pending: Vec<u8> = Vec::new();
    let mut last_progress = Instant::now();
    let mut line_ended = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        let is_shown = match shown {
            ShownOutput::Lines => true,
            ShownOutput::Progress(prefix) => prefix.is_some_and(|prefix| line.starts_with(prefix)),
            ShownOutput::Nothing => false,
        };
        if is_shown {
            console.relay(line);
        }
        keep(line, tail);
    };
    loop {
        let ended = pipe.read_buf(&mut pending).await.context("cannot read a child's output")? == 0;
        activity.record();
        while let Some(end) = pending.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let rest = pending.split_off(end + 1);
            let is_progress = pending.pop() == Some(b'\r') && rest.first() != Some(&b'\n');
            let line = std::mem::replace(&mut pending, rest);
            if !is_progress {
                line_ended(&line);
            } else if shown != ShownOutput::Nothing && last_progress.elapsed() >= PROGRESS_PAUSE {
                last_progress = Instant::now();
                console.relay(String::from_utf8_lossy(&line).trim_end());
            }
        }
        if ended || pending.len() > MAX_LINE {
            line_ended(&std::mem::take(&mut pending));
        }
        if ended {
            return Ok(());
        }
    }
}

fn keep(line: &str, tail: &mut String) {
    tail.push_str(line);
    tail.push('\n');
    if tail.len() > 2 * TAIL {
        let cut = (tail.len() - TAIL..tail.len()).find(|at| tail.is_char_boundary(*at)).unwrap_or_default();
        tail.drain(..cut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::Captured;

    fn wait<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    #[test]
    fn fails_when_captured_output_exceeds_its_limit() {
        // Simulates output of that length: zeroed pages take no memory until they are written.
        let mut captured = vec![0; MAX_OUTPUT - 1];
        let at_limit = wait(capture(b"x".as_slice(), &mut captured, &Activity::default()));
        assert!(at_limit.is_ok());
        let error = wait(capture(b"x".as_slice(), &mut captured, &Activity::default())).unwrap_err();
        assert_eq!(error.to_string(), "the output is larger than 256 MiB");
    }

    #[test]
    fn shows_a_line_without_an_end_in_parts() {
        let endless = vec![b'x'; 8 * MAX_LINE];
        let captured = Captured::default();
        let mut tail = String::new();
        let (console, activity) = (captured.console(), Activity::default());
        wait(relay(endless.as_slice(), &console, ShownOutput::Lines, &mut tail, &activity)).unwrap();
        let shown = captured.text();
        let longest = shown.lines().map(str::len).max().unwrap();
        // One read may double the pending data.
        assert!(longest <= 2 * MAX_LINE + 8192, "{longest}");
        assert_eq!(shown.lines().map(str::len).sum::<usize>(), endless.len());
        assert!(tail.len() <= 2 * TAIL, "{}", tail.len());
    }
}
