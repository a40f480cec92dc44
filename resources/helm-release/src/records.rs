//! helm's records of a release: one Secret (or `ConfigMap`) for each revision, whose labels contain everything that a list needs.

pub(crate) mod manifest;
pub mod release;
pub(crate) mod state;

use std::time::Duration;

use jetway::{Error, Result, anyhow};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::kubernetes::{ApiResource, CORE, Kubernetes, is_conflict, is_not_found};
use crate::source::storage::Storage;
use release::Release;

/// Asks for metadata only. An API server that does not support this format returns whole objects.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// The number of records in each request.
const PAGE_SIZE: &str = "500";

/// The maximum size of a page of metadata or of a record, in bytes. Kubernetes limits objects to 1.5 MiB.
const MAX_RESPONSE_BYTES: u64 = 16 * 1024 * 1024;

/// The records of one namespace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Records<'k> {
    kubernetes: &'k Kubernetes<'k>,
    storage: Storage,
    namespace: &'k str,
}

/// The content of a record's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) release: String,
    pub(crate) revision: u64,
    pub(crate) status: String,
    /// When it was created.
    pub(crate) created: Option<Timestamp>,
    /// When it last changed.
    pub(crate) changed: Option<Timestamp>,
    /// The field manager that created it, such as `helm`.
    pub(crate) manager: Option<String>,
    /// When it was read, by the API server's clock.
    pub(crate) read_at: Timestamp,
    /// The `resourceVersion`.
    resource_version: Option<String>,
}

impl Record {
    /// Whether an operation is in progress, or was killed.
    pub(crate) fn is_pending(&self) -> bool {
        self.status.starts_with("pending-") || self.is_uninstalling()
    }

    /// Whether that operation is an uninstall.
    pub(crate) fn is_uninstalling(&self) -> bool {
        self.status == "uninstalling"
    }

    /// The duration from a time of the record to when it was read; zero if it was read earlier by a skewed clock.
    pub(crate) fn elapsed_since(&self, time: Timestamp) -> Duration {
        Duration::try_from(self.read_at.duration_since(time)).unwrap_or_default()
    }

    /// How long it had not changed when it was read.
    pub(crate) fn unchanged_for(&self) -> Duration {
        self.changed.map_or(Duration::ZERO, |changed| self.elapsed_since(changed))
    }

    /// Whether it was deployed.
    pub(crate) fn was_deployed(&self) -> bool {
        matches!(self.status.as_str(), "deployed" | "superseded")
    }
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMetadata,
    /// `null` when there are none.
    items: Option<Vec<Item>>,
}

