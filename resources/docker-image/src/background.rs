//! Work that takes the processor for a while: compressing, hashing. It has threads of its own, so that requests and signals
//! are not kept waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use jetway::{Context, Error, Result};

/// Whether the work is still wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Fails when nobody waits for the outcome any more. Asked every few hundred kilobytes, it ends the work soon.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(anyhow!("it is not wanted any more")) } else { Ok(()) }
    }
}

/// Stops the work when whoever waits for it is gone.
struct Waiting(Stop);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// The outcome of `work`. A signal ends the wait, and the work.
pub(crate) async fn run<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce(&Stop) -> Result<T> + Send + 'static,
) -> Result<T> {
    let waiting = Waiting(Stop::default());
    let stop = waiting.0.clone();
    let work = tokio::task::spawn_blocking(move || work(&stop));
    tokio::select! {
        interrupted = context.interrupt().wait() => Err(Error::new(interrupted)),
        done = work => done.map_err(|_| anyhow!("a thread ended without an outcome"))?,
    }
}
