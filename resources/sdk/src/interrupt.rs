//! SIGTERM and SIGINT: how Concourse aborts a build, and how a person does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::error::{Interrupted, Result};

/// How long a verb has after a signal, with all that it has started: the watchdog ends what is left then.
const LIMIT: Duration = Duration::from_millis(1900);

/// The same for a verb that sets something right outside of its container. Concourse sends SIGKILL ten seconds after SIGTERM.
const LONG_LIMIT: Duration = Duration::from_secs(8);

/// What is left of the limit for the process to say why it ends and to remove what is private.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Tells everything that waits that the verb is to end.
#[derive(Debug, Clone)]
pub struct Interrupt {
    sender: watch::Sender<Option<Interrupted>>,
    sets_right: Arc<AtomicBool>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self { sender: watch::Sender::new(None), sets_right: Arc::default() }
    }
}

impl Interrupt {
    /// Waits for the signal; returns at once when it has come already.
    pub async fn wait(&self) -> Interrupted {
        let mut receiver = self.sender.subscribe();
        let seen = receiver.wait_for(Option::is_some).await.map(|interrupted| *interrupted);
        match seen {
            Ok(Some(interrupted)) => interrupted,
            // The sender lives as long as `self`, so it cannot be gone while this waits on it.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// The signal, when it has come.
    pub fn received(&self) -> Option<Interrupted> {
        *self.sender.borrow()
    }

    /// Sleeps for `duration`, or fails as soon as the verb is interrupted.
    pub async fn sleep(&self, duration: Duration) -> Result<()> {
        tokio::select! {
            interrupted = self.wait() => Err(interrupted.into()),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }

    /// From now on the verb may take longer to end, since it has begun what must not be left half done: a deployment holds a lock.
    pub(crate) fn allow_setting_right(&self) {
        self.sets_right.store(true, Ordering::Relaxed);
    }

    /// How long after a signal the process is ended from outside.
    pub(crate) fn limit(&self) -> Duration {
        if self.sets_right.load(Ordering::Relaxed) { LONG_LIMIT } else { LIMIT }
    }

    /// How long after a signal the work may go on.
    pub(crate) fn grace(&self) -> Duration {
        self.limit().saturating_sub(LAST_WORDS)
    }

    /// Ends every wait.
    pub(crate) fn raise(&self, interrupted: Interrupted) {
        self.sender.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(interrupted);
            }
            first
        });
    }

    /// Passes the process's signals on, for ever.
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
