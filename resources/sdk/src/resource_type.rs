//! A resource type without its Rust types, for programs with several resource types.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::companion::Companion;
use crate::part::Part;
use crate::request::problems_of;
use crate::resource::Resource;
use crate::schema::problem::Problem;
use crate::serve::{Input, ask, serve};
use crate::unknown_keys::KeyPolicy;
use crate::verb::Verb;

type Serve = fn(Verb, Input, Option<PathBuf>, PathBuf) -> ExitCode;
type Ask = fn(Verb, Input, Option<PathBuf>, PathBuf) -> Result<Value, ExitCode>;

/// A [`Resource`] with its types erased.
#[derive(Clone, Copy)]
pub struct ResourceType {
    name: &'static str,
    release: &'static str,
    about: &'static str,
    companions: &'static [Companion],
    schema: fn(Part) -> Value,
    problems: fn(Part, Value, KeyPolicy) -> Vec<Problem>,
    serve: Serve,
    ask: Ask,
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ResourceType").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ResourceType {
    /// Erases the types of `R`.
    pub fn of<R: Resource>() -> Self {
        Self {
            name: R::NAME,
            release: R::RELEASE,
            about: R::ABOUT,
            companions: R::COMPANIONS,
            schema: |part| part.schema::<R>(),
            problems: problems_of::<R>,
            serve: serve::<R>,
            ask: ask::<R>,
        }
    }

    /// Its name, such as `git`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its release, such as `0.1.0`.
    pub fn release(&self) -> &'static str {
        self.release
    }

    /// Its description, in one line.
    pub fn about(&self) -> &'static str {
        self.about
    }

    pub(crate) fn companions(&self) -> &'static [Companion] {
        self.companions
    }

    /// The JSON Schema of one part of its requests, for editors.
    pub fn schema(&self, part: Part) -> Value {
        let mut schema = (self.schema)(part);
        if let Some(object) = schema.as_object_mut() {
            object.shift_insert(0, "$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
            object.insert("title".to_owned(), json!(format!("jetway {} {}", self.name, part.key())));
            close(&mut schema);
        }
        schema
    }

    /// The problems of a value from a pipeline file, which may contain `((vars))`. `keys` is the policy of the source that the
    /// value is or belongs to.
    pub fn problems(&self, part: Part, value: Value, keys: KeyPolicy) -> Vec<Problem> {
        (self.problems)(part, value, keys)
    }

    /// Serves a verb for `request` like the type's own binary: writes the response to standard output and messages to standard
    /// error.
    pub fn serve(&self, verb: Verb, request: &Value, directory: Option<PathBuf>) -> ExitCode {
        (self.serve)(verb, Input::Bytes(request.to_string().into_bytes()), directory, std::env::temp_dir())
    }

    /// Serves a verb for the request on standard input.
    pub(crate) fn serve_stdin(&self, verb: Verb, directory: Option<PathBuf>) -> ExitCode {
        (self.serve)(verb, Input::Stdin, directory, std::env::temp_dir())
    }

    /// Serves a verb for `request` and returns the response. After a failure, shows the error and returns the exit code.
    pub fn response(&self, verb: Verb, request: &Value, directory: Option<PathBuf>) -> Result<Value, ExitCode> {
        (self.ask)(verb, Input::Bytes(request.to_string().into_bytes()), directory, std::env::temp_dir())
    }
}

/// Makes editors mark unknown keys, even those that would only be a warning, because they have no effect.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(entries) => {
            if entries.contains_key("properties") && !entries.contains_key("additionalProperties") {
                entries.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            entries.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
