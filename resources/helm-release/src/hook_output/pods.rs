//! The pods of hooks: watched, so that a log is asked for as soon as its container runs; or looked at again and again, where the user may
//! not watch.

use std::time::Duration;

use jetway::Result;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Follower, HookName};
use crate::kubernetes::{Asked, CORE, Kubernetes, is_refused};
use crate::release::moment;

/// How long it is between two looks where pods cannot be watched, and before a watch that has ended begins again.
const PAUSE: Duration = Duration::from_millis(500);

/// The most that a pod, or an event with one, may be, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// A pod of a hook, as far as its logs need it.
#[derive(Debug, Deserialize)]
pub(super) struct HookPod {
    pub(super) metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    name: String,
    pub(super) uid: String,
    creation_timestamp: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    init_container_statuses: Vec<Container>,
    container_statuses: Vec<Container>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: String,
    #[serde(default)]
    restart_count: u64,
    #[serde(default)]
    state: State,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    running: Option<IgnoredAny>,
    terminated: Option<IgnoredAny>,
}

/// One run of a container, which has a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Run {
    pub(super) uid: String,
    pub(super) pod: String,
    pub(super) container: String,
    restarts: u64,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: serde_json::Value,
}

impl HookPod {
    pub(super) fn created(&self) -> Option<Timestamp> {
        moment(self.metadata.creation_timestamp.as_deref()?)
    }

    /// The runs of its containers that have begun.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run> {
        let containers = self.status.init_container_statuses.iter().chain(&self.status.container_statuses);
        let begun = containers.filter(|one| one.state.running.is_some() || one.state.terminated.is_some());
        begun.map(|one| Run {
            uid: self.metadata.uid.clone(),
            pod: self.metadata.name.clone(),
            container: one.name.clone(),
            restarts: one.restart_count,
        })
    }
}

/// How the API server selects the pods of a hook.
fn selector(hook: &HookName) -> (&'static str, String) {
    if hook.is_job {
        ("labelSelector", format!("job-name={}", hook.name))
    } else {
        ("fieldSelector", format!("metadata.name={}", hook.name))
    }
}

fn asked<'a>(namespace: &'a str, verb: &'a str) -> Asked<'a> {
    Asked { api: CORE, kind: "pods", namespace, verb }
}

/// The pods of a hook that are there.
pub(super) async fn of(kubernetes: &Kubernetes<'_>, namespace: &str, hook: &HookName) -> Result<Vec<HookPod>> {
    let (key, value) = selector(hook);
    kubernetes.list(asked(namespace, "list"), &[(key, &value)], LARGEST as u64).await
}

/// Follows the pods of a hook, for as long as it is polled.
pub(super) async fn follow(follower: &Follower<'_>, hook: HookName) {
    loop {
        // A watch ends after a while, and is begun anew.
        if let Err(error) = watch(follower, &hook).await
            && is_refused(&error)
        {
            return look_again_and_again(follower, &hook).await;
        }
        if follower.context.interrupt().sleep(PAUSE).await.is_err() {
            return;
        }
    }
}

async fn watch(follower: &Follower<'_>, hook: &HookName) -> Result<()> {
    let (key, value) = selector(hook);
    let query = [(key, value.as_str()), ("watch", "true")];
    let asked = asked(follower.namespace, "watch");
    let mut answer = follower.kubernetes.read(asked, None, &query, "application/json").await?;
    let mut text: Vec<u8> = Vec::new();
    while let Some(bytes) = answer.chunk().await? {
        text.extend_from_slice(&bytes);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let Ok(event) = serde_json::from_slice::<Event>(&line) else { return Ok(()) };
            if event.kind == "ERROR" {
                return Ok(());
            }
            if let Ok(pod) = serde_json::from_value::<HookPod>(event.object) {
                follower.note(hook, &pod);
            }
        }
        if text.len() > LARGEST {
            return Ok(());
        }
    }
    Ok(())
}

async fn look_again_and_again(follower: &Follower<'_>, hook: &HookName) {
    let briefly = follower.kubernetes.briefly();
    loop {
        match of(&briefly, follower.namespace, hook).await {
            Ok(pods) => pods.iter().for_each(|pod| follower.note(hook, pod)),
            Err(error) if is_refused(&error) => {
                return follower.warn_once(
                    true,
                    format_args!("the output of hooks and tests is not shown while they run: {error:#}"),
                );
            }
            Err(_) => {}
        }
        if follower.context.interrupt().sleep(PAUSE).await.is_err() {
            return;
        }
    }
}
