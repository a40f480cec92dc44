//! The request on standard input, read whole: every problem in it is reported at once.

use std::fmt;
use std::io::{IsTerminal, Read};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::console::Console;
use crate::error::{Advise as _, Result};
use crate::keys::{ALLOW_UNKNOWN_KEYS, KeyPolicy, STRICT};
use crate::resource::{Parameters, Resource};
use crate::schema::{
    Leniency, Problem, ProblemKind, Problems, Reading, Severity, Vars, join, nearest, read, schema_of,
};

/// The largest request that is read, in bytes. Keys and params are small; what is larger is a mistake.
const LARGEST: u64 = 16 * 1024 * 1024;

/// What the three verbs are called, by Concourse and by people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `check`: which versions are there?
    Check,
    /// `in`, or `get`: fetch one.
    Get,
    /// `out`, or `put`: make one.
    Put,
}

impl Verb {
    /// The name that Concourse calls it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Get => "in",
            Self::Put => "out",
        }
    }
}

/// The parts of a request, each with a type of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `source:`.
    Source,
    /// A version.
    Version,
    /// `params:` of a get.
    GetParams,
    /// `params:` of a put.
    PutParams,
}

impl Part {
    /// The key under which it stands in a request.
    pub fn key(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Version => "version",
            Self::GetParams | Self::PutParams => "params",
        }
    }

    /// How it is read. A version comes back from Concourse as a program wrote it.
    fn leniency(self) -> Leniency {
        if self == Self::Version { Leniency::Verbatim } else { Leniency::Pipeline }
    }

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
                            "description": "Warn about every unknown key, also one that is close to a known one, \
                                            instead of failing. For a pipeline that must run with several releases.",
                        }),
                    );
                    properties.insert(
                        STRICT.to_owned(),
                        serde_json::json!({
                            "type": "boolean",
                            "default": false,
                            "description": "Fail on every unknown key, also on one that is ignored with a warning \
                                            otherwise.",
                        }),
                    );
                }
            }
            object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        }
        schema
    }
}

/// A request of a verb, decoded.
pub(crate) struct Request<R: Resource> {
    pub(crate) source: R::Source,
    pub(crate) version: Option<R::Version>,
    pub(crate) params: Params<R>,
}

/// The params of the verb that was asked for.
pub(crate) enum Params<R: Resource> {
    Check,
    Get(R::GetParams),
    Put(R::PutParams),
}

/// A request that cannot be used, with all that is wrong with it.
#[derive(Debug)]
pub struct InvalidRequest {
    /// The program and its release, since keys come and go with releases.
    pub program: String,
    /// What is wrong.
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
        "Concourse sends one JSON object; by hand: echo '{{\"source\": {{...}}}}' | {program}; \
         `{program} --help` tells more"
    );
    let stdin = std::io::stdin();
    let mut bytes = Vec::new();
    if !stdin.is_terminal() {
        stdin
            .lock()
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| crate::Error::new(error).context("cannot read the request from standard input"))?;
    }
    if bytes.len() as u64 > LARGEST {
        anyhow::bail!("the request on standard input is larger than {} MiB", LARGEST / 1024 / 1024);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(anyhow::anyhow!("there is no request on standard input").hint(advice));
    }
    Ok(bytes)
}

