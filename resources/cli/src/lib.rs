//! The `jetway` command: what people need beside the resource types themselves, and no image does.
//!
//! A pipeline file is read once, into values with positions (`document`, `node`, `scalar`); vars are filled in
//! (`reference`, `vars`), and what types give to their resources (`defaults`); what it declares is found (`pipeline`, `steps`, `catalogue`); and then it is held
//! against the types (`part`, `altered`, `report`, `validate`), one verb is run from it (`run`), or it is handed on (`resolved`).

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
    // A verb's children call this program back by another name.
    serve_companion(catalogue.types()).unwrap_or_else(|| command::run(&catalogue))
}

/// Every resource type that there is, for what must be true of each of them.
pub fn types() -> Vec<ResourceType> {
    Catalogue::ours().types().to_vec()
}
