//! Helm's own records of a release: one Secret (or `ConfigMap`) for each revision, whose labels say all that a list needs.

use jetway::{Result, anyhow};
use serde::Deserialize;

use crate::kubernetes::{Asked, Kubernetes, is_gone};
use crate::release::{self, Release};
use crate::source::Storage;

/// Asks for labels and names only. A server that does not know that form answers with whole objects.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// How many records are asked for at once.
const PAGE: &str = "500";

/// The most that a page of metadata, or a whole record, may be, in bytes. Kubernetes keeps objects below 1.5 MiB.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The records of one namespace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Records<'k> {
    kubernetes: &'k Kubernetes,
    storage: Storage,
    namespace: &'k str,
}

/// What the labels of a record say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) release: String,
    pub(crate) revision: u64,
    pub(crate) status: String,
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
struct Metadata {
    labels: Option<Labels>,
}

#[derive(Deserialize)]
struct Labels {
    name: Option<String>,
    status: Option<String>,
    version: Option<String>,
}

impl Labels {
    /// The record, unless the labels are none of helm's.
    fn record(self) -> Option<Record> {
        Some(Record { release: self.name?, revision: self.version?.parse().ok()?, status: self.status? })
    }
}

impl<'k> Records<'k> {
    pub(crate) fn new(kubernetes: &'k Kubernetes, storage: Storage, namespace: &'k str) -> Self {
        Self { kubernetes, storage, namespace }
    }

    /// The revisions of a release, oldest first; one request for every 500 of them.
    pub(crate) async fn of(&self, release: &str) -> Result<Vec<Record>> {
        let mut records = self.select(&format!("owner=helm,name={release}")).await?;
        records.sort_by_key(|record| record.revision);
        Ok(records)
    }

    /// The names of all releases.
    pub(crate) async fn releases(&self) -> Result<Vec<String>> {
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
            let mut query = vec![("labelSelector", selector), ("limit", PAGE)];
            if !next.is_empty() {
                query.push(("continue", &next));
            }
            let answer = self.kubernetes.read(self.asked("list"), None, &query, METADATA).await?;
            let list: List = serde_json::from_slice(&answer.bytes(LARGEST).await?)
                .map_err(|error| anyhow!("the API server's answer is no list: {error}"))?;
            let items = list.items.unwrap_or_default().into_iter();
            records.extend(items.filter_map(|item| item.metadata.labels?.record()));
            if list.metadata.next.is_empty() {
                return Ok(records);
            }
            next = list.metadata.next;
        }
    }

    /// One revision; `None` when there is none of that number.
    pub(crate) async fn read(&self, release: &str, revision: u64) -> Result<Option<Release>> {
        #[derive(Deserialize)]
        struct Object {
            data: Option<Data>,
        }
        #[derive(Deserialize)]
        struct Data {
            release: Option<String>,
        }
        let name = format!("sh.helm.release.v1.{release}.v{revision}");
        let answer = match self.kubernetes.read(self.asked("get"), Some(&name), &[], "application/json").await {
            Err(error) if is_gone(&error) => return Ok(None),
            answer => answer?,
        };
        let object: Object = serde_json::from_slice(&answer.bytes(LARGEST).await?)
            .map_err(|_| anyhow!("the record `{name}` is no object of Kubernetes"))?;
        let text = object.data.and_then(|data| data.release).ok_or_else(|| anyhow!("the record `{name}` is empty"))?;
        let decoded = release::decode(&text, self.storage);
        decoded.map(Some).map_err(|problem| anyhow!("the record `{name}` {problem}"))
    }

    fn asked(&self, verb: &'k str) -> Asked<'k> {
        let kind = match self.storage {
            Storage::Secret => "secrets",
            Storage::Configmap => "configmaps",
        };
        Asked { kind, namespace: self.namespace, verb }
    }
}
