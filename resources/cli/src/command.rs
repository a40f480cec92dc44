//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use jetway::{Result, Verb, stderr_console};

use crate::catalogue::Catalogue;
use crate::run::{Call, ResourceArguments, StepArguments, VersionArguments};
use crate::schema::SchemaArguments;
use crate::validate::ValidateArguments;
use crate::{schema, validate};

/// Jetway's resource types at a terminal: run them from a pipeline file, and find mistakes in one.
///
/// Nothing here talks to Concourse: a verb runs on this machine, just as a worker would run it, with
/// the source and the params that the pipeline has.
#[derive(Debug, Parser)]
#[command(name = "jetway", version, verbatim_doc_comment, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the versions of a resource from a given one on, oldest first
    Check {
        #[command(flatten)]
        resource: ResourceArguments,
        #[command(flatten)]
        version: VersionArguments,
    },

    /// Fetch a version of a resource into a directory
    ///
    /// Without `--version` it is the version that the pipeline pins, or else the newest one that a check
    /// finds. Params come from the get step of a job, with `--job`.
    #[command(visible_alias = "in", verbatim_doc_comment)]
    Get {
        #[command(flatten)]
        resource: ResourceArguments,
        #[command(flatten)]
        step: StepArguments,
        #[command(flatten)]
        version: VersionArguments,
        /// Where to put it: an empty directory, made when it is not there
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },

    /// Make a new version of a resource from what is in a directory
    ///
    /// Params come from the put step of a job, with `--job`.
    #[command(visible_alias = "out", verbatim_doc_comment)]
    Put {
        #[command(flatten)]
        resource: ResourceArguments,
        #[command(flatten)]
        step: StepArguments,
        /// The directory that holds the step's inputs by name
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },

    /// Find mistakes in pipelines, with line and column
    ///
    /// Resources of other types are passed over. A var may stand anywhere; those that are given are filled
    /// in first. The exit code is 0 when all is well, 1 when there are problems, and 2 when a file cannot
    /// be used.
    #[command(verbatim_doc_comment)]
    Validate(ValidateArguments),

    /// Print the JSON Schema of a type, list the types, or write all schemas
    Schema(SchemaArguments),
}

const EXAMPLES: &str = "\
Examples:
  jetway validate ci.yml
      what is wrong with a pipeline, before Concourse tells
  jetway check --pipeline ci.yml --resource repo --var deploy_key=@key.pem
      the newest version, as Concourse would see it
  jetway get --pipeline ci.yml --resource repo --version ref=4f1b2c3 checkout
      that version, in the directory `checkout`
  jetway put --pipeline ci.yml --resource repo --job release --load-vars-from vars.yml inputs
      what the step of job `release` would put; `inputs` holds a directory for each input
  jetway schema --all schemas
      for an editor: a file for each type, and `pipeline.json` for pipelines

Responses go to standard output, messages to standard error. Vars are given as for `fly set-pipeline`;
`--var NAME=@FILE` also takes a file's content, as it is.";

/// Parses the arguments and runs the command.
pub(crate) fn run(catalogue: &Catalogue) -> ExitCode {
    let types = schema::listing(catalogue).lines().fold("Types:\n".to_owned(), |text, line| text + "  " + line + "\n");
    let command = Arguments::command().after_help(format!("{types}\n{EXAMPLES}"));
    let parsed = command.try_get_matches().and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let console = stderr_console();
    let no_step = StepArguments::default();
    let no_version = VersionArguments::default();
    let success = |outcome: Result<()>| outcome.map(|()| ExitCode::SUCCESS);
    let (outcome, failure) = match &arguments.command {
        Command::Validate(arguments) => (validate::run(arguments, catalogue), ExitCode::from(2)),
        Command::Schema(arguments) => (success(schema::run(arguments, catalogue)), ExitCode::from(2)),
        Command::Check { resource, version } => {
            let call = Call { verb: Verb::Check, resource, step: &no_step, version, directory: None };
            (call.run(catalogue, &console), ExitCode::FAILURE)
        }
        Command::Get { resource, step, version, directory } => {
            let call = Call { verb: Verb::Get, resource, step, version, directory: Some(directory.clone()) };
            (call.run(catalogue, &console), ExitCode::FAILURE)
        }
        Command::Put { resource, step, directory } => {
            let directory = Some(directory.clone());
            let call = Call { verb: Verb::Put, resource, step, version: &no_version, directory };
            (call.run(catalogue, &console), ExitCode::FAILURE)
        }
    };
    outcome.unwrap_or_else(|error| {
        console.error(&error);
        failure
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_arguments_are_in_each_others_way() {
        Arguments::command().debug_assert();
    }
}
