//! put: deploys, tests, rolls back or uninstalls the release.

use std::path::Path;

use anyhow::anyhow;
use jetway::{Context, Interrupted, Response, Result};

use crate::chart::Chart;
use crate::chart::dependencies;
use crate::chart::plugins;
use crate::chart::registries;
use crate::chart::repositories;
use crate::deploy;
use crate::deploy::diff;
use crate::deploy::dry_run;
use crate::deploy::recovery;
use crate::deploy::release_tests::{self, Verdict};
use crate::deploy::rollback;
use crate::deploy::uninstall;
use crate::get;
use crate::params::Params;
use crate::params::rollback::Rollback;
use crate::records::release::Release;
use crate::source::Source;
use crate::target::Target;
use crate::version::Version;

/// Runs the operation of the params, and returns the new revision or the version of the operation.
pub(crate) async fn put(
    context: &Context,
    source: &Source,
    params: &Params,
    inputs: &Path,
) -> Result<Response<Version>> {
    let target = Target::find(context, source, params, inputs).await?;
    match run(&target).await {
        Err(error) if Interrupted::caused(&error) => Err(deploy::interrupted_error(&target, error).await),
        done => done,
    }
}

async fn run(target: &Target<'_>) -> Result<Response<Version>> {
    let params = target.params;
    if let Some(rollback) = params.rollback.as_ref().filter(|rollback| rollback.is_wanted()) {
        return only_roll_back(target, rollback).await;
    }
    if params.uninstall {
        return uninstall::put(target).await;
    }
    let Some(chart) = &params.chart else { return only_test(target).await };
    plugins::install(target).await?;
    registries::log_in(target).await?;
    let chart = Chart::find(target, chart)?;
    repositories::write(target, &chart.directory().map(dependencies::repositories).unwrap_or_default())?;
    chart.prepare(target).await?;
    // Checked here, since helm refuses even dry runs of a locked release.
    match params.dry_run_kind() {
        Some(_) => recovery::check_unlocked(target).await?,
        None if params.show_diff || params.replace => drop(recovery::unlocked_records(target).await?),
        None => {}
    }
    if params.show_diff {
        diff::show(target, &chart).await?;
    }
    if let Some(dry) = params.dry_run_kind() {
        dry_run::deploy(target, &chart, dry).await?;
        return Ok(Response::new(Version::of_dry_run()));
    }
    if params.replace {
        uninstall::uninstall_for_replacement(target, &chart).await?;
    }
    let made = deploy::deploy(target, &chart).await?;
    Ok(response(target, &made))
}

/// Only tests the release.
async fn only_test(target: &Target<'_>) -> Result<Response<Version>> {
    let tests = target.params.test_plan().ok_or_else(|| anyhow!("there is no `chart` to deploy"))?;
    recovery::unlocked_records(target).await?;
    let release = release_tests::latest_revision(target).await?;
    if let Verdict::Failed(error) = release_tests::run(target, &tests, &release).await? {
        let what = format!("revision {} of `{}` did not pass its tests", release.version, target.release);
        return Err(deploy::error_after_rollback(target, what, error, release.version).await?);
    }
    let version = Version { tested: Some("true".to_owned()), ..Version::of_release(&target.release) };
    Ok(Response::new(target.in_namespace(version)).with("release", &target.release))
}

/// Only rolls back.
async fn only_roll_back(target: &Target<'_>, rollback: &Rollback) -> Result<Response<Version>> {
    let made = rollback::put(target, rollback).await?;
    if let Some(tests) = target.params.test_plan()
        && let Verdict::Failed(error) = release_tests::run(target, &tests, &made).await?
    {
        return Err(error.context(deploy::tests_failed(target, &made)));
    }
    Ok(response(target, &made))
}

fn response(target: &Target<'_>, made: &Release) -> Response<Version> {
    let version = target.in_namespace(Version::of_revision(&target.release, made.version));
    Response { version, metadata: get::metadata(made, &target.namespace) }
}
