//! Serves one verb of one resource type: from the request's bytes to the response.

mod stdout;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use serde_json::Value;

use self::stdout::StdoutGuard;
use crate::build_metadata::BuildMetadata;
use crate::console::stderr_console;
use crate::context::Context;
use crate::error::{Advise as _, Error, Interrupted, Result};
use crate::request::{Params, Request, decode, program, read_stdin};
use crate::resource::{Metadata, Resource};
use crate::runtime::block_on;
use crate::unfinished::remove_abandoned;
use crate::verb::Verb;

/// The source of the request.
pub(crate) enum Input {
    /// Standard input.
    Stdin,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// Serves one verb of one type, clean-up included, and writes the response to standard output.
pub(crate) fn serve<R: Resource>(verb: Verb, input: Input, directory: Option<PathBuf>, temporary: PathBuf) -> ExitCode {
    match perform::<R, ()>(verb, input, directory, temporary, |answer, stdout| stdout.write(&answer)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

/// Serves one verb of one type, clean-up included, and returns the response. Standard output is restored by then.
pub(crate) fn ask<R: Resource>(
    verb: Verb,
    input: Input,
    directory: Option<PathBuf>,
    temporary: PathBuf,
) -> Result<Value, ExitCode> {
    perform::<R, Value>(verb, input, directory, temporary, |answer, _| Ok(answer))
}

fn perform<R: Resource, T>(
    verb: Verb,
    input: Input,
    directory: Option<PathBuf>,
    temporary: PathBuf,
    deliver: impl FnOnce(Value, &mut StdoutGuard) -> Result<T>,
) -> Result<T, ExitCode> {
    let context =
        Context::new(BuildMetadata::from_environment(), stderr_console(), temporary).for_type(R::NAME, R::RELEASE);
    clean_up_on_panic(&context);
    let outcome = StdoutGuard::take().and_then(|mut stdout| {
        let work = async {
            let answer = answer::<R>(&context, verb, input, directory).await?;
            deliver(answer, &mut stdout)
        };
        block_on(&context, work)
    });
    context.private_directory().remove();
    outcome.map_err(|error| {
        context.console().error(&error);
        let interrupted = error.chain().find_map(|cause| cause.downcast_ref::<Interrupted>());
        interrupted.map_or(ExitCode::FAILURE, |interrupted| ExitCode::from(128 + interrupted.number))
    })
}

/// Decodes the request, runs the verb, and returns the response.
async fn answer<R: Resource>(context: &Context, verb: Verb, input: Input, directory: Option<PathBuf>) -> Result<Value> {
    let bytes = match input {
        Input::Bytes(bytes) => bytes,
        Input::Stdin => {
            let program = format!("jetway-{} {}", R::NAME, verb.name());
            let read = tokio::task::spawn_blocking(move || read_stdin(&program));
            tokio::select! {
                bytes = read => bytes.context("cannot read the request from standard input")??,
                interrupted = context.interrupt().wait() => return Err(interrupted.into()),
            }
        }
    };
    let Request { source, version, params } = decode::<R>(verb, &bytes, context.console())?;
    drop(bytes);
    let directory = || directory.as_deref().ok_or_else(|| missing_directory::<R>(verb));
    match params {
        Params::Check => {
            let versions = R::check(context, source, version).await?;
            let versions: Result<Vec<Value>> = versions.iter().map(version_map).collect();
            Ok(Value::Array(versions?))
        }
        Params::Get(params) => {
            let destination = directory()?;
            prepare_destination(destination)?;
            let response = R::get(context, source, version, params, destination).await?;
            response_map(&response.version, &response.metadata)
        }
        Params::Put(params) => {
            let inputs = directory()?;
            if !inputs.is_dir() {
                return Err(anyhow!("the directory of the inputs `{}` does not exist", inputs.display()));
            }
            let response = R::put(context, source, params, inputs).await?;
            response_map(&response.version, &response.metadata)
        }
    }
}

fn missing_directory<R: Resource>(verb: Verb) -> Error {
    anyhow!("`{}` needs a directory as its argument", verb.name()).hint(format!(
        "usage: jetway-{} {} DIRECTORY < request.json ({})",
        R::NAME,
        verb.name(),
        program::<R>()
    ))
}

/// Creates the destination of a get if it does not exist. A destination that is not empty is an error.
fn prepare_destination(destination: &Path) -> Result<()> {
    if destination.exists() && !destination.is_dir() {
        return Err(anyhow!("the destination `{}` is not a directory", destination.display()));
    }
    std::fs::create_dir_all(destination)
        .with_context(|| format!("cannot create the destination `{}`", destination.display()))?;
    remove_abandoned(destination)
        .with_context(|| format!("cannot remove the leftovers of a killed get from `{}`", destination.display()))?;
    let mut entries = std::fs::read_dir(destination)
        .with_context(|| format!("cannot read the destination `{}`", destination.display()))?;
    if entries.next().is_some() {
        return Err(anyhow!("the destination `{}` is not empty", destination.display()));
    }
    Ok(())
}

/// A version as JSON: a map of strings that is not empty. Concourse rejects anything else with a message that does not name the
/// cause.
fn version_map<V: Serialize>(version: &V) -> Result<Value> {
    let value = serde_json::to_value(version).context("cannot convert the version to JSON")?;
    let is_map_of_text =
        value.as_object().is_some_and(|entries| !entries.is_empty() && entries.values().all(Value::is_string));
    if is_map_of_text { Ok(value) } else { Err(anyhow!("a version must be a map of strings that is not empty")) }
}

fn response_map<V: Serialize>(version: &V, metadata: &[Metadata]) -> Result<Value> {
    Ok(serde_json::json!({ "version": version_map(version)?, "metadata": metadata }))
}

/// On a panic, removes the private directory, so that no secret stays on disk, and exits with a failure.
fn clean_up_on_panic(context: &Context) {
    let console = context.console().clone();
    let private = context.private_directory().clone();
    std::panic::set_hook(Box::new(move |panic| {
        console.error(&anyhow!("{panic}").context("this is a bug in jetway, please report it"));
        private.remove();
        // Not by unwinding, whose exit code depends on the thread, and not by aborting, which may dump core with secrets in it.
        #[allow(clippy::exit)]
        std::process::exit(70);
    }));
}
