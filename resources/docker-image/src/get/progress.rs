//! Logs a download's progress every few seconds.

use std::cell::Cell;
use std::time::Duration;

use jetway::Context;

/// The interval of the log lines.
const PAUSE: Duration = Duration::from_secs(5);

/// A download's progress.
pub(crate) struct Progress<'c> {
    context: &'c Context,
    whole: u64,
    done: Cell<u64>,
}

impl<'c> Progress<'c> {
    /// Starts at zero of `whole` bytes.
    pub(crate) fn new(context: &'c Context, whole: u64) -> Self {
        Self { context, whole, done: Cell::new(0) }
    }

    /// Counts received bytes.
    pub(crate) fn add(&self, bytes: u64) {
        self.done.set(self.done.get() + bytes);
    }

    /// Runs a future, and logs progress meanwhile.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                () = self.pause() => {}
            }
        }
    }

    /// Waits for the interval, then logs.
    pub(crate) async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
        if self.done.get() < self.whole {
            self.context.console().step(format_args!("{} of {}", amount(self.done.get()), amount(self.whole)));
        }
    }
}

/// Formats a number of bytes for people.
pub(crate) fn amount(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} KB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}
