//! Reads an untyped value by the JSON Schema of its type.

use serde_json::{Map, Number, Value};

use super::misspelling::misspelt_key;
use super::problem::{Problem, ProblemKind, join_path};
use super::shape::{
    KEEPS_BLANKS, KEEPS_EMPTY, alternatives, bounds, describe, enumerate, has_mark, is_anything, one_of_words, resolve,
    types, words,
};
use super::suggestion::{nearest, unknown_key_hint};
use super::trim::Trim;
use super::vars::{contains_var, is_one_var};

/// Whether a value may contain `((vars))`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vars {
    /// None are left: Concourse has resolved them.
    Resolved,
    /// Vars may occur anywhere, because the value comes from a pipeline file.
    Allowed,
}

/// How closely a value must match its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leniency {
    /// For values that people write: unset values are absent, blanks at the end of text are trimmed, keys may be in another
    /// case.
    Pipeline,
    /// For values that programs write, such as versions: text stays unchanged.
    Verbatim,
}

/// The result of reading a value by its schema.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The value, with every scalar converted to the expected type. Unspecified if there are problems.
    pub(crate) value: Value,
    /// All problems of the value.
    pub(crate) problems: Vec<Problem>,
    /// The values that the schema marks as secret.
    pub(crate) secrets: Vec<String>,
    /// Whether the value contains a `((var))`, so that it is not final.
    pub(crate) has_vars: bool,
}

/// Reads `value` by `schema`. The paths of problems begin with `path`.
pub(crate) fn read(schema: &Value, value: Value, path: &str, vars: Vars, leniency: Leniency) -> Reading {
    let mut reader = Reader { root: schema, vars, leniency, reading: Reading::default() };
    let trim = if leniency == Leniency::Pipeline { Trim::Blanks } else { Trim::Nothing };
    let value = reader.value(schema, value, path, Handling { visibility: Visibility::Shown, trim });
    reader.reading.value = value;
    reader.reading
}

/// Whether a message may contain a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visibility {
    Shown,
    Hidden,
}

/// How the values below a key are read. A nested schema may change it.
#[derive(Clone, Copy)]
struct Handling {
    visibility: Visibility,
    trim: Trim,
}

impl Handling {
    /// The handling of a value that `schema` describes.
    fn below(self, schema: &Value) -> Self {
        let is_secret = schema.get("writeOnly") == Some(&Value::Bool(true));
        let trim = match self.trim {
            Trim::Blanks if is_secret || has_mark(schema, KEEPS_BLANKS) => Trim::LineBreaks,
            other => other,
        };
        Self { visibility: if is_secret { Visibility::Hidden } else { self.visibility }, trim }
    }
}

struct Reader<'s> {
    root: &'s Value,
    vars: Vars,
    leniency: Leniency,
    reading: Reading,
}

impl<'s> Reader<'s> {
    fn value(&mut self, schema: &'s Value, value: Value, path: &str, handling: Handling) -> Value {
        let handling = handling.below(schema);
        let schema = resolve(self.root, schema);
        let handling = handling.below(schema);
        if handling.visibility == Visibility::Hidden {
            collect_text(&value, &mut self.reading.secrets);
        }
        let value = match value {
            Value::String(text) if !is_anything(schema) => Value::String(handling.trim.trimmed(text)),
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
            return self.word(&words, value, path, handling.visibility);
        }
        if let Some(alternatives) = alternatives(schema) {
            return self.one_of(&alternatives, value, path, handling);
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
            Some(&"array") => self.list(schema, value, path, handling),
            Some(&"object") => self.object(schema, value, path, handling),
            // The schema names no type, or one that JSON Schema does not define.
            None | Some(_) => value,
        }
    }

