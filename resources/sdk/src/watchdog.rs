//! Ends the process soon after a signal even if the runtime's thread is busy: decoding a large request, say, waits for
//! nothing, and so nothing in it hears of a signal. It also ends what is still there at the limit.

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
const PATIENCE: Duration = Duration::from_millis(1200);

/// The pause between two questions to the runtime.
const PAUSE: Duration = Duration::from_millis(100);

/// Watches the runtime from a thread of its own, from when this returns.
pub(crate) fn start(context: &Context, runtime: Handle) {
    let context = context.clone();
    let (ready, is_ready) = mpsc::channel();
    // Without the thread a signal ends the verb as soon as the runtime hears of it.
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
            while !left().is_zero() && is_responsive(&runtime, PATIENCE.min(left())).await {
                tokio::time::sleep(PAUSE.min(left())).await;
            }
            end(&context, interrupted);
        });
    });
    if started.is_ok() {
        let _ = is_ready.recv();
    }
}

/// Whether the runtime takes up a task in time. One that has ended is as good: the process is about to.
async fn is_responsive(runtime: &Handle, patience: Duration) -> bool {
    let (sender, receiver) = oneshot::channel();
    runtime.spawn(async move {
        let _ = sender.send(());
    });
    tokio::time::timeout(patience, receiver).await.is_ok()
}

/// Ends the process from outside the runtime, and what it has started.
#[expect(clippy::exit, reason = "the thread that would return from `main` is busy")]
fn end(context: &Context, interrupted: Interrupted) {
    for child in children() {
        let _ = kill_process_group(child, Signal::KILL);
    }
    context.private_directory().remove();
    context.console().error(&Error::new(interrupted));
    std::process::exit(i32::from(128 + interrupted.number));
}

/// The children of every thread of this process. Each leads a process group of its own.
fn children() -> Vec<Pid> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect::<Vec<_>>())
        .collect()
}
