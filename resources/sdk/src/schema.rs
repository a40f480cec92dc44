//! Reads untyped values by a JSON Schema. Only this module knows how pipelines write values.
//!
//! Serde stops at the first mistake and accepts only the JSON type that a field has. A pipeline's author makes several mistakes
//! at once, and YAML and interpolation change scalars: `"true"` for a flag, `1.10` for text, `"3"` for a number. So a value is
//! first read by the schema of its type: this collects every problem, converts every scalar to the expected type, and collects
//! every secret. Serde then decodes the result without errors.

mod misspelling;
pub(crate) mod problem;
mod reader;
pub(crate) mod shape;
mod suggestion;
mod trim;
mod vars;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

pub(crate) use reader::{Leniency, Reading, Vars, read};
pub use suggestion::nearest;

/// The schema of `T`. Its `$defs` contain the types that it refers to.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    let schema: Schema = settings.into_generator().into_root_schema_for::<T>();
    schema.to_value()
}
