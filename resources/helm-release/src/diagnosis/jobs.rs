//! The jobs of a release.

use jetway::Result;
use serde::Deserialize;

use super::table::{self, MAX_ROWS};
use crate::cluster::kubernetes::{ApiResource, Kubernetes};
use crate::records::manifest::{Labels, ReleaseObjects};

/// The API of jobs.
pub(super) const BATCH: &str = "apis/batch/v1";

/// The maximum number of jobs in the request.
const PAGE_SIZE: &str = "500";

/// The maximum size of a response, in bytes.
const MAX_RESPONSE_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug, Deserialize)]
pub(super) struct Job {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    owner_references: Vec<Owner>,
}

#[derive(Debug, Deserialize)]
struct Owner {
    kind: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
struct Spec {
    completions: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    active: u64,
    #[serde(default)]
    succeeded: u64,
    #[serde(default)]
    failed: u64,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

/// The jobs of the release, including those of its cron jobs.
pub(super) async fn read(kubernetes: &Kubernetes<'_>, namespace: &str, objects: &ReleaseObjects) -> Result<Vec<Job>> {
    let resource = ApiResource { api: BATCH, kind: "jobs", namespace, verb: "list" };
    let mut jobs: Vec<Job> = kubernetes.list(resource, &[("limit", PAGE_SIZE)], MAX_RESPONSE_BYTES).await?;
    jobs.retain(|Job { metadata, .. }| {
        let owned = metadata.owner_references.iter().any(|owner| objects.has(&owner.kind, &owner.name));
        owned || objects.has("Job", &metadata.name) || objects.is_labelled(&metadata.labels)
    });
    jobs.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    Ok(jobs)
}

/// The lines of the table.
pub(super) fn table(jobs: &[Job]) -> Vec<String> {
    let head = ["JOB", "COMPLETED", "ACTIVE", "FAILED", "REASON"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(jobs.iter().take(MAX_ROWS).map(Job::row)).collect();
    table::lines(&rows)
}

impl Job {
    fn row(&self) -> [String; 5] {
        let Status { active, succeeded, failed, conditions } = &self.status;
        let failure = conditions.iter().find(|condition| condition.kind == "Failed" && condition.status == "True");
        [
            self.metadata.name.clone(),
            format!("{succeeded}/{}", self.spec.completions.unwrap_or(1)),
            active.to_string(),
            failed.to_string(),
            failure.map(|condition| format!("{}: {}", condition.reason, condition.message)).unwrap_or_default(),
        ]
    }
}
