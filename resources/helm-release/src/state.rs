//! What is there now, in a sentence.

use crate::records::Record;

/// How the release is, by the records of its revisions, oldest first.
pub(crate) fn sentence(records: &[Record]) -> String {
    let deployed = records.iter().rfind(|record| record.status == "deployed").map(|record| record.revision);
    match (records.last(), deployed) {
        (None, _) => "nothing of it is there".to_owned(),
        (Some(newest), Some(deployed)) if newest.revision == deployed => format!("revision {deployed} is deployed now"),
        (Some(Record { revision, status, .. }), Some(deployed)) => {
            format!("revision {revision} is `{status}`, and revision {deployed} is deployed")
        }
        (Some(Record { revision, status, .. }), None) => {
            format!("revision {revision} is `{status}`, and none is deployed")
        }
    }
}
