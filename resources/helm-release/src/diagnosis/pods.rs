//! The pods of a release: their state, its reasons, and the logs to show.

use jetway::Result;
use serde::Deserialize;

use super::table::{self, MAX_ROWS};
use crate::cluster::kubernetes::{ApiResource, CORE, Kubernetes};
use crate::records::manifest::{JOB, Labels, ReleaseObjects};

/// The maximum number of pods in the request.
const PAGE_SIZE: &str = "500";

/// The maximum size of a response, in bytes.
const MAX_RESPONSE_BYTES: u64 = 16 * 1024 * 1024;

/// The kubelet's reasons for a container that is about to start.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

#[derive(Debug, Deserialize)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    labels: Labels,
    deletion_timestamp: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    phase: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    init_container_statuses: Vec<Container>,
    #[serde(default)]
    container_statuses: Vec<Container>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: String,
    #[serde(default)]
    ready: bool,
    #[serde(default)]
    restart_count: u64,
    #[serde(default)]
    state: State,
    #[serde(default)]
    last_state: State,
}

#[derive(Debug, Default, Deserialize)]
struct State {
    waiting: Option<Waiting>,
    running: Option<serde::de::IgnoredAny>,
    terminated: Option<Terminated>,
}

#[derive(Debug, Deserialize)]
struct Waiting {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Terminated {
    #[serde(default)]
    exit_code: i64,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

/// A log to show: that of a container, or of its previous run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) pod: String,
    /// The pod's uid.
    pub(super) uid: String,
    pub(super) container: String,
    pub(super) previous: bool,
}

/// The pods of the release, failing ones first.
pub(super) async fn read(kubernetes: &Kubernetes<'_>, namespace: &str, objects: &ReleaseObjects) -> Result<Vec<Pod>> {
    let resource = ApiResource { api: CORE, kind: "pods", namespace, verb: "list" };
    let mut pods: Vec<Pod> = kubernetes.list(resource, &[("limit", PAGE_SIZE)], MAX_RESPONSE_BYTES).await?;
    pods.retain(|pod| objects.has_pod(&pod.metadata.name, &pod.metadata.labels));
    pods.sort_by_key(|pod| (pod.is_healthy(), pod.metadata.name.clone()));
    Ok(pods)
}

/// The lines of the table.
pub(super) fn table(pods: &[Pod]) -> Vec<String> {
    let head = ["POD", "PHASE", "READY", "RESTARTS", "REASON"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(pods.iter().take(MAX_ROWS).map(Pod::row)).collect();
    let mut lines = table::lines(&rows);
    if pods.len() > MAX_ROWS {
        lines.push(format!("  and {} more", pods.len() - MAX_ROWS));
    }
    lines
}

impl Pod {
    fn row(&self) -> [String; 5] {
        let containers = &self.status.container_statuses;
        let ready = containers.iter().filter(|container| container.ready).count();
        let restarts: u64 = self.containers().map(|container| container.restart_count).sum();
        let leaves = self.metadata.deletion_timestamp.is_some();
        [
            self.metadata.name.clone(),
            if leaves { "Terminating".to_owned() } else { self.status.phase.clone() },
            format!("{ready}/{}", containers.len()),
            restarts.to_string(),
            self.reasons().join("; "),
        ]
    }

    fn containers(&self) -> impl Iterator<Item = &Container> {
        self.status.init_container_statuses.iter().chain(&self.status.container_statuses)
    }

    /// Why the pod is not ready.
    fn reasons(&self) -> Vec<String> {
        let of_pod = joined(&self.status.reason, &self.status.message);
        let unscheduled = self.status.conditions.iter().find(|condition| {
            condition.kind == "PodScheduled" && condition.status == "False" && !condition.message.is_empty()
        });
        let of_containers = self.containers().filter_map(|container| Some((container, container.reason()?)));
        of_pod
            .into_iter()
            .chain(unscheduled.map(|condition| format!("not scheduled: {}", condition.message)))
            .chain(of_containers.map(|(container, reason)| format!("{}: {reason}", container.name)))
            .collect()
    }

    fn is_healthy(&self) -> bool {
        let is_ready = self.status.container_statuses.iter().all(|container| container.ready);
        self.reasons().is_empty() && (self.status.phase == "Succeeded" || self.status.phase == "Running" && is_ready)
    }

    /// Whether the pod is the named object, or belongs to the named job.
    pub(super) fn is_run_by(&self, kind: &str, name: &str) -> bool {
        match kind {
            "Pod" => self.metadata.name == name,
            "Job" => JOB.iter().any(|label| self.metadata.labels.get(*label).is_some_and(|job| job == name)),
            _ => false,
        }
    }

    /// The logs of failing containers.
    pub(super) fn failing_logs(&self) -> Vec<Log> {
        self.logs(Container::failing_log)
    }

    /// The logs of all containers that have run.
    pub(super) fn all_logs(&self) -> Vec<Log> {
        self.logs(|container| container.has_run().then_some(false))
    }

    fn logs(&self, wanted: impl Fn(&Container) -> Option<bool>) -> Vec<Log> {
        let log = |container: &Container| {
            let previous = wanted(container)?;
            let Metadata { name: pod, uid, .. } = &self.metadata;
            Some(Log { pod: pod.clone(), uid: uid.clone(), container: container.name.clone(), previous })
        };
        self.containers().filter_map(log).collect()
    }
}

impl Container {
    /// Why the container does not run, or how it ended.
    fn reason(&self) -> Option<String> {
        if let Some(Waiting { reason, message }) = &self.state.waiting {
            let trouble = joined(reason, message).filter(|_| !STARTING.contains(&reason.as_str()));
            let last = self.last_state.terminated.as_ref().map(|ended| format!(" (last: {})", ended.words()));
            return trouble.map(|trouble| trouble + &last.unwrap_or_default());
        }
        if let Some(ended) = &self.state.terminated {
            return (ended.exit_code != 0).then(|| ended.words());
        }
        (self.state.running.is_some() && !self.ready).then(|| "running, but not ready".to_owned())
    }

    fn has_run(&self) -> bool {
        self.state.running.is_some() || self.state.terminated.is_some() || self.restart_count > 0
    }

    /// Whether to show the container's log: `Some(true)` for that of its previous run, if it waits for a restart.
    fn failing_log(&self) -> Option<bool> {
        self.reason()?;
        self.has_run().then(|| self.state.waiting.is_some() && self.last_state.terminated.is_some())
    }
}

impl Terminated {
    fn words(&self) -> String {
        let words = joined(&self.reason, &self.message).unwrap_or_default();
        format!("exit code {} {words}", self.exit_code).trim_end().to_owned()
    }
}

fn joined(reason: &str, message: &str) -> Option<String> {
    match (reason, message) {
        ("", "") => None,
        (reason, "") => Some(reason.to_owned()),
        ("", message) => Some(message.to_owned()),
        (reason, message) => Some(format!("{reason}: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({ "metadata": { "name": "p" }, "status": status })).unwrap()
    }

    #[test]
    fn each_failing_state_has_a_reason_and_a_log() {
        let container = |state: &serde_json::Value| {
            let mut container = json!({ "name": "c", "ready": false, "restartCount": 0 });
            container.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
            pod(&json!({ "phase": "Running", "containerStatuses": [container] }))
        };
        let ended = json!({ "terminated": { "exitCode": 3, "reason": "Error" } });
        let cases = [
            (
                json!({ "state": { "waiting": { "reason": "ImagePullBackOff", "message": "no image" } } }),
                "c: ImagePullBackOff: no image",
                None,
            ),
            (
                json!({ "restartCount": 2, "lastState": ended, "state": { "waiting": { "reason": "CrashLoopBackOff" } } }),
                "c: CrashLoopBackOff (last: exit code 3 Error)",
                Some(true),
            ),
            (json!({ "state": ended }), "c: exit code 3 Error", Some(false)),
            (json!({ "state": { "running": {} } }), "c: running, but not ready", Some(false)),
            (json!({ "state": { "waiting": { "reason": "ContainerCreating" } } }), "", None),
            (json!({ "ready": true, "state": { "running": {} } }), "", None),
        ];
        for (state, reason, log) in cases {
            let pod = container(&state);
            assert_eq!(pod.reasons().join("; "), reason);
            assert_eq!(pod.failing_logs().first().map(|log| log.previous), log, "{reason}");
        }
        let unscheduled = pod(&json!({
            "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/1 nodes" }],
        }));
        assert_eq!(unscheduled.reasons(), ["not scheduled: 0/1 nodes"]);
        assert!(!unscheduled.is_healthy());
    }

    #[test]
    fn counts_pods_beyond_the_maximum() {
        let many: Vec<Pod> = (0..MAX_ROWS + 3).map(|_| pod(&json!({ "phase": "Running" }))).collect();
        assert_eq!(table(&many).last().map(String::as_str), Some("  and 3 more"));
        assert_eq!(table(&many).len(), MAX_ROWS + 2);
    }
}
