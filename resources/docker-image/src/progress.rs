//! Logs the progress of transfers every few seconds.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jetway::Context;

/// The bytes of transfers: how many there are, and how many are done. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transfers {
    /// All bytes that are to be transferred, as far as is known.
    whole: Arc<AtomicU64>,
    /// The bytes that were transferred. A retry counts again.
    pub(crate) done: Arc<AtomicU64>,
}

impl Transfers {
    /// Adds a transfer that begins.
    pub(crate) fn begin(&self, bytes: u64) {
        self.whole.fetch_add(bytes, Ordering::Relaxed);
    }

    fn now(&self) -> (u64, u64) {
        let whole = self.whole.load(Ordering::Relaxed);
        (self.done.load(Ordering::Relaxed).min(whole), whole)
    }
}

/// Logs the progress of transfers.
pub(crate) struct Progress<'c> {
    context: &'c Context,
    transfers: Transfers,
    /// The time of the previous message, and the bytes that were done then.
    last: Cell<(Instant, u64)>,
}

impl<'c> Progress<'c> {
    /// A download of `whole` bytes.
    pub(crate) fn new(context: &'c Context, whole: u64) -> Self {
        let transfers = Transfers::default();
        transfers.begin(whole);
        Self::of(context, transfers)
    }

    /// Transfers that are counted elsewhere.
    pub(crate) fn of(context: &'c Context, transfers: Transfers) -> Self {
        let done = transfers.now().0;
        Self { context, transfers, last: Cell::new((Instant::now(), done)) }
    }

    /// Counts received bytes.
    pub(crate) fn add(&self, bytes: u64) {
        self.transfers.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Runs a future, and logs progress meanwhile.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let outcome = loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                () = self.pause() => {}
            }
        };
        self.context.console().end_progress();
        outcome
    }

    /// Waits for the interval, then logs.
    pub(crate) async fn pause(&self) {
        let console = self.context.console();
        tokio::time::sleep(console.progress_interval()).await;
        let (done, whole) = self.transfers.now();
        let (then, before) = self.last.replace((Instant::now(), done));
        if done < whole {
            let rate = per_second(done.saturating_sub(before), then.elapsed());
            console.progress(done, whole, format_args!("{} of {}, {}/s", amount(done), amount(whole), amount(rate)));
        }
    }
}

/// The bytes per second.
fn per_second(bytes: u64, time: Duration) -> u64 {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1000) / milliseconds
}

/// Formats a number of bytes for people.
pub(crate) fn amount(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} KB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}
