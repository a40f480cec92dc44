//! Reading untyped values by a JSON Schema: the one place that knows how pipelines write things.
//!
//! Serde stops at the first mistake, and takes only what is typed as JSON types it. A pipeline's author makes several
//! mistakes at once, and a pipeline's scalars have been through YAML and interpolation: `"true"` for a flag, `1.10`
//! where text is due, `"3"` for a number. So a value is first read by the schema of its type: every problem is
//! collected, every scalar is brought to the type that is due, every secret is noticed. What comes out decodes by serde
//! without surprises.

use std::fmt;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Number, Value};

use crate::keys;
use crate::trim::Trim;

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is: `source.branch`, `params.values[2]`.
    pub path: String,
    /// What is wrong, never with the value of a secret in it.
    pub message: String,
    /// What to do, when that is known.
    pub hint: Option<String>,
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// Whether the request fails because of it.
    pub severity: Severity,
}

/// The kinds of problems that callers treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// A key that the type does not have and that is close to one that it has.
    MisspeltKey,
    /// Any other key that the type does not have.
    UnknownKey,
    /// A key of the established resource that this release does not have yet.
    UnsupportedKey,
    /// A known key in upper or mixed case. Its value is read.
    KeyInOtherCase,
    /// Anything else.
    Invalid,
}

impl ProblemKind {
    /// Whether the problem is a key and not a value.
    pub fn is_of_key(self) -> bool {
        self != Self::Invalid
    }
}

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The request fails.
    Error,
    /// The request is served, and people are told.
    Warning,
}

