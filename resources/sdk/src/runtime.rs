//! The asynchronous runtime, and how a signal ends what runs on it.

mod watchdog;

use anyhow::Context as _;

use crate::context::Context;
use crate::error::{Error, Result};

/// Runs the work to its end, or until a signal ends it.
pub(crate) fn block_on<T>(context: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    watchdog::start(context, runtime.handle().clone());
    let outcome = runtime.block_on(until_signal(context, work));
    // A thread may still block on reading standard input, whose data is not needed any more.
    runtime.shutdown_background();
    outcome
}

/// After a signal, gives the work the grace period to end by itself: all its waits fail.
async fn until_signal<T>(context: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::pin!(work);
    let interrupted = tokio::select! {
        // First, so that the signal handlers are installed before the work's first step, which may write secrets to disk.
        biased;
        interrupted = context.interrupt().listen() => interrupted.context("cannot listen for signals")?,
        outcome = &mut work => return outcome,
    };
    let grace = context.interrupt().grace();
    if let Ok(outcome) = tokio::time::timeout(grace, work).await {
        return outcome;
    }
    let seconds = grace.as_secs_f32();
    Err(Error::new(interrupted).context(format!("the work did not stop within {seconds} s")))
}
