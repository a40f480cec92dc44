//! Uninstalls a release by helm, and deletes its namespace by the API if `delete_namespace` is set.

mod reason;

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Finished, Interrupted, Response, Result};
use jiff::Timestamp;
use serde::Deserialize;

use super::advice;
use super::dry_run;
use super::hook_output::{self, Hooks};
use super::recovery::{self, Operation};
use super::waiting;
use crate::chart::Chart;
use crate::cluster::kubernetes::{ApiResource, CORE, is_not_found};
use crate::diagnosis::{self, Logs};
use crate::params::duration;
use crate::params::wait::Strategy;
use crate::target::Target;
use crate::version::Version;

/// The pause between two reads of a namespace that is being deleted.
const PAUSE: Duration = Duration::from_millis(500);

/// The maximum size of a namespace object, in bytes.
const MAX_RESPONSE_BYTES: u64 = 1024 * 1024;

/// Uninstalls the release. It is no error that it does not exist.
pub(crate) async fn put(target: &Target<'_>) -> Result<Response<Version>> {
    let Target { context, helm, params, release, namespace, .. } = target;
    // helm itself would uninstall a release during another operation's deploy. It continues an unfinished uninstall.
    let mut records = target.records().list(release).await?;
    if params.dry_run_kind().is_none()
        && records.last().is_some_and(|newest| newest.is_pending() && !newest.is_uninstalling())
    {
        records = recovery::unlocked_records(target).await?;
    }
    if let Some(newest) = records.last() {
        let waits = params.check_is_ready || params.given_strategy().is_some();
        let options = if waits { waiting::options(helm, params.given_strategy()).await? } else { Vec::new() };
        uninstall(target, newest.revision, &options).await?;
    } else {
        context.console().step(format_args!("there is no release `{release}` in the namespace `{namespace}`"));
    }
    if params.dry_run_kind().is_some() {
        return Ok(Response::new(Version::of_dry_run()));
    }
    if params.delete_namespace {
        delete_namespace(target).await?;
    }
    let version = Version { uninstalled: Some("true".to_owned()), ..Version::of_release(release) };
    Ok(Response::new(target.in_namespace(version)).with("release", release))
}

/// Uninstalls the release for `replace`, if a dry run of the new one succeeds.
pub(crate) async fn uninstall_for_replacement(target: &Target<'_>, chart: &Chart) -> Result<()> {
    let Target { helm, params, release, .. } = target;
    if target.records().list(release).await?.is_empty() {
        return Ok(());
    }
    dry_run::check(target, chart).await.with_context(|| format!("`{release}` was not replaced, and is unchanged"))?;
    // Another operation may have started during the dry run.
    let records = recovery::unlocked_records(target).await?;
    let Some(newest) = records.last() else { return Ok(()) };
    // Waits whatever `wait` says, so that old and new objects do not conflict.
    let strategy = params.given_strategy().filter(|strategy| *strategy != Strategy::None);
    uninstall(target, newest.revision, &waiting::options(helm, strategy).await?).await
}

/// Uninstalls the release if its latest revision is `newest`, without waiting until its objects are gone.
pub(crate) async fn without_waiting(target: &Target<'_>, newest: u64) -> Result<()> {
    uninstall(target, newest, &[]).await
}

async fn uninstall(target: &Target<'_>, newest: u64, options: &[&str]) -> Result<()> {
    let Target { context, helm, params, release, namespace, .. } = target;
    let timeout = duration::argument(params.step_timeout());
    let mut command = helm.command("uninstall").arg(format!("--namespace={namespace}"));
    command = command.arg(format!("--timeout={timeout}")).args(options);
    if params.dry_run_kind().is_some() {
        command = command.arg("--dry-run");
    }
    // Without this option, helm does not print why it could not delete a release.
    command = command.arg("--debug");
    let word = if params.dry_run_kind().is_some() { "dry run: uninstalling" } else { "uninstalling" };
    context.console().step(format_args!("{word} `{release}` from the namespace `{namespace}`"));
    let began = Timestamp::now();
    // helm itself reports a record that cannot be read.
    let removed = match params.dry_run_kind() {
        None => target.records().read(release, newest).await.ok().flatten(),
        Some(_) => None,
    };
    let command = command.arg("--").arg(release);
    let command = if params.debug { command.relay_stdout() } else { command.quiet() };
    let finished = match &removed {
        Some(removed) => hook_output::run_and_show(target, Hooks::Removal(removed), Box::pin(command.run())).await,
        None => command.run().await,
    };
    let finished =
        finished.map(|finished| if params.debug { finished } else { without_debug_output(context, finished) });
    match finished {
        Ok(finished) if finished.is_success() => Ok(()),
        Ok(finished) if params.dry_run_kind().is_some() => Err(advice::helm_error(&finished, None)),
        Ok(finished) => {
            // A failed hook leaves the release `uninstalling` for ever.
            let how = recovery::describe_exit(&finished);
            recovery::release_own_lock_or_warn(target, newest, Operation::Uninstall, &how).await?;
            diagnosis::show_all(target, began, Logs::All).await?;
            Err(advice::helm_error(&finished, None))
        }
        Err(error) if Interrupted::caused(&error) => {
            let kubernetes = target.kubernetes.after_interrupt()?;
            let _ =
                recovery::release_own_lock(target, &kubernetes, newest, Operation::Uninstall, "was terminated").await;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// Shows helm's output, and removes the debug output from it and from the result.
fn without_debug_output(context: &Context, mut finished: Finished) -> Finished {
    finished.stderr = reason::without_debug_output(&finished.stderr);
    let (messages, stderr) = (finished.text(), &finished.stderr);
    for line in messages.lines().chain(stderr.lines()) {
        context.console().relay(line);
    }
    finished
}

/// Deletes the namespace, and waits until it is gone.
async fn delete_namespace(target: &Target<'_>) -> Result<()> {
    let Target { context, kubernetes, params, namespace, .. } = target;
    let resource = |verb| ApiResource { api: CORE, kind: "namespaces", namespace: "", verb };
    let uid = async || -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Object {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            uid: String,
        }
        let answer = match kubernetes.read(resource("get"), Some(namespace), &[], "application/json").await {
            Err(error) if is_not_found(&error) => return Ok(None),
            answer => answer?,
        };
        let object: Object = serde_json::from_slice(&answer.bytes(MAX_RESPONSE_BYTES).await?)
            .map_err(|_| anyhow!("the API server's response is not a namespace"))?;
        Ok(Some(object.metadata.uid))
    };
    let Some(namespace_uid) = uid().await? else {
        context.console().step(format_args!("there is no namespace `{namespace}`"));
        return Ok(());
    };
    let others = target.records().release_names().await?;
    if !others.is_empty() {
        let others = others.join("`, `");
        context.console().warn(format_args!("other releases are deleted with the namespace `{namespace}`: `{others}`"));
    }
    context.console().step(format_args!("deleting the namespace `{namespace}` and everything in it"));
    let deleted = kubernetes.delete(resource("delete"), namespace, &namespace_uid).await;
    match deleted {
        Err(error) if is_not_found(&error) => return Ok(()),
        deleted => deleted?,
    }
    let limit = params.step_timeout();
    let deadline = Instant::now() + limit;
    while uid().await?.as_ref() == Some(&namespace_uid) {
        if Instant::now() > deadline {
            return Err(anyhow!("the namespace `{namespace}` still exists after {}", duration::in_words(limit)))
                .hint("an object in it may have a finalizer that is never removed; `timeout` sets how long to wait");
        }
        context.interrupt().sleep(PAUSE).await?;
    }
    Ok(())
}
