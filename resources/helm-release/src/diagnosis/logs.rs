//! The logs of containers.

use jetway::{Context, Result};

use super::pods::Log;
use crate::cluster::kubernetes::{ApiResource, CORE, Kubernetes};

/// The number of lines of a log that are shown.
const LINES: &str = "30";

/// The maximum size of a log in the request, in bytes.
const BYTES: &str = "16384";

/// The maximum size of a response, in bytes: that of the request, and a margin.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;

/// The maximum number of logs that are shown.
pub(super) const MAX_LOGS: usize = 8;

/// Shows the end of a log.
pub(super) async fn show(context: &Context, kubernetes: &Kubernetes<'_>, namespace: &str, log: &Log) -> Result<()> {
    let Log { pod, container, previous, .. } = log;
    let resource = ApiResource { api: CORE, kind: "pods", namespace, verb: "get" };
    let mut query = vec![("container", container.as_str()), ("tailLines", LINES), ("limitBytes", BYTES)];
    if *previous {
        query.push(("previous", "true"));
    }
    let response = kubernetes.read(resource, Some(&format!("{pod}/log")), &query, "*/*").await?;
    let text = String::from_utf8_lossy(&response.bytes(MAX_RESPONSE_BYTES).await?).into_owned();
    let run = if *previous { ", previous run" } else { "" };
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
