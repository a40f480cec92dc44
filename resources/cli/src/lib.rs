//! The `jetway` command, a command-line tool for pipeline authors. No resource image contains it.
//!
//! How a pipeline file is processed:
//!
//! 1. `document`, `node` and `scalar` parse it into values with positions.
//! 2. `reference` and `vars` replace vars, and `defaults` merges the defaults of resource types.
//! 3. `pipeline`, `steps` and `catalogue` collect the declarations.
//! 4. `part`, `altered`, `report` and `validate` validate the pipeline, `run` runs a verb, or `resolved` returns the values.

mod artifacts;
mod budget;
mod catalogue;
mod command;
mod converted_values;
mod declared;
mod defaults;
mod document;
#[cfg(test)]
mod example;
mod given;
mod location;
mod node;
mod number;
mod part;
mod pipeline;
mod position;
mod print;
mod reference;
mod report;
mod resolved;
mod run;
mod scalar;
mod schema;
mod schema_bundle;
mod set_pipeline_errors;
mod steps;
mod type_schema;
mod validate;
mod vars;

use std::process::ExitCode;

use jetway::{ResourceType, serve_companion};

use crate::catalogue::Catalogue;
pub use crate::resolved::resolved;

/// The `main` of the `jetway` command.
pub fn main() -> ExitCode {
    let catalogue = Catalogue::jetway();
    // Child processes of a verb run this binary under another name.
    serve_companion(catalogue.types()).unwrap_or_else(|| command::run(&catalogue))
}

/// All resource types, for tests that apply to each of them.
pub fn types() -> Vec<ResourceType> {
    Catalogue::jetway().types().to_vec()
}
