//! put: brings up a new revision of the release, by helm itself.

use std::path::Path;

use anyhow::anyhow;
use jetway::{Context, Error, Response, Result};

use crate::chart::Chart;
use crate::get;
use crate::params::Params;
use crate::plugins;
use crate::records::Record;
use crate::registries;
use crate::repositories;
use crate::source::Source;
use crate::target::Target;
use crate::upgrade;
use crate::values::Values;
use crate::version::Version;

/// Deploys the chart, and answers with the revision that came of it.
pub(crate) async fn put(
    context: &Context,
    source: &Source,
    params: &Params,
    inputs: &Path,
) -> Result<Response<Version>> {
    let target = Target::find(context, source, params, inputs).await?;
    plugins::install(&target).await?;
    registries::log_in(&target).await?;
    repositories::write(&target)?;
    let chart = Chart::find(&target, &params.chart)?;
    chart.prepare(&target).await?;
    let values = Values::gather(&target).await?;
    let upgrade = upgrade::command(&target, &chart, &values)?;
    let outcome = upgrade::run(&target, upgrade).await;

    let (records, release) = (target.records(), &target.release);
    if let Err(error) = outcome {
        return Err(with_state(error, &records.of(release).await.unwrap_or_default(), release));
    }
    let newest = records.of(release).await?.into_iter().rfind(|record| record.status == "deployed");
    let revision = newest.map(|record| record.revision);
    let revision = revision.ok_or_else(|| anyhow!("helm ended well, and no revision of `{release}` is deployed"))?;
    let made = records.read(release, revision).await?;
    let made = made.ok_or_else(|| anyhow!("revision {revision} of `{release}` went away at once"))?;
    let version = target.in_namespace(Version::of_revision(release, revision));
    Ok(Response { version, metadata: get::metadata(&made, &target.namespace) })
}

/// The error of helm with what is there now.
fn with_state(error: Error, records: &[Record], release: &str) -> Error {
    let deployed = records.iter().rfind(|record| record.status == "deployed").map(|record| record.revision);
    let now = match (records.last(), deployed) {
        (None, _) => "nothing of it is there".to_owned(),
        (Some(newest), Some(deployed)) if newest.revision == deployed => format!("revision {deployed} is deployed now"),
        (Some(Record { revision, status, .. }), Some(deployed)) => {
            format!("revision {revision} is `{status}`, and revision {deployed} is deployed")
        }
        (Some(Record { revision, status, .. }), None) => {
            format!("revision {revision} is `{status}`, and none is deployed")
        }
    };
    error.context(format!("`{release}` was not deployed: {now}"))
}
