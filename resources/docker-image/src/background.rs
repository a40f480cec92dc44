//! Runs CPU-bound work, such as compressing and hashing, on threads of its own, so that requests and signals are not
//! delayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use jetway::{Context, Error, Result};

/// Whether the work was cancelled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Fails if the work was cancelled. The work calls this every few hundred kilobytes, so that it ends soon after.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(anyhow!("the result is no longer needed")) } else { Ok(()) }
    }
}

/// Cancels the work when the waiting future is dropped.
struct Waiting(Stop);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` and returns its result. A signal ends the wait and cancels the work.
pub(crate) async fn run<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce(&Stop) -> Result<T> + Send + 'static,
) -> Result<T> {
    let waiting = Waiting(Stop::default());
    let stop = waiting.0.clone();
    let work = tokio::task::spawn_blocking(move || work(&stop));
    tokio::select! {
        interrupted = context.interrupt().wait() => Err(Error::new(interrupted)),
        done = work => done.map_err(|_| anyhow!("a thread ended without a result"))?,
    }
}
