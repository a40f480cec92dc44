//! The entry points of a process: the `main` of a resource type's binary, and its companions.

mod arguments;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use self::arguments::{NoVerb, requested_verb};
use crate::console::stderr_console;
use crate::core_dump;
use crate::resource::Resource;
use crate::resource_type::ResourceType;

/// The `main` of a resource type's binary: serves one verb, from reading the request to the exit code.
///
/// The verb is the name that the binary is called by (`check`, `in`, `out`: links in `/opt/resource`), or else a sub-command
/// (`check`, `in` or `get`, `out` or `put`).
pub fn main<R: Resource>() -> ExitCode {
    core_dump::forbid();
    let arguments: Vec<OsString> = env::args_os().collect();
    let kind = ResourceType::of::<R>();
    if let Some(code) = serve_companion(&[kind]) {
        return code;
    }
    match requested_verb(&kind, arguments) {
        Ok((verb, directory)) => kind.serve_stdin(verb, directory),
        Err(NoVerb::Usage(error)) => {
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
        }
        Err(NoVerb::Name(error)) => {
            stderr_console().error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs the companion that this process was called as; `None` if it was called by another name. A program that knows several
/// types calls this first.
pub fn serve_companion(kinds: &[ResourceType]) -> Option<ExitCode> {
    let mut arguments = env::args_os();
    let program = PathBuf::from(arguments.next()?);
    let name = program.file_name()?.to_str()?;
    let companion = kinds.iter().flat_map(ResourceType::companions).find(|companion| companion.name == name)?;
    Some(companion.serve(&program, arguments.collect()).unwrap_or_else(|error| {
        stderr_console().error(&error);
        ExitCode::FAILURE
    }))
}
