//! Determines the verb from the arguments.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Arg, Command as Clap, value_parser};

use crate::error::{Error, Result};
use crate::resource_type::ResourceType;
use crate::verb::Verb;

/// The reason why no verb is run.
pub(super) enum NoVerb {
    /// The usage is wrong, or help was requested.
    Usage(clap::Error),
    /// The binary was called by a wrong name.
    Name(Error),
}

/// Determines the verb and its directory from the arguments.
pub(super) fn requested_verb(kind: &ResourceType, arguments: Vec<OsString>) -> Result<(Verb, Option<PathBuf>), NoVerb> {
    let path = arguments.first().map(PathBuf::from).unwrap_or_default();
    let verb = match path.file_name().and_then(OsStr::to_str) {
        Some("check") => Verb::Check,
        Some("in") => Verb::Get,
        Some("out") => Verb::Put,
        // Concourse runs only three names in this directory: any other link there is a mistake in the image.
        Some(name) if path.parent().is_some_and(|parent| parent.ends_with("opt/resource")) => {
            return Err(NoVerb::Name(anyhow!("called as `{name}`, expected `check`, `in` or `out`")));
        }
        _ => return sub_command(kind, arguments).map_err(NoVerb::Usage),
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
            "{}\n\nReads a request (one JSON object) from standard input and writes the response as JSON to standard output, \
             as Concourse's resource types do. Messages go to standard error.",
            kind.about()
        ))
        .after_help(format!(
            "Example:\n  echo '{{\"source\": {{...}}}}' | jetway-{} check\n\nIf it is called by the name `check`, `in` or \
             `out` (a link), it runs that verb.",
            kind.name()
        ))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Clap::new("check").about("List the versions since a given one, oldest first"))
        .subcommand(
            Clap::new("in")
                .visible_alias("get")
                .about("Fetch a version into a directory")
                .arg(directory("The destination: an empty directory, created if it does not exist")),
        )
        .subcommand(
            Clap::new("out")
                .visible_alias("put")
                .about("Create a new version from the inputs in a directory")
                .arg(directory("The directory with the step's inputs, each in a directory of its name")),
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