    fn word(&mut self, words: &[&str], value: Value, path: &str, visibility: Visibility) -> Value {
        let Some(text) = scalar_text(&value) else {
            self.expected(&one_of_words(words), &value, path);
            return value;
        };
        if words.contains(&text.as_str()) || (self.vars == Vars::Allowed && contains_var(&text)) {
            return Value::String(text);
        }
        let hint = nearest(&text, words.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let message = match visibility {
            Visibility::Shown => format!("expected {}, found `{text}`", one_of_words(words)),
            Visibility::Hidden => format!("expected {}", one_of_words(words)),
        };
        self.problem(path, message, hint);
        value
    }

    fn one_of(&mut self, alternatives: &[&'s Value], value: Value, path: &str, handling: Handling) -> Value {
        if let [only] = alternatives {
            return self.value(only, value, path, handling);
        }
        let mut readable = None;
        let mut of_this_kind = None;
        for alternative in alternatives {
            let mut attempt =
                Reader { root: self.root, vars: self.vars, leniency: self.leniency, reading: Reading::default() };
            let read = attempt.value(alternative, value.clone(), path, handling);
            self.reading.secrets.append(&mut attempt.reading.secrets);
            self.reading.has_vars |= attempt.reading.has_vars;
            let problems = attempt.reading.problems;
            if problems.is_empty() {
                return read;
            }
            // An alternative still matches if only its unknown keys are problems.
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
                // The number is not shown: it may be the resolved value of a secret var.
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

    fn list(&mut self, schema: &'s Value, value: Value, path: &str, handling: Handling) -> Value {
        let Value::Array(items) = value else {
            return self.expected("a list", &value, path);
        };
        let item_schema = schema.get("items").unwrap_or(&Value::Bool(true));
        let read = |(index, item): (usize, Value)| self.value(item_schema, item, &format!("{path}[{index}]"), handling);
        Value::Array(items.into_iter().enumerate().map(read).collect())
    }

    fn object(&mut self, schema: &'s Value, value: Value, path: &str, handling: Handling) -> Value {
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
            let at = join_path(path, &key);
            let name = match known {
                Some(known) if self.leniency == Leniency::Pipeline && others.is_none() && !known.contains_key(&key) => {
                    self.in_other_case(&key, known, &mut written, &at).unwrap_or(key)
                }
                _ => key,
            };
            match (known.and_then(|known| known.get(&name)), others) {
                (Some(schema), _) if !required.contains(&name.as_str()) && self.is_unset(schema, &item) => {}
                // A required key that is null is reported as missing and not as a wrong type.
                (Some(schema), _) if item.is_null() && !is_anything(schema) => {}
                (Some(schema), _) => {
                    let item = self.value(schema, item, &at, handling);
                    read.insert(name, item);
                }
                (None, Some(schema)) => {
                    // The pipeline's author chooses these keys and values, so that a blank or empty value may be significant.
                    let item = self.value(schema, item, &at, Handling { trim: Trim::Nothing, ..handling });
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
                self.problem(&join_path(path, key), "required, but missing".to_owned(), None);
            }
        }
        Value::Object(read)
    }

    /// Whether a value means "not set": null (an undefined anchor, an empty line), an empty object, or the blank text that an
    /// unset variable becomes, alone or in a list.
    fn is_unset(&self, schema: &Value, value: &Value) -> bool {
        if is_anything(schema) {
            return false;
        }
        let is_blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        value.is_null()
            || (self.leniency == Leniency::Pipeline
                && !has_mark(schema, KEEPS_EMPTY)
                && match value {
                    Value::Array(items) => !items.is_empty() && items.iter().all(is_blank),
                    Value::Object(entries) => entries.is_empty(),
                    other => is_blank(other),
                })
    }

    /// The known key that differs from `key` only in case, unless the request has it too. Go's JSON decoder accepts it as well.
    fn in_other_case(
        &mut self,
        key: &str,
        known: &Map<String, Value>,
        written: &mut Vec<String>,
        at: &str,
    ) -> Option<String> {
        let name = known.keys().find(|name| name.eq_ignore_ascii_case(key) && !written.contains(name))?;
        // A second key in yet another case must not overwrite the first.
        written.push(name.clone());
        let message = format!("the key is written `{name}`");
        self.reading.problems.push(Problem::of_kind(ProblemKind::KeyInOtherCase, at, message, None));
        Some(name.clone())
    }

    fn unknown_key(&mut self, key: &str, known: Option<&Map<String, Value>>, at: String) {
        let names = known.into_iter().flat_map(Map::keys).map(String::as_str);
        let problem = match misspelt_key(key, names) {
            Some(near) => {
                let hint = format!("did you mean `{near}`?");
                Problem::of_kind(ProblemKind::MisspeltKey, at, "unknown key", Some(hint))
            }
            None => Problem::of_kind(ProblemKind::UnknownKey, at, "unknown key", unknown_key_hint(key, known)),
        };
        self.reading.problems.push(problem);
    }

    /// Adds the problem that a value has the wrong type. The message names only its type, since the value may be a misplaced
    /// secret.
    fn expected(&mut self, expected: &str, found: &Value, path: &str) -> Value {
        self.problem(path, format!("expected {expected}, found {}", kind(found)), None);
        Value::Null
    }

    fn problem(&mut self, path: &str, message: String, hint: Option<String>) {
        self.reading.problems.push(Problem::of_kind(ProblemKind::Invalid, path, message, hint));
    }
}

/// The text of a scalar as the pipeline's author wrote it; `None` for null, lists and objects.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn whole_number(text: &str) -> Option<i128> {
    // Some YAML parsers turn `3` into `3.0`.
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
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

fn collect_text(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_text(item, texts)),
        Value::Object(entries) => entries.values().for_each(|item| collect_text(item, texts)),
        scalar => texts.extend(scalar_text(scalar)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema_of;
    use super::*;
    use crate::secret::Secret;
    use schemars::JsonSchema;
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
    fn converts_scalars_to_the_expected_type() {
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
    fn reports_every_problem_at_once() {
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
    fn reports_the_legal_words_and_the_nearest_for_a_wrong_word() {
        assert_eq!(
            problems(json!({"uri": "u", "state": "failed"})),
            ["`source.state`: expected `success` or `failure`, found `failed`; did you mean `failure`?"]
        );
    }

    #[test]
    fn accepts_a_word_or_a_list_if_the_type_allows_both() {
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
    fn treats_null_as_absent() {
        let reading = sample(json!({"uri": "u", "branch": null, "depth": null, "paths": null}));
        assert_eq!(reading.problems, []);
        assert_eq!(reading.value, json!({"uri": "u"}));
        assert_eq!(problems(json!({"uri": null})), ["`source.uri`: required, but missing"]);
        // A key that allows any value keeps it.
        let reading = sample(json!({"uri": "u", "anything": null}));
        assert_eq!(reading.value, json!({"uri": "u", "anything": null}));
    }

    #[test]
    fn treats_unset_variables_as_absent() {
        let unset = json!({
            "uri": "u", "branch": "", "depth": "", "force": "", "password": " ", "paths": [""], "state": "\n",
            "submodules": {}, "nested": {}, "args": {}, "mirror": {},
        });
        let reading = sample(unset);
        assert_eq!(reading.problems, []);
        assert_eq!(reading.value, json!({"uri": "u"}));
        // Empty text is a value if the key allows any value, and below a map whose keys the author chooses.
        let values = json!({"uri": "u", "anything": "", "args": {"a": ""}, "describe": "", "paths": ["a", ""]});
        let reading = sample(values.clone());
        assert_eq!((reading.problems, reading.value), (Vec::new(), values));
    }

    #[test]
    fn trims_insignificant_line_endings_and_blanks() {
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
    fn reads_keys_in_another_case_unless_the_exact_key_exists() {
        let reading = sample(json!({"URI": "u", "Nested": [{"HOST": "h"}]}));
        assert_eq!(reading.value, json!({"uri": "u", "nested": [{"host": "h"}]}));
        let problems: Vec<(String, ProblemKind)> =
            reading.problems.iter().map(|problem| (problem.to_string(), problem.kind)).collect();
        assert_eq!(
            problems,
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
    fn keeps_verbatim_values_unchanged() {
        let value = json!({"uri": "u \n", "branch": "", "paths": [""], "args": {}});
        let reading = read(&schema_of::<Sample>(), value.clone(), "version", Vars::Resolved, Leniency::Verbatim);
        assert_eq!((reading.problems, reading.value), (Vec::new(), value));
    }

    #[test]
    fn reads_an_alternative_that_has_an_unknown_key() {
        let reading = sample(json!({"uri": "u", "mirror": {"host": "h", "port": "5000", "email": "e"}}));
        let problems: Vec<String> = reading.problems.iter().map(|problem| problem.path.clone()).collect();
        assert_eq!(problems, ["source.mirror.email"]);
        assert_eq!(reading.value, json!({"uri": "u", "mirror": {"host": "h", "port": 5000}}));
    }

    #[test]
    fn collects_secrets_at_any_depth_and_never_shows_them() {
        let reading = sample(json!({"uri": "u", "password": ["hunter2"], "nested": [{"host": "h", "key": "KEY"}]}));
        assert_eq!(reading.secrets, ["hunter2", "KEY"]);
        assert_eq!(reading.problems.len(), 1);
        assert!(!format!("{:?}", reading.problems).contains("hunter2"));
    }

    #[test]
    fn accepts_vars_for_values_of_any_type() {
        let value = json!({"uri": "https://((host))/x", "depth": "((depth))", "paths": "((paths))", "state": "{{s}}"});
        let reading = read(&schema_of::<Sample>(), value.clone(), "source", Vars::Allowed, Leniency::Pipeline);
        assert_eq!(reading.problems, []);
        assert!(reading.has_vars);
        assert_eq!(sample(value).problems.len(), 3);
    }
}
