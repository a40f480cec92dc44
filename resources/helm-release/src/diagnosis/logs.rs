//! What containers have said last.

use jetway::{Context, Result};

use super::pods::Log;
use crate::cluster::kubernetes::{Asked, CORE, Kubernetes};

/// How many lines of a log are shown.
const LINES: &str = "30";

/// The most of a log that is asked for, in bytes.
const BYTES: &str = "16384";

/// The most that an answer may be, in bytes: what is asked for, and some patience.
const LARGEST: u64 = 64 * 1024;

/// How many logs are shown.
pub(super) const MOST_LOGS: usize = 8;

/// Shows the end of a log.
pub(super) async fn show(context: &Context, kubernetes: &Kubernetes<'_>, namespace: &str, log: &Log) -> Result<()> {
    let Log { pod, container, previous, .. } = log;
    let asked = Asked { api: CORE, kind: "pods", namespace, verb: "get" };
    let mut query = vec![("container", container.as_str()), ("tailLines", LINES), ("limitBytes", BYTES)];
    if *previous {
        query.push(("previous", "true"));
    }
    let answer = kubernetes.read(asked, Some(&format!("{pod}/log")), &query, "*/*").await?;
    let text = String::from_utf8_lossy(&answer.bytes(LARGEST).await?).into_owned();
    let run = if *previous { ", the run before this one" } else { "" };
    let console = context.console();
    if text.trim().is_empty() {
        console.step(format_args!("the log of `{pod}` (container `{container}`{run}) is empty"));
        return Ok(());
    }
    console.step(format_args!("the end of the log of `{pod}` (container `{container}`{run}):"));
    for line in text.lines() {
        console.relay(&format!("  | {line}"));
    }
    Ok(())
}
