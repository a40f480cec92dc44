//! Describes which revision is deployed.

use super::{Record, Records};

/// The state of the release, by its records, oldest first, and the deployed chart, if its record can be read.
pub(crate) async fn describe(records: &Records<'_>, all: &[Record]) -> String {
    let deployed = all.iter().rfind(|record| record.status == "deployed");
    let release = match deployed {
        Some(deployed) => records.read(&deployed.release, deployed.revision).await.ok().flatten(),
        None => None,
    };
    let what = release.map(|release| format!(" ({})", release.summary())).unwrap_or_default();
    match (all.last(), deployed.map(|record| record.revision)) {
        (None, _) => "it has no revisions".to_owned(),
        (Some(newest), Some(deployed)) if newest.revision == deployed => {
            format!("revision {deployed} is deployed now{what}")
        }
        (Some(Record { revision, status, .. }), Some(deployed)) => {
            format!("revision {revision} is `{status}`, and revision {deployed} is deployed{what}")
        }
        (Some(Record { revision, status, .. }), None) => {
            format!("revision {revision} is `{status}`, and none is deployed")
        }
    }
}
