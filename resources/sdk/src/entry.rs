//! From the process's start to its exit code: who is called, by what name, with what on standard input.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::{Arg, Command as Clap, value_parser};
use serde::Serialize;
use serde_json::Value;

use crate::build_metadata::BuildMetadata;
use crate::console::{Colour, Console};
use crate::context::Context;
use crate::error::{Advise as _, Error, Interrupted, Result};
use crate::redactor::Redactor;
use crate::request::{Params, Request, Verb, decode, program, read_stdin};
use crate::resource::Resource;
use crate::resource_type::ResourceType;
use crate::{core_dump, watchdog};

/// The `main` of a resource type's binary: the whole protocol, for the verb that the binary is called for.
///
/// The verb is told by the name that the binary is called by (`check`, `in`, `out`: links in `/opt/resource`) or by a
/// sub-command (`check`, `in` or `get`, `out` or `put`).
pub fn main<R: Resource>() -> ExitCode {
    core_dump::forbid();
    let arguments: Vec<OsString> = env::args_os().collect();
    let kind = ResourceType::of::<R>();
    if let Some(code) = serve_companion(&[kind]) {
        return code;
    }
    match called_for(&kind, arguments) {
        Ok((verb, directory)) => kind.serve_stdin(verb, directory),
        Err(Refused::Usage(error)) => {
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
        }
        Err(Refused::Name(error)) => {
            console().error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Does a companion's work when this process was called by a companion's name; `None` when it was not.
pub fn serve_companion(kinds: &[ResourceType]) -> Option<ExitCode> {
    let mut arguments = env::args_os();
    let program = PathBuf::from(arguments.next()?);
    let name = program.file_name()?.to_str()?;
    let companion = kinds.iter().flat_map(ResourceType::companions).find(|companion| companion.name == name)?;
    Some(companion.serve(&program, arguments.collect()).unwrap_or_else(|error| {
        console().error(&error);
        ExitCode::FAILURE
    }))
}

/// Where the request comes from.
pub(crate) enum Input {
    Stdin,
    Bytes(Vec<u8>),
}

/// Why there is no verb to serve.
enum Refused {
    Usage(clap::Error),
    Name(Error),
}

fn called_for(kind: &ResourceType, arguments: Vec<OsString>) -> Result<(Verb, Option<PathBuf>), Refused> {
    let path = arguments.first().map(PathBuf::from).unwrap_or_default();
    let verb = match path.file_name().and_then(OsStr::to_str) {
        Some("check") => Verb::Check,
        Some("in") => Verb::Get,
        Some("out") => Verb::Put,
        // A link of another name in the directory that Concourse looks in is a mistake in an image.
        Some(name) if path.parent().is_some_and(|parent| parent.ends_with("opt/resource")) => {
            return Err(Refused::Name(anyhow!("called as `{name}`, expected `check`, `in` or `out`")));
        }
        _ => return sub_command(kind, arguments).map_err(Refused::Usage),
    };
    Ok((verb, arguments.get(1).map(PathBuf::from)))
}

fn sub_command(kind: &ResourceType, arguments: Vec<OsString>) -> Result<(Verb, Option<PathBuf>), clap::Error> {
    let directory = |help: &'static str| {
        Arg::new("directory").value_name("DIRECTORY").required(true).value_parser(value_parser!(PathBuf)).help(help)
    };
    let clap = Clap::new(format!("jetway-{}", kind.name()))
        .version(kind.release())
        .about(kind.about())
        .long_about(format!(
            "{}\n\nReads a request, one JSON object, on standard input and answers with JSON on standard output, as \
             Concourse's resource types do. Messages for people go to standard error.",
            kind.about()
        ))
        .after_help(format!(
            "Example:\n  echo '{{\"source\": {{...}}}}' | jetway-{} check\n\nCalled by the name check, in or out (a \
             link), it does that verb at once.",
            kind.name()
        ))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Clap::new("check").about("List the versions from a given one on, oldest first"))
        .subcommand(
            Clap::new("in")
                .visible_alias("get")
                .about("Fetch a version into a directory")
                .arg(directory("Where to put it: an empty directory, made when it is not there")),
        )
        .subcommand(
            Clap::new("out")
                .visible_alias("put")
                .about("Make a new version from what is in a directory")
                .arg(directory("The directory that holds the inputs by name")),
        );
    let mut matches = clap.try_get_matches_from(arguments)?;
    let Some((name, mut matches)) = matches.remove_subcommand() else {
        return Err(clap::Error::new(clap::error::ErrorKind::MissingSubcommand));
    };
    let verb = match name.as_str() {
        "check" => return Ok((Verb::Check, None)),
        "in" => Verb::Get,
        _ => Verb::Put,
    };
    Ok((verb, matches.remove_one("directory")))
}

/// A console on standard error, for what is said outside of a verb.
pub fn console() -> Console {
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || env::var_os("TERM").is_some_and(|term| term == "dumb");
    let colour = if plain { Colour::Never } else { Colour::Always };
    Console::new(std::io::stderr(), Redactor::default(), colour)
}

/// Serves one verb of one type to its end, clean-up included; the response goes to standard output.
pub(crate) fn serve<R: Resource>(verb: Verb, input: Input, directory: Option<PathBuf>, temporary: PathBuf) -> ExitCode {
    match perform::<R, ()>(verb, input, directory, temporary, |answer, stdout| stdout.write(&answer)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

/// The same, but the response is handed back. Standard output is as it was before when this returns.
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
    let context = Context::new(BuildMetadata::from_environment(), console(), temporary).for_type(R::NAME, R::RELEASE);
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

/// Does the work to its end, or to that of the process by a signal.
pub(crate) fn block_on<T>(context: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    watchdog::start(context, runtime.handle().clone());
    let outcome = runtime.block_on(until_signal(context, work));
    // A read of standard input may still wait on its thread; nothing is lost with it.
    runtime.shutdown_background();
    outcome
}

/// Lets the work end by itself after a signal, since every wait in it ends then, but not for long.
async fn until_signal<T>(context: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::pin!(work);
    let interrupted = tokio::select! {
        // First, so that a signal is heard from before the work's first step on: unheard, it would leave secrets behind.
        biased;
        interrupted = context.interrupt().listen() => interrupted.context("cannot listen for signals")?,
        outcome = &mut work => return outcome,
    };
    let grace = context.interrupt().grace();
    if let Ok(outcome) = tokio::time::timeout(grace, work).await {
        return outcome;
    }
    let seconds = grace.as_secs_f32();
    Err(Error::new(interrupted).context(format!("the work did not stop within {seconds} s")))
}

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
                return Err(anyhow!("the directory of the inputs, `{}`, is not there", inputs.display()));
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

/// Makes the destination of a get when it is not there, and refuses one that has something in it.
fn prepare_destination(destination: &Path) -> Result<()> {
    if destination.exists() && !destination.is_dir() {
        return Err(anyhow!("the destination `{}` is not a directory", destination.display()));
    }
    std::fs::create_dir_all(destination)
        .with_context(|| format!("cannot make the destination `{}`", destination.display()))?;
    crate::unfinished::remove_abandoned(destination)
        .with_context(|| format!("cannot remove from `{}` what a get left that was killed", destination.display()))?;
    let mut entries = std::fs::read_dir(destination)
        .with_context(|| format!("cannot read the destination `{}`", destination.display()))?;
    if entries.next().is_some() {
        return Err(anyhow!("the destination `{}` is not empty", destination.display()));
    }
    Ok(())
}

/// A version as it goes over the wire: a map of strings, and never empty, since Concourse refuses anything else with a
/// message that helps nobody.
fn version_map<V: Serialize>(version: &V) -> Result<Value> {
    let value = serde_json::to_value(version).context("cannot write the version")?;
    let is_map_of_text =
        value.as_object().is_some_and(|entries| !entries.is_empty() && entries.values().all(Value::is_string));
    if is_map_of_text { Ok(value) } else { Err(anyhow!("a version must be a map of strings that is not empty")) }
}

fn response_map<V: Serialize>(version: &V, metadata: &[crate::resource::Metadata]) -> Result<Value> {
    Ok(serde_json::json!({ "version": version_map(version)?, "metadata": metadata }))
}

/// Standard output, set aside so that nothing but the response can reach it: what a child or a library prints there
/// from now on goes to standard error.
struct StdoutGuard {
    stdout: File,
}

impl StdoutGuard {
    fn take() -> Result<Self> {
        let set_aside = || {
            let stdout = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3)?;
            rustix::stdio::dup2_stdout(std::io::stderr())?;
            Ok::<_, rustix::io::Errno>(stdout)
        };
        let stdout = set_aside().context("cannot set standard output aside")?;
        Ok(Self { stdout: File::from(stdout) })
    }

    fn write(&mut self, answer: &Value) -> Result<()> {
        let mut text = answer.to_string();
        text.push('\n');
        self.stdout.write_all(text.as_bytes()).context("cannot write the response to standard output")
    }
}

impl Drop for StdoutGuard {
    /// A program that asks first and serves then needs its standard output back.
    fn drop(&mut self) {
        // What was printed without a line's end is still in the library's buffer, and must not follow the response.
        let _ = std::io::stdout().flush();
        let _ = rustix::stdio::dup2_stdout(&self.stdout);
    }
}

/// A panic is a bug of ours, but even then no secret may stay on disk and no half-made answer may look like a success.
fn clean_up_on_panic(context: &Context) {
    let console = context.console().clone();
    let private = context.private_directory().clone();
    std::panic::set_hook(Box::new(move |panic| {
        console.error(&anyhow!("{panic}").context("this is a bug in jetway, please report it"));
        private.remove();
        // Unwinding would leave the exit code to chance and aborting would leave a memory image with secrets in it.
        #[allow(clippy::exit)]
        std::process::exit(70);
    }));
}
