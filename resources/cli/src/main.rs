//! The `jetway` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    jetway_cli::main()
}
