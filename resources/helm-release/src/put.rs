//! put: brings up a new revision of the release, by helm itself.

use std::path::Path;

use anyhow::anyhow;
use jetway::{Context, Error, Response, Result};

use crate::chart::Chart;
use crate::get;
use crate::params::Params;
use crate::records::Record;
use crate::source::{Source, StableRepository};
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
    refuse_what_is_not_yet(source)?;
    let target = Target::find(context, source, params, inputs).await?;
    let chart = Chart::find(&target.inputs, &params.chart)?;
    chart.complete(context, &target.helm).await?;
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

/// What the source asks for and this release cannot do.
fn refuse_what_is_not_yet(source: &Source) -> Result<()> {
    let has_stable = matches!(&source.stable_repo, Some(StableRepository::Url(url)) if url != "false");
    for (key, is_given) in [
        ("repos", !source.repos.is_empty()),
        ("plugins", !source.plugins.is_empty()),
        ("private_registry", source.private_registry.is_some()),
        ("stable_repo", has_stable),
    ] {
        if is_given {
            return Err(anyhow!("`source.{key}` is known, but not supported by this release"));
        }
    }
    Ok(())
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
