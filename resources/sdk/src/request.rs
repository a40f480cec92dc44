//! Reads and decodes the request. Every problem in it is reported at once.

use std::fmt;
use std::io::{IsTerminal, Read};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::console::Console;
use crate::error::{Advise as _, Error, Result};
use crate::part::Part;
use crate::resource::{Parameters, Resource};
use crate::schema::problem::{Problem, ProblemKind, Problems, Severity, join_path};
use crate::schema::{Reading, Vars, nearest, read, schema_of};
use crate::unknown_keys::{ALLOW_UNKNOWN_KEYS, KeyPolicy, STRICT};
use crate::verb::Verb;

/// The maximum size of a request, in bytes. A larger one is a mistake.
const MAX_REQUEST: u64 = 16 * 1024 * 1024;

impl Part {
    /// The part's JSON Schema for a type.
    pub fn schema<R: Resource>(self) -> Value {
        let mut schema = match self {
            Self::Source => schema_of::<R::Source>(),
            Self::Version => schema_of::<R::Version>(),
            Self::GetParams => schema_of::<R::GetParams>(),
            Self::PutParams => schema_of::<R::PutParams>(),
        };
        if let Some(object) = schema.as_object_mut() {
            if self == Self::Source {
                let properties = object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
                if let Some(properties) = properties.as_object_mut() {
                    properties.insert(
                        ALLOW_UNKNOWN_KEYS.to_owned(),
                        serde_json::json!({
                            "type": "boolean",
                            "default": false,
                            "description": "Turn all errors about unknown keys into warnings, also those about misspelt \
                                            keys. For a pipeline that must run with several releases.",
                        }),
                    );
                    properties.insert(
                        STRICT.to_owned(),
                        serde_json::json!({
                            "type": "boolean",
                            "default": false,
                            "description": "Turn all warnings about unknown keys into errors.",
                        }),
                    );
                }
            }
            object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        }
        schema
    }
}

/// A decoded request.
pub(crate) struct Request<R: Resource> {
    pub(crate) source: R::Source,
    pub(crate) version: Option<R::Version>,
    pub(crate) params: Params<R>,
}

/// The params of a request, by verb.
pub(crate) enum Params<R: Resource> {
    Check,
    Get(R::GetParams),
    Put(R::PutParams),
}

/// The error of an invalid request, with all its problems.
#[derive(Debug)]
pub struct InvalidRequest {
    /// The program and its release, since the keys depend on the release.
    pub program: String,
    /// The problems.
    pub problems: Vec<Problem>,
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let plural = if count == 1 { "problem" } else { "problems" };
        write!(formatter, "the request has {count} {plural} ({})", self.program)?;
        self.problems.iter().try_for_each(|problem| write!(formatter, "\n{problem}"))
    }
}

impl std::error::Error for InvalidRequest {}

/// Reads standard input to its end.
pub(crate) fn read_stdin(program: &str) -> Result<Vec<u8>> {
    let advice = format!(
        "send one JSON object, as Concourse does: echo '{{\"source\": {{...}}}}' | {program}; see `{program} --help`"
    );
    let stdin = std::io::stdin();
    let mut bytes = Vec::new();
    if !stdin.is_terminal() {
        stdin
            .lock()
            .take(MAX_REQUEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::new(error).context("cannot read the request from standard input"))?;
    }
    if bytes.len() as u64 > MAX_REQUEST {
        anyhow::bail!("the request on standard input is larger than {} MiB", MAX_REQUEST / 1024 / 1024);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(anyhow::anyhow!("there is no request on standard input").hint(advice));
    }
    Ok(bytes)
}

/// Decodes a request. When this returns, the console's redactor knows every secret in the request, even after an error.
pub(crate) fn decode<R: Resource>(verb: Verb, bytes: &[u8], console: &Console) -> Result<Request<R>> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Error::new(error).context("the request on standard input is not valid JSON"))?;
    let Value::Object(mut parts) = value else {
        return Err(anyhow::anyhow!("the request on standard input must be a JSON object"));
    };
    // `shift_remove` keeps the order of the other keys, which is the order of their warnings.
    let mut take = |part: Part| parts.shift_remove(part.key()).filter(|value| !value.is_null());
    let empty = || Value::Object(Map::new());
    let params_part = if verb == Verb::Put { Part::PutParams } else { Part::GetParams };
    let source = take(Part::Source).unwrap_or_else(empty);
    let version = take(Part::Version);
    let params = take(params_part).unwrap_or_else(empty);

    // A newer Concourse may send more keys. Only a request that was written by hand has a typo here.
    for key in parts.keys() {
        if let Some(near) = nearest(key, ["source", "version", "params"]) {
            console.warn(format_args!("`{key}`: unknown key, ignored; did you mean `{near}`?"));
        }
    }
    let mut report = Report { console, verb, keys: KeyPolicy::of_source(&source), problems: Vec::new() };
    report.problems.extend(contradiction(&source));
    let source = report.part::<R, R::Source>(Part::Source, source).map(|source| report.validate(Part::Source, source));
    let version = version.map(|version| report.part::<R, R::Version>(Part::Version, version));
    let params = match verb {
        // A check has no params. It ignores those of another verb's request.
        Verb::Check => Some(Params::Check),
        Verb::Get => report
            .part::<R, R::GetParams>(Part::GetParams, params)
            .map(|params| Params::Get(report.validate(Part::GetParams, params))),
        Verb::Put => report
            .part::<R, R::PutParams>(Part::PutParams, params)
            .map(|params| Params::Put(report.validate(Part::PutParams, params))),
    };
    match (source, version, params) {
        (Some(source), version @ (None | Some(Some(_))), Some(params)) if report.problems.is_empty() => {
            Ok(Request { source, version: version.flatten(), params })
        }
        _ => Err(InvalidRequest { program: program::<R>(), problems: report.problems }.into()),
    }
}

