//! Ends the process soon after a signal even if the runtime's thread is busy, for example with decoding a large request. It also
//! ends the process when the time limit after a signal is over.

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::context::Context;
use crate::error::{Error, Interrupted};

/// How long the runtime may be busy after a signal.
const BUSY_LIMIT: Duration = Duration::from_millis(1200);

/// The pause between two checks of the runtime.
const PAUSE: Duration = Duration::from_millis(100);

/// Watches the runtime from a thread of its own. The thread handles signals by the time this returns.
pub(super) fn start(context: &Context, runtime: Handle) {
    let context = context.clone();
    let (ready, is_ready) = mpsc::channel();
    // If the thread does not start, a signal still ends the verb as soon as the runtime handles it.
    let started = thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        let Ok(own) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        own.block_on(async {
            let (Ok(mut terminate), Ok(mut interrupt)) =
                (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
            else {
                return;
            };
            let _ = ready.send(());
            let interrupted = tokio::select! {
                _ = terminate.recv() => Interrupted { signal: "SIGTERM", number: 15 },
                _ = interrupt.recv() => Interrupted { signal: "SIGINT", number: 2 },
            };
            let began = Instant::now();
            let left = || context.interrupt().limit().saturating_sub(began.elapsed());
            while !left().is_zero() && is_responsive(&runtime, BUSY_LIMIT.min(left())).await {
                tokio::time::sleep(PAUSE.min(left())).await;
            }
            end(&context, interrupted);
        });
    });
    if started.is_ok() {
        let _ = is_ready.recv();
    }
}

/// Whether the runtime runs a task in time. A runtime that has ended counts too: the process is about to end.
async fn is_responsive(runtime: &Handle, patience: Duration) -> bool {
    let (sender, receiver) = oneshot::channel();
    runtime.spawn(async move {
        let _ = sender.send(());
    });
    tokio::time::timeout(patience, receiver).await.is_ok()
}

/// Ends the process and its children from outside the runtime.
#[expect(clippy::exit, reason = "the thread that would return from `main` is busy")]
fn end(context: &Context, interrupted: Interrupted) {
    for child in children() {
        let _ = kill_process_group(child, Signal::KILL);
    }
    context.private_directory().remove();
    context.console().error(&Error::new(interrupted));
    std::process::exit(i32::from(128 + interrupted.number));
}

/// The child processes of this process. Each leads its own process group.
fn children() -> Vec<Pid> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect::<Vec<_>>())
        .collect()
}
