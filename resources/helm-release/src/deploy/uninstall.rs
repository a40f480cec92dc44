//! The end of a release: helm takes away what belongs to it, and the API its namespace, when that is wanted.

mod reason;

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Finished, Interrupted, Response, Result};
use jiff::Timestamp;
use serde::Deserialize;

use super::advice;
use super::dry_run;
use super::hook_output::{self, Hooks};
use super::recovery::{self, Work};
use super::waiting;
use crate::chart::Chart;
use crate::cluster::kubernetes::{Asked, CORE, is_gone};
use crate::diagnosis::{self, Logs};
use crate::params::duration;
use crate::params::wait::Strategy;
use crate::target::Target;
use crate::version::Version;

/// How long to wait before looking again whether a namespace is gone.
const PAUSE: Duration = Duration::from_millis(500);

/// The largest namespace, in bytes, as an object.
const LARGEST: u64 = 1024 * 1024;

/// Takes the release away. One that is not there is no failure.
pub(crate) async fn put(target: &Target<'_>) -> Result<Response<Version>> {
    let Target { context, helm, params, release, namespace, .. } = target;
    // Helm itself would take a release away under the hands of somebody who deploys it. Where it was to be taken away already, it
    // goes on with that.
    let mut records = target.records().of(release).await?;
    if params.dry().is_none() && records.last().is_some_and(|newest| newest.is_pending() && !newest.is_going()) {
        records = recovery::unlocked(target).await?;
    }
    if let Some(newest) = records.last() {
        let waits = params.check_is_ready || params.given_strategy().is_some();
        let options = if waits { waiting::options(helm, params.given_strategy()).await? } else { Vec::new() };
        remove(target, newest.revision, &options).await?;
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
    let Target { helm, params, release, .. } = target;
    if target.records().of(release).await?.is_empty() {
        return Ok(());
    }
    dry_run::try_out(target, chart)
        .await
        .with_context(|| format!("`{release}` was not replaced, and stays as it is"))?;
    // That took a while, in which somebody else may have begun.
    let records = recovery::unlocked(target).await?;
    let Some(newest) = records.last() else { return Ok(()) };
    // What comes must not meet what goes, whatever is waited for afterwards.
    let strategy = params.given_strategy().filter(|strategy| *strategy != Strategy::None);
    remove(target, newest.revision, &waiting::options(helm, strategy).await?).await
}

/// Takes the release away whose newest revision that is, and does not wait until its objects are gone.
pub(crate) async fn without_waiting(target: &Target<'_>, newest: u64) -> Result<()> {
    remove(target, newest, &[]).await
}

async fn remove(target: &Target<'_>, newest: u64, options: &[&str]) -> Result<()> {
    let Target { context, helm, params, release, namespace, .. } = target;
    let timeout = duration::argument(params.step_timeout());
    let mut command = helm.command("uninstall").arg(format!("--namespace={namespace}"));
    command = command.arg(format!("--timeout={timeout}")).args(options);
    if params.dry().is_some() {
        command = command.arg("--dry-run");
    }
    // Without it, helm does not say why it could not delete a release.
    command = command.arg("--debug");
    let word = if params.dry().is_some() { "pretending to take" } else { "taking" };
    context.console().step(format_args!("{word} `{release}` out of the namespace `{namespace}`"));
    let began = Timestamp::now();
    // helm itself says what is wrong with a record that cannot be read.
    let its = match params.dry() {
        None => target.records().read(release, newest).await.ok().flatten(),
        Some(_) => None,
    };
    let command = command.arg("--").arg(release);
    let command = if params.debug { command.relay_stdout() } else { command.quiet() };
    let finished = match &its {
        Some(its) => hook_output::during(target, Hooks::Removal(its), Box::pin(command.run())).await,
        None => command.run().await,
    };
    let finished =
        finished.map(|finished| if params.debug { finished } else { without_debug_output(context, finished) });
    match finished {
        Ok(finished) if finished.is_success() => Ok(()),
        Ok(finished) if params.dry().is_some() => Err(advice::failure(&finished, None)),
        Ok(finished) => {
            // A hook of the chart that fails is enough for helm to leave it half done, for ever.
            let how = recovery::how(&finished);
            recovery::settle_or_warn(target, newest, Work::Uninstall, &how).await?;
            diagnosis::full(target, began, Logs::All).await?;
            Err(advice::failure(&finished, None))
        }
        Err(error) if Interrupted::caused(&error) => {
            let kubernetes = target.kubernetes.after_interrupt()?;
            let _ = recovery::settle(target, &kubernetes, newest, Work::Uninstall, "was ended").await;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// Shows what helm has said but its debug output, which is gone from the result, too.
fn without_debug_output(context: &Context, mut finished: Finished) -> Finished {
    finished.stderr = reason::without_debug_output(&finished.stderr);
    let (said, stderr) = (finished.text(), &finished.stderr);
    for line in said.lines().chain(stderr.lines()) {
        context.console().relay(line);
    }
    finished
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
    let limit = params.step_timeout();
    let deadline = Instant::now() + limit;
    while uid().await?.as_ref() == Some(&its) {
        if Instant::now() > deadline {
            return Err(anyhow!("the namespace `{namespace}` is not gone after {}", duration::in_words(limit)))
                .hint("something in it has a finalizer that nobody attends to; `timeout` says how long to wait");
        }
        context.interrupt().sleep(PAUSE).await?;
    }
    Ok(())
}
