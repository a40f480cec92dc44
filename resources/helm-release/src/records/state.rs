//! What is deployed now, in a sentence.

use super::{Record, Records};

/// How the release is, by the records of its revisions, oldest first; and what runs, as far as that can be read.
pub(crate) async fn sentence(records: &Records<'_>, all: &[Record]) -> String {
    let deployed = all.iter().rfind(|record| record.status == "deployed");
    let release = match deployed {
        Some(deployed) => records.read(&deployed.release, deployed.revision).await.ok().flatten(),
        None => None,
    };
    let what = release.map(|release| format!(" ({})", release.summary())).unwrap_or_default();
    match (all.last(), deployed.map(|record| record.revision)) {
        (None, _) => "nothing of it is there".to_owned(),
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