/// Decodes the bytes of a request. The console's redactor has learnt every secret in it by the time this returns,
/// whatever it returns.
pub(crate) fn decode<R: Resource>(verb: Verb, bytes: &[u8], console: &Console) -> Result<Request<R>> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| crate::Error::new(error).context("the request on standard input is not valid JSON"))?;
    let Value::Object(mut parts) = value else {
        return Err(anyhow::anyhow!("the request on standard input must be a JSON object"));
    };
    // The other keys keep their order, in which their problems are told.
    let mut take = |part: Part| parts.shift_remove(part.key()).filter(|value| !value.is_null());
    let empty = || Value::Object(Map::new());
    let params_part = if verb == Verb::Put { Part::PutParams } else { Part::GetParams };
    let source = take(Part::Source).unwrap_or_else(empty);
    let version = take(Part::Version);
    let params = take(params_part).unwrap_or_else(empty);

    // Concourse writes these keys, and a newer one may send more of them. A typo in them is made by hand.
    for key in parts.keys() {
        if let Some(near) = nearest(key, ["source", "version", "params"]) {
            console.warn(format_args!("`{key}`: unknown key, ignored; did you mean `{near}`?"));
        }
    }
    let mut report = Report { console, verb, keys: KeyPolicy::of_source(&source), problems: Vec::new() };
    report.problems.extend(contradiction(&source));
    let source = report.part::<R, R::Source>(Part::Source, source).map(|source| report.rules(Part::Source, source));
    let version = version.map(|version| report.part::<R, R::Version>(Part::Version, version));
    let params = match verb {
        // A check has no params; a script may send the request of another verb to it.
        Verb::Check => Some(Params::Check),
        Verb::Get => report
            .part::<R, R::GetParams>(Part::GetParams, params)
            .map(|params| Params::Get(report.rules(Part::GetParams, params))),
        Verb::Put => report
            .part::<R, R::PutParams>(Part::PutParams, params)
            .map(|params| Params::Put(report.rules(Part::PutParams, params))),
    };
    match (source, version, params) {
        (Some(source), version @ (None | Some(Some(_))), Some(params)) if report.problems.is_empty() => {
            Ok(Request { source, version: version.flatten(), params })
        }
        _ => Err(InvalidRequest { program: program::<R>(), problems: report.problems }.into()),
    }
}

/// Decodes a request and says no more than whether that works. For tests that send anything at all.
#[doc(hidden)]
pub fn check_request<R: Resource>(verb: Verb, request: &[u8], console: &Console) -> Result<()> {
    decode::<R>(verb, request, console).map(|_| ())
}

/// The problems of one part of a pipeline's step, as `jetway validate` reports them: variables may stand anywhere.
pub(crate) fn problems_of<R: Resource>(part: Part, value: Value, keys: KeyPolicy) -> Vec<Problem> {
    let verb = match part {
        // A check is the first to read a source.
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
    let apply = |problem| keys.apply(name_not_yet(problem, R::NOT_YET), part, R::unknown_keys(verb, part));
    problems.into_iter().map(apply).collect()
}

fn problems_with<R: Resource, T: Parameters>(part: Part, value: Value) -> Vec<Problem> {
    let contradiction = if part == Part::Source { contradiction(&value) } else { None };
    let Reading { value, mut problems, has_vars, .. } =
        read(&part.schema::<R>(), value, part.key(), Vars::Allowed, part.leniency());
    problems.extend(contradiction);
    // What a variable will hold is not known, so only a value without any can be decoded and held to the rules.
    if problems.iter().all(|problem| problem.kind.is_of_key()) && !has_vars {
        match decode_part::<T>(part, value) {
            Ok(decoded) => problems.extend(rules_of(part, &decoded)),
            Err(problem) => problems.push(problem),
        }
    }
    problems
}

/// The problem that a source asks for both treatments of unknown keys.
fn contradiction(source: &Value) -> Option<Problem> {
    let message = format!("cannot be set together with `{ALLOW_UNKNOWN_KEYS}`");
    let path = join(Part::Source.key(), STRICT);
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
            let problem = name_not_yet(problem, R::NOT_YET);
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

    fn rules<T: Parameters>(&mut self, part: Part, decoded: T) -> T {
        for secret in decoded.hidden_secrets() {
            self.console.redactor().add(&secret);
        }
        self.problems.extend(rules_of(part, &decoded));
        decoded
    }
}

fn decode_part<T: DeserializeOwned>(part: Part, mut value: Value) -> Result<T, Problem> {
    if let (Part::Source, Some(entries)) = (part, value.as_object_mut()) {
        // The keys are the reader's own; no type has a field for them.
        entries.shift_remove(ALLOW_UNKNOWN_KEYS);
        entries.shift_remove(STRICT);
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = join(part.key(), if path == "." { "" } else { &path });
        Problem::invalid(path, error.into_inner().to_string())
    })
}

fn rules_of<T: Parameters>(part: Part, decoded: &T) -> Vec<Problem> {
    let mut problems = Problems::default();
    decoded.rules(&mut problems);
    problems.below(part.key())
}

fn name_not_yet(mut problem: Problem, not_yet: &[&str]) -> Problem {
    if matches!(problem.kind, ProblemKind::UnknownKey | ProblemKind::MisspeltKey)
        && not_yet.contains(&problem.path.as_str())
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
