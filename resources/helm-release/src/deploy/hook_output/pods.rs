//! The pods of hooks. A watch reports a container as soon as it runs; without the permission to watch, the pods are polled.

use std::time::Duration;

use jetway::http::HttpResponse;
use jetway::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::cluster::kubernetes::{ApiResource, CORE, Kubernetes, is_forbidden};
use crate::records::release::{Hook, parse_time};

/// The pause between two polls, and before a watch is restarted.
const PAUSE: Duration = Duration::from_millis(500);

/// The maximum size of a pod or a watch event, in bytes.
const MAX_EVENT_SIZE: usize = 4 * 1024 * 1024;

/// A hook whose pods are followed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HookName {
    is_job: bool,
    pub(super) name: String,
}

impl HookName {
    /// The name of a hook that runs as a pod or a job; `None` for any other hook.
    pub(super) fn of(hook: &Hook) -> Option<Self> {
        let is_job = match hook.kind.as_str() {
            "Pod" => false,
            "Job" => true,
            _ => return None,
        };
        (!hook.name.is_empty()).then(|| Self { is_job, name: hook.name.clone() })
    }
}

/// A pod of a hook: the fields that are needed for its logs.
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

/// One run of a container, which has its own log.
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
        parse_time(self.metadata.creation_timestamp.as_deref()?)
    }

    /// The runs of its containers that have started.
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

/// The API server's selector of the pods of a hook.
fn selector(hook: &HookName) -> (&'static str, String) {
    if hook.is_job {
        ("labelSelector", format!("job-name={}", hook.name))
    } else {
        ("fieldSelector", format!("metadata.name={}", hook.name))
    }
}

/// The pods of one namespace, and their logs.
pub(super) struct Pods<'t> {
    context: Context,
    kubernetes: Kubernetes<'t>,
    namespace: &'t str,
}

impl<'t> Pods<'t> {
    pub(super) fn new(context: &Context, kubernetes: &Kubernetes<'t>, namespace: &'t str) -> Self {
        Self { context: context.clone(), kubernetes: kubernetes.with_long_timeout(), namespace }
    }

    fn resource(&self, verb: &'t str) -> ApiResource<'t> {
        ApiResource { api: CORE, kind: "pods", namespace: self.namespace, verb }
    }

    /// Lists the pods of a hook.
    pub(super) async fn list(&self, hook: &HookName) -> Result<Vec<HookPod>> {
        self.list_by(&self.kubernetes.with_short_timeout(), hook).await
    }

    async fn list_by(&self, kubernetes: &Kubernetes<'_>, hook: &HookName) -> Result<Vec<HookPod>> {
        let (key, value) = selector(hook);
        kubernetes.list(self.resource("list"), &[(key, &value)], MAX_EVENT_SIZE as u64).await
    }

    /// Starts to read the log of a run, which goes on until the container ends.
    pub(super) async fn log(&self, run: &Run) -> Result<HttpResponse> {
        let query = [("container", run.container.as_str()), ("follow", "true")];
        self.kubernetes.read(self.resource("get"), Some(&format!("{}/log", run.pod)), &query, "*/*").await
    }

    /// Calls `on_pod` with each state of the pods of a hook, until a signal. It is an error that the user may neither watch nor
    /// list pods.
    pub(super) async fn follow(&self, hook: &HookName, on_pod: impl Fn(&HookPod)) -> Result<()> {
        loop {
            // The API server ends each watch after some minutes.
            if let Err(error) = self.watch(hook, &on_pod).await
                && is_forbidden(&error)
            {
                return self.poll(hook, &on_pod).await;
            }
            if self.context.interrupt().sleep(PAUSE).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn watch(&self, hook: &HookName, on_pod: &impl Fn(&HookPod)) -> Result<()> {
        let (key, value) = selector(hook);
        let query = [(key, value.as_str()), ("watch", "true")];
        let mut response = self.kubernetes.read(self.resource("watch"), None, &query, "application/json").await?;
        let mut text: Vec<u8> = Vec::new();
        while let Some(bytes) = response.chunk().await? {
            text.extend_from_slice(&bytes);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                let Ok(event) = serde_json::from_slice::<Event>(&line) else { return Ok(()) };
                if event.kind == "ERROR" {
                    return Ok(());
                }
                if let Ok(pod) = serde_json::from_value::<HookPod>(event.object) {
                    on_pod(&pod);
                }
            }
            if text.len() > MAX_EVENT_SIZE {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Polls the pods, if the user may not watch them.
    async fn poll(&self, hook: &HookName, on_pod: &impl Fn(&HookPod)) -> Result<()> {
        let kubernetes = self.kubernetes.with_short_timeout();
        loop {
            match self.list_by(&kubernetes, hook).await {
                Ok(pods) => pods.iter().for_each(on_pod),
                Err(error) if is_forbidden(&error) => return Err(error),
                Err(_) => {}
            }
            if self.context.interrupt().sleep(PAUSE).await.is_err() {
                return Ok(());
            }
        }
    }
}