impl Problem {
    /// A problem with a value.
    pub(crate) fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of_kind(ProblemKind::Invalid, path, message, None)
    }

    pub(crate) fn of_kind(
        kind: ProblemKind,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Self {
        Self { path: path.into(), message: message.into(), hint, kind, severity: Severity::Error }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`: {}", self.path, self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// The problems of one value, collected by [`crate::Parameters::rules`]. Paths are relative to that value.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes that `key` is wrong: ``problems.add("uri", "must not begin with `-`")``.
    pub fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::invalid(key, message));
    }

    /// The same, with advice.
    pub fn add_with_hint(&mut self, key: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Problem { hint: Some(hint.into()), ..Problem::invalid(key, message) });
    }

    /// The problems with their paths made absolute.
    pub(crate) fn below(self, prefix: &str) -> Vec<Problem> {
        let mut problems = self.0;
        for problem in &mut problems {
            problem.path = join(prefix, &problem.path);
        }
        problems
    }
}

/// The schema of `T`, with what it refers to in its `$defs`.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    let schema: Schema = settings.into_generator().into_root_schema_for::<T>();
    schema.to_value()
}

/// How strings with `((vars))` in them are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vars {
    /// There are none: Concourse has filled them in.
    Resolved,
    /// They may stand anywhere: the value comes from a pipeline file.
    Allowed,
}

/// How much is made of what pipelines write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leniency {
    /// Unset values are absent, blanks at the end of text are trimmed, keys may be in another case: people wrote it.
    Pipeline,
    /// Text stays as it is: programs wrote it, as they do versions.
    Verbatim,
}

/// What reading a value by its schema gave.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The value with every scalar brought to the type that is due. Meaningless when there are problems.
    pub(crate) value: Value,
    /// All that is wrong with it.
    pub(crate) problems: Vec<Problem>,
    /// The values that the schema marks as secret.
    pub(crate) secrets: Vec<String>,
    /// Whether a `((var))` stands somewhere in it, so that the value is not final.
    pub(crate) has_vars: bool,
}

/// Reads `value` by `schema`, naming problems by paths that begin with `path`.
pub(crate) fn read(schema: &Value, value: Value, path: &str, vars: Vars, leniency: Leniency) -> Reading {
    let mut reader = Reader { root: schema, vars, leniency, reading: Reading::default() };
    let trim = if leniency == Leniency::Pipeline { Trim::Blanks } else { Trim::Nothing };
    let value = reader.value(schema, value, path, Way { shown: Shown::Yes, trim });
    reader.reading.value = value;
    reader.reading
}

/// Whether a value may be named in a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Yes,
    No,
}

/// How the values below a key are read, unless a key further inside says otherwise.
#[derive(Clone, Copy)]
struct Way {
    shown: Shown,
    trim: Trim,
}

impl Way {
    /// The way to read what `schema` describes.
    fn below(self, schema: &Value) -> Self {
        let is_secret = schema.get("writeOnly") == Some(&Value::Bool(true));
        let trim = match self.trim {
            Trim::Blanks if is_secret || keeps(schema, KEEPS_BLANKS) => Trim::LineBreaks,
            other => other,
        };
        Self { shown: if is_secret { Shown::No } else { self.shown }, trim }
    }
}

struct Reader<'s> {
    root: &'s Value,
    vars: Vars,
    leniency: Leniency,
    reading: Reading,
}

impl<'s> Reader<'s> {
    fn value(&mut self, schema: &'s Value, value: Value, path: &str, way: Way) -> Value {
        let way = way.below(schema);
        let schema = resolve(self.root, schema);
        let way = way.below(schema);
        if way.shown == Shown::No {
            collect_text(&value, &mut self.reading.secrets);
        }
        let value = match value {
            Value::String(text) if !is_anything(schema) => Value::String(way.trim.trimmed(text)),
            other => other,
        };
        if let (Vars::Allowed, Value::String(text)) = (self.vars, &value)
            && contains_var(text)
        {
            self.reading.has_vars = true;
            if is_one_var(text) {
                return value;
            }
        }
        if let Some(words) = words(self.root, schema) {
            return self.word(&words, value, path, way.shown);
        }
        if let Some(alternatives) = alternatives(schema) {
            return self.one_of(&alternatives, value, path, way);
        }
        let expected = types(schema);
        if value.is_null() && (expected.is_empty() || expected.contains(&"null")) {
            return value;
        }
        match expected.iter().find(|name| **name != "null") {
            Some(&"string") => self.text(&value, path),
            Some(&"boolean") => self.flag(value, path),
            Some(&"integer") => self.integer(schema, value, path),
            Some(&"number") => self.number(value, path),
            Some(&"array") => self.list(schema, value, path, way),
            Some(&"object") => self.object(schema, value, path, way),
            // Nothing is said of the type, or something that JSON Schema does not know.
            None | Some(_) => value,
        }
    }

    fn word(&mut self, words: &[&str], value: Value, path: &str, shown: Shown) -> Value {
        let Some(text) = scalar_text(&value) else {
            self.expected(&one_of_words(words), &value, path);
            return value;
        };
        if words.contains(&text.as_str()) || (self.vars == Vars::Allowed && contains_var(&text)) {
            return Value::String(text);
        }
        let hint = nearest(&text, words.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let message = match shown {
            Shown::Yes => format!("expected {}, found `{text}`", one_of_words(words)),
            Shown::No => format!("expected {}", one_of_words(words)),
        };
        self.problem(path, message, hint);
        value
    }

    fn one_of(&mut self, alternatives: &[&'s Value], value: Value, path: &str, way: Way) -> Value {
        if let [only] = alternatives {
            return self.value(only, value, path, way);
        }
        let mut readable = None;
        let mut of_this_kind = None;
        for alternative in alternatives {
            let mut attempt =
                Reader { root: self.root, vars: self.vars, leniency: self.leniency, reading: Reading::default() };
            let read = attempt.value(alternative, value.clone(), path, way);
            self.reading.secrets.append(&mut attempt.reading.secrets);
            self.reading.has_vars |= attempt.reading.has_vars;
            let problems = attempt.reading.problems;
            if problems.is_empty() {
                return read;
            }
            // Keys that are ignored do not keep the rest from being read.
            if problems.iter().all(|problem| problem.kind.is_of_key()) {
                readable.get_or_insert((read, problems));
                continue;
            }
            let names = types(resolve(self.root, alternative));
            if (value.is_object() && names.contains(&"object")) || (value.is_array() && names.contains(&"array")) {
                of_this_kind.get_or_insert(problems);
            }
        }
        if let Some((read, problems)) = readable {
            self.reading.problems.extend(problems);
            return read;
        }
        if let Some(problems) = of_this_kind {
            self.reading.problems.extend(problems);
            return value;
        }
        let names: Vec<String> = alternatives.iter().map(|schema| describe(self.root, schema)).collect();
        self.expected(&enumerate(&names, "or"), &value, path);
        value
    }

    fn text(&mut self, value: &Value, path: &str) -> Value {
        match scalar_text(value) {
            Some(text) => Value::String(text),
            None => self.expected("text", value, path),
        }
    }

    fn flag(&mut self, value: Value, path: &str) -> Value {
        match &value {
            Value::Bool(_) => value,
            Value::String(text) if text == "true" => Value::Bool(true),
            Value::String(text) if text == "false" => Value::Bool(false),
            _ => self.expected("true or false", &value, path),
        }
    }

    fn integer(&mut self, schema: &Value, value: Value, path: &str) -> Value {
        let Some(number) = scalar_text(&value).and_then(|text| whole_number(text.trim())) else {
            if value.is_number() {
                // What it is exactly is not said: in a pipeline file a var may stand behind it.
                self.problem(path, "expected a whole number, found a fraction".to_owned(), None);
                return value;
            }
            return self.expected("a whole number", &value, path);
        };
        let (least, most) = bounds(schema);
        if number < least || number > most {
            let range = match most {
                i128::MAX => format!("a whole number of at least {least}"),
                _ => format!("a whole number from {least} to {most}"),
            };
            self.problem(path, format!("expected {range}, found {number}"), None);
            return value;
        }
        Number::from_i128(number).map_or(value, Value::Number)
    }

    fn number(&mut self, value: Value, path: &str) -> Value {
        match &value {
            Value::Number(_) => value,
            Value::String(text) => match text.trim().parse::<f64>().ok().and_then(Number::from_f64) {
                Some(number) => Value::Number(number),
                None => self.expected("a number", &value, path),
            },
            _ => self.expected("a number", &value, path),
        }
    }

    fn list(&mut self, schema: &'s Value, value: Value, path: &str, way: Way) -> Value {
        let Value::Array(items) = value else {
            return self.expected("a list", &value, path);
        };
        let item_schema = schema.get("items").unwrap_or(&Value::Bool(true));
        let read = |(index, item): (usize, Value)| self.value(item_schema, item, &format!("{path}[{index}]"), way);
        Value::Array(items.into_iter().enumerate().map(read).collect())
    }

    fn object(&mut self, schema: &'s Value, value: Value, path: &str, way: Way) -> Value {
        let Value::Object(entries) = value else {
            return self.expected("keys and values", &value, path);
        };
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties").filter(|others| others.as_bool() != Some(false));
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut written: Vec<String> = entries.keys().cloned().collect();
        let mut read = Map::new();
        for (key, item) in entries {
            let at = join(path, &key);
            let name = match known {
                Some(known) if self.leniency == Leniency::Pipeline && others.is_none() && !known.contains_key(&key) => {
                    self.in_other_case(&key, known, &mut written, &at).unwrap_or(key)
                }
                _ => key,
            };
            match (known.and_then(|known| known.get(&name)), others) {
                (Some(schema), _) if !required.contains(&name.as_str()) && self.is_unset(schema, &item) => {}
                // A required key that is null is missing, and not of the wrong kind.
                (Some(schema), _) if item.is_null() && !is_anything(schema) => {}
                (Some(schema), _) => {
                    let item = self.value(schema, item, &at, way);
                    read.insert(name, item);
                }
                (None, Some(schema)) => {
                    // The keys are the author's own, and so are the values: a blank or nothing at all may be meant.
                    let item = self.value(schema, item, &at, Way { trim: Trim::Nothing, ..way });
                    read.insert(name, item);
                }
                (None, None) if known.is_none() => {
                    read.insert(name, item);
                }
                (None, None) => self.unknown_key(&name, known, at),
            }
        }
        for key in required {
            if !read.contains_key(key) {
                self.problem(&join(path, key), "required, but missing".to_owned(), None);
            }
        }
        Value::Object(read)
    }

    /// Whether a value stands for "not set": null (an undefined anchor, an empty line), and what a variable that is not set
    /// leaves behind, text of nothing but blanks, alone or in a list. An empty object says nothing either.
    fn is_unset(&self, schema: &Value, value: &Value) -> bool {
        if is_anything(schema) {
            return false;
        }
        let is_blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        value.is_null()
            || (self.leniency == Leniency::Pipeline
                && !keeps(schema, KEEPS_EMPTY)
                && match value {
                    Value::Array(items) => !items.is_empty() && items.iter().all(is_blank),
                    Value::Object(entries) => entries.is_empty(),
                    other => is_blank(other),
                })
    }

    /// The known key that differs from `key` in case alone, unless it is written too. Readers in Go take it for that key.
    fn in_other_case(
        &mut self,
        key: &str,
        known: &Map<String, Value>,
        written: &mut Vec<String>,
        at: &str,
    ) -> Option<String> {
        let name = known.keys().find(|name| name.eq_ignore_ascii_case(key) && !written.contains(name))?;
        // A second key in yet another case is not read over the first.
        written.push(name.clone());
        let message = format!("the key is written `{name}`");
        self.reading.problems.push(Problem::of_kind(ProblemKind::KeyInOtherCase, at, message, None));
        Some(name.clone())
    }

    fn unknown_key(&mut self, key: &str, known: Option<&Map<String, Value>>, at: String) {
        let names = known.into_iter().flat_map(Map::keys).map(String::as_str);
        let problem = match keys::meant(key, names) {
            Some(near) => {
                let hint = format!("did you mean `{near}`?");
                Problem::of_kind(ProblemKind::MisspeltKey, at, "unknown key", Some(hint))
            }
            None => Problem::of_kind(ProblemKind::UnknownKey, at, "unknown key", unknown_key_hint(key, known)),
        };
        self.reading.problems.push(problem);
    }

    /// Notes a value of the wrong kind. Only its kind is named: what it holds may be a secret in the wrong place.
    fn expected(&mut self, expected: &str, found: &Value, path: &str) -> Value {
        self.problem(path, format!("expected {expected}, found {}", kind(found)), None);
        Value::Null
    }

    fn problem(&mut self, path: &str, message: String, hint: Option<String>) {
        self.reading.problems.push(Problem::of_kind(ProblemKind::Invalid, path, message, hint));
    }
}

/// The mark of a key for which an empty value is not the same as none, in its type:
/// `#[schemars(extend("x-keeps-empty" = true))]`.
const KEEPS_EMPTY: &str = "x-keeps-empty";

/// The mark of a key whose text may end with a blank that means something, such as a pattern for sentences:
/// `#[schemars(extend("x-keeps-blanks" = true))]`.
const KEEPS_BLANKS: &str = "x-keeps-blanks";

fn keeps(schema: &Value, mark: &str) -> bool {
    schema.get(mark) == Some(&Value::Bool(true))
}

/// Whether a schema says nothing of what may stand there: then null is a value like any other.
fn is_anything(schema: &Value) -> bool {
    let keywords = ["$ref", "type", "const", "enum", "anyOf", "oneOf", "allOf"];
    keywords.iter().all(|keyword| schema.get(keyword).is_none())
}

/// Follows `$ref`s to the schema that they name.
pub(crate) fn resolve<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let mut schema = schema;
    // Schemas come from types, which cannot refer to themselves without a name in between: a few steps are plenty.
    for _ in 0..8 {
        let Some(pointer) = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'))
        else {
            break;
        };
        match root.pointer(pointer) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// The alternatives of an `anyOf` or `oneOf` without the null that an optional value adds.
pub(crate) fn alternatives(schema: &Value) -> Option<Vec<&Value>> {
    let list = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
    Some(list.iter().filter(|item| item.get("type").and_then(Value::as_str) != Some("null")).collect())
}

/// The legal words where a schema allows nothing but words.
pub(crate) fn words<'s>(root: &'s Value, schema: &'s Value) -> Option<Vec<&'s str>> {
    let schema = resolve(root, schema);
    if let Some(word) = schema.get("const") {
        return Some(vec![word.as_str()?]);
    }
    if let Some(list) = schema.get("enum").and_then(Value::as_array) {
        return list.iter().filter(|word| !word.is_null()).map(Value::as_str).collect();
    }
    let nested: Option<Vec<_>> = alternatives(schema)?.into_iter().map(|item| words(root, item)).collect();
    nested.map(|lists| lists.into_iter().flatten().collect())
}

/// The JSON types that a schema names.
pub(crate) fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ if schema.get("properties").is_some() => vec!["object"],
        _ => Vec::new(),
    }
}

/// What a schema allows, in the words of a pipeline's author.
pub(crate) fn describe(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    if let Some(words) = words(root, schema) {
        return one_of_words(&words);
    }
    if let Some(alternatives) = alternatives(schema) {
        let names: Vec<String> = alternatives.into_iter().map(|item| describe(root, item)).collect();
        return enumerate(&names, "or");
    }
    match types(schema).into_iter().find(|name| *name != "null") {
        Some("string") => "text".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("integer") => "a whole number".to_owned(),
        Some("number") => "a number".to_owned(),
        Some("array") => match schema.get("items").map(|items| describe(root, items)) {
            Some(items) => format!("a list of {}", items.trim_start_matches("a ")),
            None => "a list".to_owned(),
        },
        Some("object") => "keys and values".to_owned(),
        _ => "anything".to_owned(),
    }
}

/// `a.b`, or the one of them that is not empty; an index needs no dot.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    match (prefix.is_empty(), key.is_empty() || key.starts_with('[')) {
        (true, _) => key.to_owned(),
        (false, true) => format!("{prefix}{key}"),
        (false, false) => format!("{prefix}.{key}"),
    }
}

