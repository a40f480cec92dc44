//! The warning events of a release.

use jetway::Result;
use jiff::Timestamp;
use serde::Deserialize;

use super::table;
use crate::cluster::kubernetes::{ApiResource, CORE, Kubernetes};
use crate::records::manifest::ReleaseObjects;
use crate::records::release::parse_time;

/// The maximum number of warnings that are shown.
const MAX_EVENTS: usize = 15;

/// The maximum number of events in the request.
const PAGE_SIZE: &str = "500";

/// The maximum size of a response, in bytes.
const MAX_RESPONSE_BYTES: u64 = 8 * 1024 * 1024;

/// The tolerance for the cluster's clock, in seconds.
const TOLERANCE: i64 = 5;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    involved_object: Involved,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    count: Option<u64>,
    last_timestamp: Option<String>,
    #[serde(rename = "eventTime")]
    occurred: Option<String>,
    series: Option<Series>,
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct Involved {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Series {
    count: Option<u64>,
    last_observed_time: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    creation_timestamp: Option<String>,
}

/// The latest warnings about the release's objects that are not older than `since`, oldest first.
pub(super) async fn read(
    kubernetes: &Kubernetes<'_>,
    namespace: &str,
    objects: &ReleaseObjects,
    since: Timestamp,
) -> Result<Vec<Event>> {
    let resource = ApiResource { api: CORE, kind: "events", namespace, verb: "list" };
    let query = [("fieldSelector", "type=Warning"), ("limit", PAGE_SIZE)];
    let mut events: Vec<Event> = kubernetes.list(resource, &query, MAX_RESPONSE_BYTES).await?;
    events.retain(|event| {
        let is_new = event.time().is_some_and(|time| time.as_second() + TOLERANCE >= since.as_second());
        is_new && objects.has_dependent(&event.involved_object.name)
    });
    events.sort_by_key(Event::time);
    let first = events.len().saturating_sub(MAX_EVENTS);
    Ok(events.split_off(first))
}

/// The lines of the table.
pub(super) fn table(events: &[Event]) -> Vec<String> {
    let head = ["LAST SEEN", "TIMES", "OBJECT", "WARNING"].map(str::to_owned);
    table::lines(&std::iter::once(head).chain(events.iter().map(Event::row)).collect::<Vec<_>>())
}

impl Event {
    fn time(&self) -> Option<Timestamp> {
        let series = self.series.as_ref().and_then(|series| series.last_observed_time.as_deref());
        let times = [series, self.last_timestamp.as_deref(), self.occurred.as_deref()];
        times.into_iter().chain([self.metadata.creation_timestamp.as_deref()]).flatten().find_map(parse_time)
    }

    fn row(&self) -> [String; 4] {
        let Involved { kind, name } = &self.involved_object;
        let times = self.series.as_ref().and_then(|series| series.count).or(self.count).unwrap_or(1);
        [
            self.time().map(|time| time.strftime("%H:%M:%SZ").to_string()).unwrap_or_default(),
            times.to_string(),
            format!("{} {name}", kind.to_lowercase()),
            format!("{}: {}", self.reason, self.message),
        ]
    }
}
