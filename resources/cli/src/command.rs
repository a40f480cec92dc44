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

/// Runs Jetway's resource types from a pipeline file, and validates pipelines.
///
/// It does not connect to Concourse: a verb runs on this machine, as on a worker, with the source and the params of the pipeline.
#[derive(Debug, Parser)]
#[command(name = "jetway", version, verbatim_doc_comment, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the versions of a resource since a given version, oldest first
    Check {
        #[command(flatten)]
        resource: ResourceArguments,
        #[command(flatten)]
        version: VersionArguments,
    },

    /// Fetch a version of a resource into a directory
    ///
    /// Without `--version`, fetches the version that the pipeline pins, or else the newest version that a check finds.
    /// With `--job`, uses the params of the job's get step.
    #[command(visible_alias = "in", verbatim_doc_comment)]
    Get {
        #[command(flatten)]
        resource: ResourceArguments,
        #[command(flatten)]
        step: StepArguments,
        #[command(flatten)]
        version: VersionArguments,
        /// The target: an empty directory, created if it does not exist
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },

    /// Create a new version of a resource from the inputs in a directory
    ///
    /// With `--job`, uses the params of the job's put step.
    #[command(visible_alias = "out", verbatim_doc_comment)]
    Put {
        #[command(flatten)]
        resource: ResourceArguments,
        #[command(flatten)]
        step: StepArguments,
        /// The directory with the step's inputs, one subdirectory for each
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },

    /// Find mistakes in pipelines, with line and column
    ///
    /// Ignores resources of other types. Vars without a value are allowed anywhere; vars with a value are interpolated
    /// first. The exit code is 0 without problems, 1 with problems, and 2 if a file cannot be read.
    #[command(verbatim_doc_comment)]
    Validate(ValidateArguments),

    /// Print the JSON Schema of a type, list the types, or write all schemas
    Schema(SchemaArguments),
}

const EXAMPLES: &str = "\
Examples:
  jetway validate ci.yml
      find mistakes in a pipeline before Concourse does
  jetway check --pipeline ci.yml --resource repo --var deploy_key=@key.pem
      print the newest version, as Concourse would find it
  jetway get --pipeline ci.yml --resource repo --version ref=4f1b2c3 checkout
      fetch that version into the directory `checkout`
  jetway put --pipeline ci.yml --resource repo --job release --load-vars-from vars.yml inputs
      run the put step of job `release`; `inputs` has a directory for each input
  jetway schema --all schemas
      write schemas for editors: a file for each type, and `pipeline.json` for pipelines

Responses go to standard output, messages to standard error. Set vars as for `fly set-pipeline`;
`--var NAME=@FILE` also sets a var to the exact content of a file.";

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
    fn arguments_do_not_conflict() {
        Arguments::command().debug_assert();
    }
}