/// The candidate that a person who wrote `word` most likely meant, if one is near enough.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
    let distance = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        // `skip-ssl-verification` and `skipSslVerification` are the same words in another convention.
        let bare = |text: &str| text.replace(['_', '-'], "");
        strsim::damerau_levenshtein(&word, &candidate).min(strsim::damerau_levenshtein(&bare(&word), &bare(&candidate)))
    };
    let near = |candidate: &&str| distance(candidate) <= word.chars().count().max(3) / 3;
    // A word may also be the beginning of the right one (`fail` for `failure`), or the other way round.
    let begins = |candidate: &&str| {
        let candidate = candidate.to_lowercase();
        word.len() >= 4 && (candidate.starts_with(&word) || (candidate.len() >= 4 && word.starts_with(&candidate)))
    };
    let stem = |candidate: &&str| {
        let shared = word.chars().zip(candidate.to_lowercase().chars()).take_while(|(a, b)| a == b).count();
        shared >= 4 && shared * 2 > word.chars().count()
    };
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let pick = |test: &dyn Fn(&&str) -> bool| {
        candidates.iter().copied().filter(|candidate| test(candidate)).min_by_key(|candidate| distance(candidate))
    };
    pick(&near).or_else(|| pick(&begins)).or_else(|| pick(&stem))
}