/// Checks whether a request decodes, for fuzz tests.
#[doc(hidden)]
pub fn check_request<R: Resource>(verb: Verb, request: &[u8], console: &Console) -> Result<()> {
    decode::<R>(verb, request, console).map(|_| ())
}

/// The problems of one part of a pipeline's step, as `jetway validate` reports them. Variables may occur anywhere.
pub(crate) fn problems_of<R: Resource>(part: Part, value: Value, keys: KeyPolicy) -> Vec<Problem> {
    let verb = match part {
        // A check reads the source first.
        Part::Source | Part::Version => Verb::Check,
        Part::GetParams => Verb::Get,
        Part::PutParams => Verb::Put,
    };
    let mut problems = match part {
        Part::Source => problems_with::<R, R::Source>(part, value),
        Part::GetParams => problems_with::<R, R::GetParams>(part, value),
        Part::PutParams => problems_with::<R, R::PutParams>(part, value),
        Part::Version => read(&part.schema::<R>(), value, part.key(), Vars::Allowed, part.leniency()).problems,
    };
    if part == Part::Version {
        problems.retain(|problem| !problem.kind.is_of_key());
    }
    let apply = |problem| keys.apply(mark_unsupported(problem, R::UNSUPPORTED_KEYS), part, R::unknown_keys(verb, part));
    problems.into_iter().map(apply).collect()
}

fn problems_with<R: Resource, T: Parameters>(part: Part, value: Value) -> Vec<Problem> {
    let contradiction = if part == Part::Source { contradiction(&value) } else { None };
    let Reading { value, mut problems, has_vars, .. } =
        read(&part.schema::<R>(), value, part.key(), Vars::Allowed, part.leniency());
    problems.extend(contradiction);
    // The value of a variable is unknown, so only a value without variables can be decoded and validated.
    if problems.iter().all(|problem| problem.kind.is_of_key()) && !has_vars {
        match decode_part::<T>(part, value) {
            Ok(decoded) => problems.extend(validation_problems(part, &decoded)),
            Err(problem) => problems.push(problem),
        }
    }
    problems
}

/// Returns a problem if a source sets both `strict` and `allow_unknown_keys`.
fn contradiction(source: &Value) -> Option<Problem> {
    let message = format!("cannot be set together with `{ALLOW_UNKNOWN_KEYS}`");
    let path = join_path(Part::Source.key(), STRICT);
    KeyPolicy::of_source(source).is_contradictory().then(|| Problem::invalid(path, message))
}

struct Report<'c> {
    console: &'c Console,
    verb: Verb,
    keys: KeyPolicy,
    problems: Vec<Problem>,
}

impl Report<'_> {
    fn part<R: Resource, T: DeserializeOwned>(&mut self, part: Part, value: Value) -> Option<T> {
        let reading = read(&part.schema::<R>(), value, part.key(), Vars::Resolved, part.leniency());
        for secret in &reading.secrets {
            self.console.redactor().add(secret);
        }
        let mut problems = reading.problems;
        if part == Part::Version {
            problems.retain(|problem| !problem.kind.is_of_key());
        }
        let decodes = problems.iter().all(|problem| problem.kind.is_of_key());
        for problem in problems {
            let problem = mark_unsupported(problem, R::UNSUPPORTED_KEYS);
            let problem = self.keys.apply(problem, part, R::unknown_keys(self.verb, part));
            match problem.severity {
                Severity::Error => self.problems.push(problem),
                Severity::Warning => self.console.warn(problem),
            }
        }
        if !decodes {
            return None;
        }
        decode_part(part, reading.value).map_err(|problem| self.problems.push(problem)).ok()
    }

    fn validate<T: Parameters>(&mut self, part: Part, decoded: T) -> T {
        for secret in decoded.hidden_secrets() {
            self.console.redactor().add(&secret);
        }
        self.problems.extend(validation_problems(part, &decoded));
        decoded
    }
}

fn decode_part<T: DeserializeOwned>(part: Part, mut value: Value) -> Result<T, Problem> {
    if let (Part::Source, Some(entries)) = (part, value.as_object_mut()) {
        // These keys belong to the SDK. No type has a field for them.
        entries.shift_remove(ALLOW_UNKNOWN_KEYS);
        entries.shift_remove(STRICT);
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = join_path(part.key(), if path == "." { "" } else { &path });
        Problem::invalid(path, error.into_inner().to_string())
    })
}

fn validation_problems<T: Parameters>(part: Part, decoded: &T) -> Vec<Problem> {
    let mut problems = Problems::default();
    decoded.validate(&mut problems);
    problems.below(part.key())
}

fn mark_unsupported(mut problem: Problem, unsupported: &[&str]) -> Problem {
    if matches!(problem.kind, ProblemKind::UnknownKey | ProblemKind::MisspeltKey)
        && unsupported.contains(&problem.path.as_str())
    {
        problem.kind = ProblemKind::UnsupportedKey;
        "known, but not supported by this release".clone_into(&mut problem.message);
        problem.hint = None;
    }
    problem
}

pub(crate) fn program<R: Resource>() -> String {
    format!("jetway-{} {}", R::NAME, R::RELEASE)
}