#[derive(Default, Deserialize)]
struct ListMetadata {
    #[serde(default, rename = "continue")]
    next: String,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    labels: Option<Labels>,
    creation_timestamp: Option<String>,
    managed_fields: Option<Vec<Manager>>,
    resource_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Labels {
    name: Option<String>,
    status: Option<String>,
    version: Option<String>,
    /// In seconds since 1970.
    modified_at: Option<String>,
}

#[derive(Deserialize)]
struct Manager {
    #[serde(default)]
    manager: String,
    /// The time of its last write.
    time: Option<String>,
}

impl Metadata {
    /// Parses the record; `None` if the labels are not those of helm.
    fn record(self, read_at: Timestamp) -> Option<Record> {
        let Labels { name, status, version, modified_at } = self.labels?;
        let created = self.creation_timestamp.as_deref().and_then(release::parse_time);
        let modified = modified_at.and_then(|seconds| Timestamp::from_second(seconds.parse().ok()?).ok());
        let managers = self.managed_fields.unwrap_or_default();
        let written = managers.iter().filter_map(|manager| release::parse_time(manager.time.as_deref()?)).max();
        let manager = managers.into_iter().next().map(|first| first.manager);
        Some(Record {
            release: name?,
            revision: version?.parse().ok()?,
            status: status?,
            created,
            // The API server's clock has precedence over that of helm's machine.
            changed: created.max(written.or(modified)),
            manager: manager.filter(|name| !name.is_empty()),
            read_at,
            resource_version: self.resource_version,
        })
    }
}

/// A whole record.
#[derive(Deserialize)]
struct Object {
    metadata: Option<ObjectName>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct ObjectName {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Data {
    release: Option<String>,
}

impl Object {
    fn decoded(self, name: &str, storage: Storage) -> Result<Release> {
        let text = self.data.and_then(|data| data.release).ok_or_else(|| anyhow!("the record `{name}` is empty"))?;
        release::decode(&text, storage).map_err(|problem| anyhow!("the record `{name}` {problem}"))
    }
}

/// The name of the object of a record.
fn name(release: &str, revision: u64) -> String {
    format!("sh.helm.release.v1.{release}.v{revision}")
}

impl<'k> Records<'k> {
    pub(crate) fn new(kubernetes: &'k Kubernetes<'k>, storage: Storage, namespace: &'k str) -> Self {
        Self { kubernetes, storage, namespace }
    }

    /// The revisions of a release, oldest first, with one request for every 500 of them.
    pub(crate) async fn list(&self, release: &str) -> Result<Vec<Record>> {
        let mut records = self.select(&format!("owner=helm,name={release}")).await?;
        records.sort_by_key(|record| record.revision);
        Ok(records)
    }

    /// The names of all releases.
    pub(crate) async fn release_names(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> =
            self.select("owner=helm").await?.into_iter().map(|record| record.release).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn select(&self, selector: &str) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let mut next = String::new();
        loop {
            let mut query = vec![("labelSelector", selector), ("limit", PAGE_SIZE)];
            if !next.is_empty() {
                query.push(("continue", &next));
            }
            let response = self.kubernetes.read(self.resource("list"), None, &query, METADATA).await?;
            let read_at = response.header("date").and_then(date).unwrap_or_else(Timestamp::now);
            let list: List = serde_json::from_slice(&response.bytes(MAX_RESPONSE_BYTES).await?)
                .map_err(|error| anyhow!("the API server's response is not a list: {error}"))?;
            let items = list.items.unwrap_or_default().into_iter();
            records.extend(items.filter_map(|item| item.metadata.record(read_at)));
            if list.metadata.next.is_empty() {
                return Ok(records);
            }
            next = list.metadata.next;
        }
    }

    /// Reads one revision; `None` if it has no record.
    pub(crate) async fn read(&self, release: &str, revision: u64) -> Result<Option<Release>> {
        let name = name(release, revision);
        let response = match self.kubernetes.read(self.resource("get"), Some(&name), &[], "application/json").await {
            Err(error) if is_not_found(&error) => return Ok(None),
            response => response?,
        };
        let object: Object = serde_json::from_slice(&response.bytes(MAX_RESPONSE_BYTES).await?)
            .map_err(|_| anyhow!("the record `{name}` is not a Kubernetes object"))?;
        object.decoded(&name, self.storage).map(Some)
    }

    /// Reads several revisions by one request, oldest first, and returns the errors of unreadable ones. Missing ones are left out.
    pub(crate) async fn read_several(&self, release: &str, revisions: &[u64]) -> Result<(Vec<Release>, Vec<Error>)> {
        let numbers: Vec<String> = revisions.iter().map(u64::to_string).collect();
        let selector = format!("owner=helm,name={release},version in ({})", numbers.join(","));
        let objects: Vec<Object> =
            self.kubernetes.list(self.resource("list"), &[("labelSelector", &selector)], MAX_RESPONSE_BYTES).await?;
        let (mut releases, mut problems) = (Vec::new(), Vec::new());
        for mut object in objects {
            let name = object.metadata.take().map(|metadata| metadata.name).unwrap_or_default();
            match object.decoded(&name, self.storage) {
                Ok(release) => releases.push(release),
                Err(problem) => problems.push(problem),
            }
        }
        releases.sort_by_key(|release| release.version);
        Ok((releases, problems))
    }

    /// Marks a record as failed for this reason, and returns whether it did. A record that has changed since it was listed is not
    /// changed.
    pub(crate) async fn mark_failed(&self, record: &Record, reason: &str) -> Result<bool> {
        let name = name(&record.release, record.revision);
        let response = self.kubernetes.read(self.resource("get"), Some(&name), &[], "application/json").await?;
        let mut object: Value = serde_json::from_slice(&response.bytes(MAX_RESPONSE_BYTES).await?)
            .map_err(|_| anyhow!("the record `{name}` is not a Kubernetes object"))?;
        let damaged = || anyhow!("the record `{name}` is not a record of helm");
        if object.pointer("/metadata/resourceVersion").and_then(Value::as_str) != record.resource_version.as_deref() {
            return Ok(false);
        }
        let labels = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut).ok_or_else(damaged)?;
        labels.insert("status".to_owned(), "failed".into());
        labels.insert("modifiedAt".to_owned(), Timestamp::now().as_second().to_string().into());
        let text = object.pointer_mut("/data/release").ok_or_else(damaged)?;
        let edited = release::edit(text.as_str().unwrap_or_default(), self.storage, |release| {
            if let Some(info) = release.get_mut("info").and_then(Value::as_object_mut) {
                info.insert("status".to_owned(), "failed".into());
                info.insert("description".to_owned(), reason.into());
            }
        });
        *text = edited.map_err(|problem| anyhow!("the record `{name}` {problem}"))?.into();
        match self.kubernetes.replace(self.resource("update"), &name, &object).await {
            Err(error) if is_conflict(&error) => Ok(false),
            replaced => replaced.map(|()| true),
        }
    }

    fn resource(&self, verb: &'k str) -> ApiResource<'k> {
        let kind = match self.storage {
            Storage::Secret => "secrets",
            Storage::Configmap => "configmaps",
        };
        ApiResource { api: CORE, kind, namespace: self.namespace, verb }
    }
}

/// The time in an HTTP header.
fn date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_of_a_record_is_by_the_api_servers_clock() {
        let read_at = date("Tue, 24 Nov 2026 05:07:09 GMT").unwrap();
        assert_eq!(read_at.to_string(), "2026-11-24T05:07:09Z");
        let metadata = serde_json::json!({
            "creationTimestamp": "2026-11-24T05:00:09Z", "resourceVersion": "77",
            "labels": { "name": "demo", "version": "3", "status": "pending-upgrade", "modifiedAt": "1795496529" },
        });
        let record = serde_json::from_value::<Metadata>(metadata).unwrap().record(read_at).unwrap();
        assert_eq!(record.elapsed_since(record.created.unwrap()), Duration::from_mins(7));
        assert_eq!(record.elapsed_since(record.changed.unwrap()), Duration::from_mins(5));
        assert_eq!(record.elapsed_since("2027-01-01T00:00:00Z".parse().unwrap()), Duration::ZERO);
        assert_eq!(date("yesterday"), None);
    }

    #[test]
    fn last_change_of_a_record_is_by_the_api_servers_clock() {
        let metadata = serde_json::json!({
            "creationTimestamp": "2026-11-24T05:00:09Z",
            // helm's clock is an hour behind.
            "labels": { "name": "demo", "version": "3", "status": "pending-upgrade", "modifiedAt": "1795493109" },
            "managedFields": [
                { "manager": "helm", "operation": "Update", "time": "2026-11-24T05:06:09Z" },
                { "manager": "backup", "time": "2026-11-24T05:02:09Z" },
            ],
        });
        let read_at = date("Tue, 24 Nov 2026 05:07:09 GMT").unwrap();
        let record = serde_json::from_value::<Metadata>(metadata).unwrap().record(read_at).unwrap();
        assert_eq!(record.unchanged_for(), Duration::from_mins(1));
        assert_eq!(record.manager.as_deref(), Some("helm"));
    }
}
