//! Interruptions: Concourse sends SIGTERM to abort a build, and a user sends SIGINT.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::error::{Interrupted, Result};

/// How long a verb and its children may take to end after a signal. Then the watchdog ends them.
const LIMIT: Duration = Duration::from_millis(1900);

/// The same limit for a verb that cleans up on a server. Concourse sends SIGKILL ten seconds after SIGTERM.
const LONG_LIMIT: Duration = Duration::from_secs(8);

/// The part of the limit that is reserved for the final message and for removing the private directory.
const RESERVED: Duration = Duration::from_millis(200);

/// Notifies all waiting code that a signal ends the verb.
#[derive(Debug, Clone)]
pub struct Interrupt {
    sender: watch::Sender<Option<Interrupted>>,
    cleans_up: Arc<AtomicBool>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self { sender: watch::Sender::new(None), cleans_up: Arc::default() }
    }
}

impl Interrupt {
    /// Waits for the signal. Returns at once if it has been received already.
    pub async fn wait(&self) -> Interrupted {
        let mut receiver = self.sender.subscribe();
        let seen = receiver.wait_for(Option::is_some).await.map(|interrupted| *interrupted);
        match seen {
            Ok(Some(interrupted)) => interrupted,
            // Unreachable: `self` holds the sender, so it is not dropped during the wait.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// The signal, if it has been received.
    pub fn received(&self) -> Option<Interrupted> {
        *self.sender.borrow()
    }

    /// Sleeps for `duration`. Fails as soon as the verb is interrupted.
    pub async fn sleep(&self, duration: Duration) -> Result<()> {
        tokio::select! {
            interrupted = self.wait() => Err(interrupted.into()),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }

    /// Gives the verb more time to end after a signal, because a child must clean up, for example release a lock on a server.
    pub(crate) fn extend_for_cleanup(&self) {
        self.cleans_up.store(true, Ordering::Relaxed);
    }

    /// The time after a signal at which the watchdog ends the process.
    pub(crate) fn limit(&self) -> Duration {
        if self.cleans_up.load(Ordering::Relaxed) { LONG_LIMIT } else { LIMIT }
    }

    /// How long the work may continue after a signal.
    pub(crate) fn grace(&self) -> Duration {
        self.limit().saturating_sub(RESERVED)
    }

    /// Notifies all waiting code.
    pub(crate) fn raise(&self, interrupted: Interrupted) {
        self.sender.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(interrupted);
            }
            first
        });
    }

    /// Waits for a signal to the process and notifies all waiting code.
    pub(crate) async fn listen(&self) -> std::io::Result<Interrupted> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let received = tokio::select! {
            _ = terminate.recv() => Interrupted { signal: "SIGTERM", number: 15 },
            _ = interrupt.recv() => Interrupted { signal: "SIGINT", number: 2 },
        };
        self.raise(received);
        Ok(received)
    }
}