fn unknown_key_hint(key: &str, known: Option<&Map<String, Value>>) -> Option<String> {
    let known = known?;
    if let Some(near) = nearest(key, known.keys().map(String::as_str)) {
        return Some(format!("did you mean `{near}`?"));
    }
    if known.is_empty() {
        return Some("no key is known here".to_owned());
    }
    let names: Vec<String> = known.keys().map(|name| format!("`{name}`")).collect();
    Some(format!("known keys: {}", names.join(", ")))
}

/// The text of a scalar as the pipeline's author wrote it.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn whole_number(text: &str) -> Option<i128> {
    // YAML readers turn `3` into `3.0` on the way at times.
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

fn bounds(schema: &Value) -> (i128, i128) {
    let keyword = |name: &str| schema.get(name).and_then(Value::as_i64).map(i128::from);
    let (least, most) = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => (0, i128::from(u8::MAX)),
        Some("uint16") => (0, i128::from(u16::MAX)),
        Some("uint32") => (0, i128::from(u32::MAX)),
        Some("uint64" | "uint") => (0, i128::from(u64::MAX)),
        Some("int32") => (i128::from(i32::MIN), i128::from(i32::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    (keyword("minimum").unwrap_or(least), keyword("maximum").unwrap_or(most))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "keys and values",
    }
}

fn one_of_words(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    enumerate(&quoted, "or")
}

fn enumerate(names: &[String], conjunction: &str) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
    }
}

