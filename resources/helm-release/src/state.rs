//! What is there now.

use jetway::{Result, anyhow};

use crate::diagnosis;
use crate::records::{Record, Records};
use crate::release::Release;
use crate::target::Target;

/// The revision that is deployed after a helm that ended well, shown with those before it.
pub(crate) async fn made(target: &Target<'_>) -> Result<Release> {
    let name = &target.release;
    let mut records = target.records().of(name).await?;
    let newest = records.iter().rposition(|record| record.status == "deployed");
    let newest = newest.ok_or_else(|| anyhow!("helm ended well, and no revision of `{name}` is deployed"))?;
    records.truncate(newest + 1);
    let made = diagnosis::brief(target, &records).await?;
    made.ok_or_else(|| anyhow!("the new revision of `{name}` went away at once"))
}

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
