//! Confirms that the workloads of a revision are rolled out after helm 4 has waited for them.
//!
//! helm 4 waits by a watch that begins with a list of resource version `0`. The API server may answer such a list from its cache
//! ([Kubernetes, "Resource versions"](https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions)), with the
//! workloads as they were before the upgrade. Those are ready, so helm stops waiting at once. A read of one object without a
//! resource version is always up to date.

use std::time::{Duration, Instant};

use jetway::{Result, anyhow};
use serde::Deserialize;

use crate::cluster::kubernetes::{ApiResource, Kubernetes, is_forbidden, is_not_found};
use crate::params::duration;
use crate::params::wait::Strategy;
use crate::records::manifest::documents;
use crate::records::release::Release;
use crate::source::name;
use crate::target::Target;

/// The API of the workloads.
const APPS: &str = "apis/apps/v1";

/// The pause between two reads of a workload that is not ready.
const INTERVAL: Duration = Duration::from_secs(2);

/// The least time that a workload gets, if helm has used nearly all of the timeout. A workload that was ready and is being scaled
/// is no failure.
const MIN_WAIT: Duration = Duration::from_secs(10);

/// The maximum size of a response, in bytes: the maximum size of an object in etcd, with room for its encoding as JSON.
const MAX_RESPONSE_BYTES: u64 = 8 * 1024 * 1024;

/// A time limit that begins with a command of helm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    end: Instant,
    timeout: Duration,
}

impl Deadline {
    /// The deadline of a command that starts now.
    pub(crate) fn after(timeout: Duration) -> Self {
        let now = Instant::now();
        Self { end: now.checked_add(timeout).unwrap_or(now), timeout }
    }
}

/// Waits until the workloads in the manifest of `release` are rolled out, if helm has waited for them by a watch. The error names
/// the workload that is not rolled out at the deadline.
pub(crate) async fn confirm(
    target: &Target<'_>,
    release: &Release,
    strategy: Option<Strategy>,
    deadline: Deadline,
) -> Result<()> {
    let watches = match strategy {
        None | Some(Strategy::Watcher) => true,
        // helm waits for an atomic upgrade in any case.
        Some(Strategy::None) => target.params.atomic,
        Some(Strategy::Legacy) => false,
    };
    if !watches || target.helm.major().await? < 4 {
        return Ok(());
    }
    let end = deadline.end.max(Instant::now() + MIN_WAIT);
    for workload in documents(&release.manifest).iter().filter_map(|document| Workload::parse(document, target)) {
        let mut is_reported = false;
        while let Some(reason) = workload.unfinished(&target.kubernetes).await? {
            if Instant::now() + INTERVAL > end {
                let timeout = duration::in_words(deadline.timeout);
                return Err(anyhow!(
                    "{workload} is not ready after {timeout} (`timeout`), although helm says so: {reason}"
                ));
            }
            if !is_reported {
                target.context.console().step(format_args!("waiting for {workload}: {reason}"));
                is_reported = true;
            }
            target.context.interrupt().sleep(INTERVAL).await?;
        }
    }
    Ok(())
}

/// A workload in a manifest, whose controller reports how far it is rolled out.
#[derive(Debug)]
struct Workload {
    kind: Kind,
    name: String,
    namespace: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    #[serde(other)]
    Other,
}

impl Kind {
    fn plural(self) -> Option<&'static str> {
        match self {
            Self::Deployment => Some("deployments"),
            Self::StatefulSet => Some("statefulsets"),
            Self::DaemonSet => Some("daemonsets"),
            Self::Other => None,
        }
    }
}

impl std::fmt::Display for Workload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} `{}`", self.kind, self.name)
    }
}