fn collect_text(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_text(item, texts)),
        Value::Object(entries) => entries.values().for_each(|item| collect_text(item, texts)),
        scalar => texts.extend(scalar_text(scalar)),
    }
}

/// Whether a pipeline variable, `((name))` or the old `{{name}}`, stands in the text.
fn contains_var(text: &str) -> bool {
    [("((", "))"), ("{{", "}}")]
        .iter()
        .any(|(open, close)| text.split_once(open).is_some_and(|(_, rest)| rest.contains(close)))
}

/// Whether the text is one variable and nothing else, so that any kind of value may take its place.
fn is_one_var(text: &str) -> bool {
    let text = text.trim();
    [("((", "))"), ("{{", "}}")].iter().any(|(open, close)| {
        text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(|name| !name.contains(open))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Sample {
        uri: String,
        branch: Option<String>,
        depth: Option<u32>,
        #[serde(default)]
        force: bool,
        password: Option<Secret>,
        #[serde(default)]
        paths: Vec<String>,
        state: Option<State>,
        submodules: Option<Submodules>,
        #[serde(default)]
        nested: Vec<Nested>,
        #[serde(default)]
        args: std::collections::BTreeMap<String, String>,
        anything: Option<Value>,
        #[schemars(extend("x-keeps-empty" = true))]
        describe: Option<String>,
        #[serde(default)]
        #[schemars(extend("x-keeps-blanks" = true))]
        sentences: Vec<String>,
        mirror: Option<Mirror>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Mirror {
        Url(String),
        At { host: String, port: Option<u16> },
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[allow(dead_code)]
    enum State {
        /// Good.
        Success,
        /// Bad.
        Failure,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Submodules {
        Word(Word),
        Paths(Vec<String>),
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[allow(dead_code)]
    enum Word {
        All,
        None,
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Nested {
        host: String,
        key: Option<Secret>,
    }

    fn sample(value: Value) -> Reading {
        read(&schema_of::<Sample>(), value, "source", Vars::Resolved, Leniency::Pipeline)
    }

    fn problems(value: Value) -> Vec<String> {
        sample(value).problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn scalars_are_taken_as_pipelines_write_them() {
        let text = r#"{"uri": 1.10, "branch": true, "depth": "3", "force": "true", "args": {"a": 1, "b": false}}"#;
        let reading = sample(serde_json::from_str(text).unwrap());
        assert_eq!(reading.problems, []);
        assert_eq!(
            reading.value,
            json!({"uri": "1.10", "branch": "true", "depth": 3, "force": true, "args": {"a": "1", "b": "false"}})
        );
        let decoded: Sample = serde_json::from_value(reading.value).unwrap();
        assert_eq!(decoded.depth, Some(3));
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        assert_eq!(
            problems(json!({"brnach": "x", "depth": -1, "force": "yes", "paths": "a", "nested": [{"hots": "h"}]})),
            [
                "`source.brnach`: unknown key; did you mean `branch`?",
                "`source.depth`: expected a whole number from 0 to 4294967295, found -1",
                "`source.force`: expected true or false, found text",
                "`source.paths`: expected a list, found text",
                "`source.nested[0].hots`: unknown key; did you mean `host`?",
                "`source.nested[0].host`: required, but missing",
                "`source.uri`: required, but missing",
            ]
        );
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_legal_ones_and_the_nearest() {
        assert_eq!(
            problems(json!({"uri": "u", "state": "failed"})),
            ["`source.state`: expected `success` or `failure`, found `failed`; did you mean `failure`?"]
        );
    }

    #[test]
    fn a_word_or_a_list_may_stand_where_both_are_due() {
        assert_eq!(problems(json!({"uri": "u", "submodules": "all"})), Vec::<String>::new());
        assert_eq!(problems(json!({"uri": "u", "submodules": ["a"]})), Vec::<String>::new());
        assert_eq!(
            problems(json!({"uri": "u", "submodules": {"a": 1}})),
            ["`source.submodules`: expected `all` or `none` or a list of text, found keys and values"]
        );
        assert_eq!(
            problems(json!({"uri": "u", "submodules": [["a"]]})),
            ["`source.submodules[0]`: expected text, found a list"]
        );
    }

    #[test]
    fn null_is_not_set() {
        let reading = sample(json!({"uri": "u", "branch": null, "depth": null, "paths": null}));
        assert_eq!(reading.problems, []);
        assert_eq!(reading.value, json!({"uri": "u"}));
        assert_eq!(problems(json!({"uri": null})), ["`source.uri`: required, but missing"]);
        // Where anything may stand it is a value.
        let reading = sample(json!({"uri": "u", "anything": null}));
        assert_eq!(reading.value, json!({"uri": "u", "anything": null}));
    }

    #[test]
    fn unset_variables_are_absent() {
        let unset = json!({
            "uri": "u", "branch": "", "depth": "", "force": "", "password": " ", "paths": [""], "state": "\n",
            "submodules": {}, "nested": {}, "args": {}, "mirror": {},
        });
        let reading = sample(unset);
        assert_eq!(reading.problems, []);
        assert_eq!(reading.value, json!({"uri": "u"}));
        // Where any value may stand, and among keys of the author's own, empty text is a value.
        let values = json!({"uri": "u", "anything": "", "args": {"a": ""}, "describe": "", "paths": ["a", ""]});
        let reading = sample(values.clone());
        assert_eq!((reading.problems, reading.value), (Vec::new(), values));
    }

    #[test]
    fn ends_of_lines_are_trimmed_where_they_mean_nothing() {
        let reading = sample(json!({
            "uri": "u\n", "branch": "main \r\n", "depth": "3\n", "force": "true\n", "state": "success\n",
            "paths": ["v* \n"], "password": "pass \n", "sentences": ["fix \n"], "args": {"a": "b \n"},
            "mirror": {"host": "h\n"}, "anything": "x\n",
        }));
        assert_eq!(reading.problems, []);
        assert_eq!(
            reading.value,
            json!({
                "uri": "u", "branch": "main", "depth": 3, "force": true, "state": "success", "paths": ["v*"],
                "password": "pass ", "sentences": ["fix "], "args": {"a": "b \n"}, "mirror": {"host": "h"},
                "anything": "x\n",
            })
        );
        let key = "-----BEGIN KEY-----\nabc\n-----END KEY-----\n";
        assert_eq!(sample(json!({"uri": "u", "password": key})).value["password"], key);
    }

    #[test]
    fn keys_in_another_case_are_read_unless_the_right_one_is_written_too() {
        let reading = sample(json!({"URI": "u", "Nested": [{"HOST": "h"}]}));
        assert_eq!(reading.value, json!({"uri": "u", "nested": [{"host": "h"}]}));
        let told: Vec<(String, ProblemKind)> =
            reading.problems.iter().map(|problem| (problem.to_string(), problem.kind)).collect();
        assert_eq!(
            told,
            [
                ("`source.URI`: the key is written `uri`".to_owned(), ProblemKind::KeyInOtherCase),
                ("`source.Nested`: the key is written `nested`".to_owned(), ProblemKind::KeyInOtherCase),
                ("`source.Nested[0].HOST`: the key is written `host`".to_owned(), ProblemKind::KeyInOtherCase),
            ]
        );
        for (key, other) in [("uri", "URI"), ("URI", "Uri")] {
            let reading = sample(json!({key: "u", other: "v"}));
            assert_eq!(reading.value, json!({"uri": "u"}));
            let last = reading.problems.last().map(|problem| (problem.path.clone(), problem.kind));
            assert_eq!(last, Some((format!("source.{other}"), ProblemKind::MisspeltKey)));
        }
    }

    #[test]
    fn values_of_programs_stay_as_they_are() {
        let value = json!({"uri": "u \n", "branch": "", "paths": [""], "args": {}});
        let reading = read(&schema_of::<Sample>(), value.clone(), "version", Vars::Resolved, Leniency::Verbatim);
        assert_eq!((reading.problems, reading.value), (Vec::new(), value));
    }

    #[test]
    fn an_unknown_key_does_not_keep_the_rest_of_an_alternative_from_being_read() {
        let reading = sample(json!({"uri": "u", "mirror": {"host": "h", "port": "5000", "email": "e"}}));
        let told: Vec<String> = reading.problems.iter().map(|problem| problem.path.clone()).collect();
        assert_eq!(told, ["source.mirror.email"]);
        assert_eq!(reading.value, json!({"uri": "u", "mirror": {"host": "h", "port": 5000}}));
    }

    #[test]
    fn secrets_are_noticed_wherever_they_stand_and_never_shown() {
        let reading = sample(json!({"uri": "u", "password": ["hunter2"], "nested": [{"host": "h", "key": "KEY"}]}));
        assert_eq!(reading.secrets, ["hunter2", "KEY"]);
        assert_eq!(reading.problems.len(), 1);
        assert!(!format!("{:?}", reading.problems).contains("hunter2"));
    }

    #[test]
    fn vars_of_a_pipeline_file_stand_for_anything() {
        let value = json!({"uri": "https://((host))/x", "depth": "((depth))", "paths": "((paths))", "state": "{{s}}"});
        let reading = read(&schema_of::<Sample>(), value.clone(), "source", Vars::Allowed, Leniency::Pipeline);
        assert_eq!(reading.problems, []);
        assert!(reading.has_vars);
        assert_eq!(sample(value).problems.len(), 3);
    }

    #[test]
    fn the_nearest_word_is_one_that_a_person_may_have_meant() {
        let keys = ["branch", "uri", "skip_ssl_verification", "disable_ci_skip"];
        assert_eq!(nearest("skipSSLVerification", keys), Some("skip_ssl_verification"));
        assert_eq!(nearest("skip-ssl-verification", keys), Some("skip_ssl_verification"));
        assert_eq!(nearest("url", keys), Some("uri"));
        assert_eq!(nearest("colour", keys), None);
    }
}
