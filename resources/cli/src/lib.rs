//! The `jetway` command, a command-line tool for pipeline authors. No resource image contains it.
//!
//! A pipeline file is parsed once into values with positions (`document`, `node`, `scalar`). Vars (`reference`, `vars`) and the
//! `defaults` of resource types (`defaults`) are filled in, and the declarations are collected (`pipeline`, `steps`, `catalogue`).
//! Then the pipeline is validated (`part`, `altered`, `report`, `validate`), used to run a verb (`run`) or returned (`resolved`).

mod altered;
mod artifacts;
mod budget;
mod catalogue;
mod command;
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
mod refusals;
mod report;
mod resolved;
mod run;
mod scalar;
mod schema;
mod schema_bundle;
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
    let catalogue = Catalogue::ours();
    // Child processes of a verb run this binary under another name.
    serve_companion(catalogue.types()).unwrap_or_else(|| command::run(&catalogue))
}

/// All resource types, for tests that apply to each of them.
pub fn types() -> Vec<ResourceType> {
    Catalogue::ours().types().to_vec()
}
