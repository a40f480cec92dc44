//! The end of a release: helm takes away what belongs to it, and the API its namespace, when that is wanted.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Response, Result};
use serde::Deserialize;

use crate::chart::Chart;
use crate::dry_run;
use crate::kubernetes::{Asked, CORE, is_gone};
use crate::params::{Params, duration};
use crate::recovery;
use crate::span;
use crate::target::Target;
use crate::version::Version;
use crate::waiting;

/// How long to wait before looking again whether a namespace is gone.
const PAUSE: Duration = Duration::from_millis(500);

/// The largest namespace, in bytes, as an object.
const LARGEST: u64 = 1024 * 1024;

/// Takes the release away. One that is not there is no failure.
pub(crate) async fn put(target: &Target<'_>) -> Result<Response<Version>> {
    let Target { context, params, release, namespace, .. } = target;
    // Helm itself would take a release away under the hands of somebody who deploys it.
    let is_there = match params.dry() {
        Some(_) => is_there(target).await?,
        None => !recovery::unlocked(target).await?.is_empty(),
    };
    if is_there {
        remove(target, params.check_is_ready || params.given_strategy().is_some()).await?;
    } else {
        context.console().step(format_args!("there is no release `{release}` in the namespace `{namespace}`"));
    }
    if params.dry().is_some() {
        return Ok(Response::new(Version::of_nothing()));
    }
    if params.delete_namespace {
        delete_namespace(target).await?;
    }
    let version = Version { uninstalled: Some("true".to_owned()), ..Version::of_release(release) };
    Ok(Response::new(target.in_namespace(version)).with("release", release))
}

/// Takes the release away for another to come in its place, when a dry run says that the other can come.
pub(crate) async fn make_room(target: &Target<'_>, chart: &Chart) -> Result<()> {
    if !is_there(target).await? {
        return Ok(());
    }
    let Target { release, .. } = target;
    dry_run::try_out(target, chart)
        .await
        .with_context(|| format!("`{release}` was not replaced, and stays as it is"))?;
    remove(target, true).await
}

async fn is_there(target: &Target<'_>) -> Result<bool> {
    Ok(!target.records().of(&target.release).await?.is_empty())
}

async fn remove(target: &Target<'_>, waits: bool) -> Result<()> {
    let Target { context, helm, params, release, namespace, .. } = target;
    let Params { timeout, debug, .. } = params;
    let timeout = duration(timeout).map_err(|problem| anyhow!("`timeout`: {problem}"))?;
    let mut command = helm.command("uninstall").arg(format!("--namespace={namespace}"));
    command = command.arg(format!("--timeout={timeout}"));
    if waits {
        command = command.args(waiting::options(helm, params.given_strategy()).await?);
    }
    if params.dry().is_some() {
        command = command.arg("--dry-run");
    }
    if *debug {
        command = command.arg("--debug");
    }
    let word = if params.dry().is_some() { "pretending to take" } else { "taking" };
    context.console().step(format_args!("{word} `{release}` out of the namespace `{namespace}`"));
    command.arg("--").arg(release).relay_stdout().run().await?.success().map(|_| ())
}

/// Takes the namespace away, and waits until it is gone.
async fn delete_namespace(target: &Target<'_>) -> Result<()> {
    let Target { context, kubernetes, params, namespace, .. } = target;
    let asked = |verb| Asked { api: CORE, kind: "namespaces", namespace: "", verb };
    let uid = async || -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Object {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            uid: String,
        }
        let answer = match kubernetes.read(asked("get"), Some(namespace), &[], "application/json").await {
            Err(error) if is_gone(&error) => return Ok(None),
            answer => answer?,
        };
        let object: Object = serde_json::from_slice(&answer.bytes(LARGEST).await?)
            .map_err(|_| anyhow!("the API server's answer is no namespace"))?;
        Ok(Some(object.metadata.uid))
    };
    let Some(its) = uid().await? else {
        context.console().step(format_args!("there is no namespace `{namespace}`"));
        return Ok(());
    };
    let others = target.records().releases().await?;
    if !others.is_empty() {
        let others = others.join("`, `");
        context.console().warn(format_args!("other releases go with the namespace `{namespace}`: `{others}`"));
    }
    context.console().step(format_args!("taking the namespace `{namespace}` away, with everything in it"));
    let deleted = kubernetes.delete(asked("delete"), namespace, &its).await;
    match deleted {
        Err(error) if is_gone(&error) => return Ok(()),
        deleted => deleted?,
    }
    let limit = params.span();
    let deadline = Instant::now() + limit;
    while uid().await?.as_ref() == Some(&its) {
        if Instant::now() > deadline {
            return Err(anyhow!("the namespace `{namespace}` is not gone after {}", span::words(limit)))
                .hint("something in it has a finalizer that nobody attends to; `timeout` says how long to wait");
        }
        context.interrupt().sleep(PAUSE).await?;
    }
    Ok(())
}
