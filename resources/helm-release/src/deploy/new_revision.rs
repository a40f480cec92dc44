//! The revision that a command of helm has created.

use jetway::{Result, anyhow};

use crate::diagnosis;
use crate::records::release::Release;
use crate::target::Target;

/// Returns the deployed revision after a successful command of helm, and shows it with those before it.
pub(crate) async fn find(target: &Target<'_>) -> Result<Release> {
    let name = &target.release;
    let mut records = target.records().list(name).await?;
    let newest = records.iter().rposition(|record| record.status == "deployed");
    let newest = newest.ok_or_else(|| anyhow!("helm succeeded, but no revision of `{name}` is deployed"))?;
    records.truncate(newest + 1);
    let made = diagnosis::show_latest(target, &records).await?;
    made.ok_or_else(|| anyhow!("the new revision of `{name}` was deleted right after the deploy"))
}
