//! What tests leave over: the pods and jobs of their last run, which helm takes away only when the chart says so.

use std::time::Duration;

use jetway::Result;
use serde::Deserialize;

use crate::cluster::kubernetes::{Asked, CORE, is_gone};
use crate::records::release::{Hook, Release};
use crate::target::Target;

/// How long an object is waited for to go, in looks, and how long it is between two of them.
const LOOKS: u32 = 150;
const PAUSE: Duration = Duration::from_millis(200);

/// The annotation by which helm tells its hooks, and what it says of tests; the longer word is that of helm 2, and as good.
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

/// Takes the pods and jobs of the release's tests away, and waits until they are gone.
pub(super) async fn remove(target: &Target<'_>, release: &Release) -> Result<()> {
    for test in release.tests() {
        if let Err(error) = remove_one(target, test).await {
            if jetway::Interrupted::caused(&error) {
                return Err(error);
            }
            let (kind, name) = (test.kind.to_lowercase(), &test.name);
            target.context.console().warn(format_args!("the {kind} `{name}` of a test is left over: {error:#}"));
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
    let asked = |verb| Asked { api, kind, namespace: &target.namespace, verb };
    let name = &test.name;
    let look = async || -> Result<Option<Metadata>> {
        match target.kubernetes.read(asked("get"), Some(name), &[], "application/json").await {
            Err(error) if is_gone(&error) => Ok(None),
            answer => Ok(Some(answer?.json::<Object>().await?.metadata)),
        }
    };
    let Some(found) = look().await? else { return Ok(()) };
    // Something else may have the name of a hook of ours.
    let is_test =
        found.annotations.get(HOOK).is_some_and(|events| events.split(',').any(|event| TESTS.contains(&event.trim())));
    if !is_test {
        return Ok(());
    }
    target.context.console().step(format_args!("removing the {} `{name}` of a test", test.kind.to_lowercase()));
    match target.kubernetes.delete(asked("delete"), name, &found.uid).await {
        Err(error) if is_gone(&error) => return Ok(()),
        deleted => deleted?,
    }
    for _ in 0..LOOKS {
        if look().await?.is_none_or(|now| now.uid != found.uid) {
            return Ok(());
        }
        target.context.interrupt().sleep(PAUSE).await?;
    }
    Err(jetway::anyhow!("it has not gone within {} s", (PAUSE * LOOKS).as_secs()))
}
