//! How helm applies objects. helm 3 merges them on the client, and the chart wins. helm 4 applies new releases on the server, where
//! a field that another client has set (`kubectl scale`, an autoscaler) is a conflict that fails the deploy and the rollback. So
//! the chart also wins there, unless `force_conflicts` is false.

use jetway::{Advise as _, Result, anyhow};

use crate::params::apply::{Automatic, ServerSideApply};
use crate::target::Target;

/// The record's word for a revision that helm 4 has applied on the server.
const ON_THE_SERVER: &str = "ssa";

/// The options for an upgrade.
pub(crate) async fn for_upgrade(target: &Target<'_>) -> Result<Vec<&'static str>> {
    if target.params.force || target.helm.major().await? < 4 {
        return options(target, None).await;
    }
    let records = target.records();
    let newest = records.list(&target.release).await?.pop().filter(|newest| newest.status != "uninstalled");
    let method = match newest {
        // helm itself reports a record that cannot be read.
        Some(newest) => {
            records.read(&target.release, newest.revision).await.ok().flatten().map(|read| read.apply_method)
        }
        None => Some(ON_THE_SERVER.to_owned()),
    };
    options(target, method.as_deref()).await
}

/// The options for a rollback to a revision. helm 4 applies it by the method in that revision's record.
pub(crate) async fn for_rollback(target: &Target<'_>, revision: u64) -> Result<Vec<&'static str>> {
    if target.params.force || target.helm.major().await? < 4 {
        return options(target, None).await;
    }
    let read = target.records().read(&target.release, revision).await.ok().flatten();
    options(target, read.map(|read| read.apply_method).as_deref()).await
}

/// The options, where `method` is the default of helm 4.
async fn options(target: &Target<'_>, method: Option<&str>) -> Result<Vec<&'static str>> {
    let params = target.params;
    let major = target.helm.major().await?;
    if params.force {
        // helm rejects `--force-replace` together with `--server-side`.
        return Ok(if major >= 4 { vec!["--force-replace", "--server-side=false"] } else { vec!["--force"] });
    }
    if major < 4 {
        let problem = match (params.server_side_apply, params.force_conflicts) {
            (Some(ServerSideApply::Flag(true)), _) => "`server_side_apply: true`",
            (_, Some(false)) => "`force_conflicts: false`",
            _ => return Ok(Vec::new()),
        };
        return Err(anyhow!("{problem} needs helm 4, and this is helm {major}")
            .hint("helm 3 merges objects on the client, and the chart always wins"));
    }
    let on_the_server = match params.server_side_apply {
        Some(ServerSideApply::Flag(wanted)) => wanted,
        Some(ServerSideApply::As(Automatic::Auto)) | None => method == Some(ON_THE_SERVER),
    };
    Ok(match (on_the_server, params.force_conflicts.unwrap_or(true)) {
        (false, _) => vec!["--server-side=false"],
        (true, false) => vec!["--server-side=true"],
        (true, true) => vec!["--server-side=true", "--force-conflicts"],
    })
}