impl Workload {
    /// Parses a document of a manifest; `None` if it is not a workload.
    fn parse(document: &str, target: &Target<'_>) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Object {
            api_version: String,
            kind: Kind,
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            name: String,
            namespace: Option<String>,
        }
        let Object { api_version, kind, metadata } = serde_saphyr::from_str(document).ok()?;
        let namespace = metadata.namespace.unwrap_or_else(|| target.namespace.clone());
        // They become parts of a path.
        let is_named = name::object(&metadata.name).is_ok() && name::namespace(&namespace).is_ok();
        (api_version == "apps/v1" && kind != Kind::Other && is_named).then_some(Self {
            kind,
            name: metadata.name,
            namespace,
        })
    }

    /// Why the workload is not rolled out; `None` if it is, or if the user may not read it.
    async fn unfinished(&self, kubernetes: &Kubernetes<'_>) -> Result<Option<String>> {
        let Some(kind) = self.kind.plural() else { return Ok(None) };
        let resource = ApiResource { api: APPS, kind, namespace: &self.namespace, verb: "get" };
        let response = match kubernetes.read(resource, Some(&self.name), &[], "application/json").await {
            Ok(response) => response,
            // A role may allow changes only. An object that was deleted since then is another operation's.
            Err(error) if is_forbidden(&error) || is_not_found(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let state: State = serde_json::from_slice(&response.bytes(MAX_RESPONSE_BYTES).await?)
            .map_err(|error| anyhow!("the API server's response is not a {:?}: {error}", self.kind))?;
        Ok(state.unfinished(self.kind))
    }
}

/// A workload as the API server has it: the parts that `kubectl rollout status` looks at.
#[derive(Debug, Deserialize)]
struct State {
    metadata: Generation,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Generation {
    #[serde(default)]
    generation: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    replicas: Option<u64>,
    paused: bool,
    update_strategy: UpdateStrategy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct UpdateStrategy {
    #[serde(rename = "type")]
    kind: String,
    rolling_update: Option<RollingUpdate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RollingUpdate {
    partition: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    observed_generation: u64,
    replicas: u64,
    updated_replicas: u64,
    available_replicas: u64,
    ready_replicas: u64,
    desired_number_scheduled: u64,
    updated_number_scheduled: u64,
    number_available: u64,
}

impl State {
    /// Why it is not rolled out; `None` if it is.
    fn unfinished(&self, kind: Kind) -> Option<String> {
        let Self { metadata, spec, status } = self;
        if status.observed_generation < metadata.generation {
            return Some("its controller has not seen the change yet".to_owned());
        }
        let wanted = spec.replicas.unwrap_or(1);
        let strategy = &spec.update_strategy;
        let count =
            |done: u64, wanted: u64, word: &str| (done < wanted).then(|| format!("{done} of {wanted} pods are {word}"));
        match kind {
            // Neither changes pods until a person continues.
            Kind::Deployment if spec.paused => None,
            Kind::StatefulSet | Kind::DaemonSet if strategy.kind == "OnDelete" => None,
            Kind::Deployment => count(status.updated_replicas, wanted, "updated")
                .or_else(|| match status.replicas.saturating_sub(status.updated_replicas) {
                    0 => None,
                    1 => Some("1 old pod is not terminated yet".to_owned()),
                    old => Some(format!("{old} old pods are not terminated yet")),
                })
                .or_else(|| count(status.available_replicas, status.updated_replicas, "available")),
            Kind::StatefulSet => {
                let partition = strategy.rolling_update.as_ref().map_or(0, |rolling| rolling.partition);
                count(status.updated_replicas, wanted.saturating_sub(partition), "updated")
                    .or_else(|| count(status.ready_replicas, wanted, "ready"))
            }
            Kind::DaemonSet => count(status.updated_number_scheduled, status.desired_number_scheduled, "updated")
                .or_else(|| count(status.number_available, status.desired_number_scheduled, "available")),
            Kind::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn workload_is_unfinished_as_kubectl_rollout_status_says() {
        let deployment = |spec: serde_json::Value, status: serde_json::Value| (Kind::Deployment, spec, status);
        for ((kind, spec, status), expected) in [
            (
                deployment(json!({ "replicas": 2 }), json!({ "observedGeneration": 1 })),
                Some("its controller has not seen the change yet"),
            ),
            (
                deployment(
                    json!({ "replicas": 2 }),
                    json!({ "observedGeneration": 2, "replicas": 3, "updatedReplicas": 1 }),
                ),
                Some("1 of 2 pods are updated"),
            ),
            (
                deployment(
                    json!({ "replicas": 2 }),
                    json!({ "observedGeneration": 2, "replicas": 3, "updatedReplicas": 2 }),
                ),
                Some("1 old pod is not terminated yet"),
            ),
            (
                deployment(json!({}), json!({ "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1 })),
                Some("0 of 1 pods are available"),
            ),
            (
                deployment(
                    json!({}),
                    json!({ "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1 }),
                ),
                None,
            ),
            (deployment(json!({ "replicas": 0 }), json!({ "observedGeneration": 2 })), None),
            (deployment(json!({ "paused": true }), json!({ "observedGeneration": 2 })), None),
            (
                (
                    Kind::StatefulSet,
                    json!({ "replicas": 3, "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 2 } } }),
                    json!({ "observedGeneration": 2, "updatedReplicas": 1, "readyReplicas": 2 }),
                ),
                Some("2 of 3 pods are ready"),
            ),
            (
                (
                    Kind::StatefulSet,
                    json!({ "updateStrategy": { "type": "OnDelete" } }),
                    json!({ "observedGeneration": 2 }),
                ),
                None,
            ),
            (
                (
                    Kind::DaemonSet,
                    json!({}),
                    json!({ "observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1 }),
                ),
                Some("1 of 2 pods are available"),
            ),
        ] {
            let object = json!({ "metadata": { "generation": 2 }, "spec": spec, "status": status });
            let state: State = serde_json::from_value(object.clone()).unwrap();
            assert_eq!(state.unfinished(kind).as_deref(), expected, "{object}");
        }
    }
}
