//! The pods and jobs of earlier test runs. helm deletes them only if the chart says so.

use std::time::Duration;

use jetway::Result;
use serde::Deserialize;

use crate::cluster::kubernetes::{ApiResource, CORE, is_not_found};
use crate::records::release::{Hook, Release};
use crate::target::Target;

/// The maximum number of reads until a deleted object is gone, and the pause between them.
const MAX_READS: u32 = 150;
const PAUSE: Duration = Duration::from_millis(200);

/// The annotation of hooks, and its values for tests; `test-success` is that of helm 2.
const HOOK: &str = "helm.sh/hook";
const TESTS: [&str; 2] = ["test", "test-success"];

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    uid: String,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

/// Deletes the pods and jobs of the release's tests, and waits until they are gone.
pub(super) async fn remove(target: &Target<'_>, release: &Release) -> Result<()> {
    for test in release.tests() {
        if let Err(error) = remove_one(target, test).await {
            if jetway::Interrupted::caused(&error) {
                return Err(error);
            }
            let (kind, name) = (test.kind.to_lowercase(), &test.name);
            target.context.console().warn(format_args!("cannot remove the {kind} `{name}` of a test: {error:#}"));
        }
    }
    Ok(())
}

async fn remove_one(target: &Target<'_>, test: &Hook) -> Result<()> {
    let (api, kind) = match test.kind.as_str() {
        "Pod" => (CORE, "pods"),
        "Job" => ("apis/batch/v1", "jobs"),
        _ => return Ok(()),
    };
    let resource = |verb| ApiResource { api, kind, namespace: &target.namespace, verb };
    let name = &test.name;
    let look = async || -> Result<Option<Metadata>> {
        match target.kubernetes.read(resource("get"), Some(name), &[], "application/json").await {
            Err(error) if is_not_found(&error) => Ok(None),
            response => Ok(Some(response?.json::<Object>().await?.metadata)),
        }
    };
    let Some(found) = look().await? else { return Ok(()) };
    // Another object may have the name of a test.
    let is_test =
        found.annotations.get(HOOK).is_some_and(|events| events.split(',').any(|event| TESTS.contains(&event.trim())));
    if !is_test {
        return Ok(());
    }
    target.context.console().step(format_args!("removing the {} `{name}` of a test", test.kind.to_lowercase()));
    match target.kubernetes.delete(resource("delete"), name, &found.uid).await {
        Err(error) if is_not_found(&error) => return Ok(()),
        deleted => deleted?,
    }
    for _ in 0..MAX_READS {
        if look().await?.is_none_or(|now| now.uid != found.uid) {
            return Ok(());
        }
        target.context.interrupt().sleep(PAUSE).await?;
    }
    Err(jetway::anyhow!("it still exists after {} s", (PAUSE * MAX_READS).as_secs()))
}
