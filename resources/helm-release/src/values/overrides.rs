//! `override_values`: single values over those of the files, each at the place that its key names.
//!
//! All of them go to helm in one private file, so that none is in an argument that every user of the machine can read.
//! Large whole numbers are the exception, for helm's sake: out of a file it reads `12345678` as a fraction, which a template
//! shows as `1.2345678e+07`.

use anyhow::{Context as _, anyhow};
use jetway::{Inputs, Problems, Redactor, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::key_path::{KeyPath, Step};
use super::text;

/// The least number that helm shows with an exponent when it comes from a file.
const LARGE: u64 = 1_000_000;

/// One value.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Override {
    /// Where it belongs, as in `helm --set`: `image.tag`, `hosts[0].name`, and `\.` for a dot in a name.
    // A name may end with a blank.
    #[schemars(extend("x-keeps-blanks" = true))]
    pub key: String,

    /// The value: text, a number, true, false, null, a list, keys and values.
    #[serde(default, deserialize_with = "even_null")]
    #[schemars(with = "Value")]
    pub value: Option<Value>,

    /// A file in the inputs with the value, which goes before `value`.
    pub path: Option<String>,

    /// How text is read. Without it, `true`, `false`, `null` and whole numbers are what helm takes them for, `{a,b}` is a list,
    /// and all else is text as it is.
    #[serde(rename = "type")]
    pub kind: Option<Kind>,

    /// Mask the value wherever it would be shown.
    #[serde(default)]
    pub hide: bool,

    /// Taken as the established resource has it, without effect: commas and backslashes are what they are in any case.
    #[serde(default)]
    pub verbatim: bool,
}

/// How the text of a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is text, whatever it looks like.
    String,
    /// It is the text of the file in the inputs that `path` (or else `value`) names, down to the last line's end.
    File,
    /// It is read as `helm --set` reads it, `\,` for a comma included.
    Helm,
}

/// Tells null from nothing.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Override {
    /// Notes what is wrong with the entry of that number.
    pub(crate) fn rules(&self, index: usize, problems: &mut Problems) {
        let at = |key: &str| format!("override_values[{index}].{key}");
        if let Err(problem) = KeyPath::parse(&self.key) {
            problems.add(at("key"), problem);
        }
        match (&self.path, &self.value, self.kind) {
            (Some(path), _, _) => problems.require_input(&at("path"), path),
            (None, Some(Value::String(path)), Some(Kind::File)) => problems.require_input(&at("value"), path),
            (None, Some(_), Some(Kind::File)) => problems.add(at("value"), "expected the name of a file in the inputs"),
            (None, Some(Value::String(text)), Some(Kind::Helm)) => {
                if let Err(problem) = text::helm(text) {
                    problems.add(at("value"), problem);
                }
            }
            (None, Some(_), _) => {}
            (None, None, _) => problems.add_with_hint(
                at("value"),
                "required, but missing",
                "`path` names a file in the inputs with the value instead",
            ),
        }
    }

    /// The texts to mask, as far as they stand in the request.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        if self.hide && self.path.is_none() && self.kind != Some(Kind::File) {
            collect(self.value.as_ref().unwrap_or(&Value::Null), &mut secrets);
        }
        secrets
    }

    /// The value itself.
    fn read(&self, inputs: &Inputs, redactor: &Redactor) -> Result<Value> {
        let file = match (&self.path, &self.value, self.kind) {
            (Some(path), _, _) | (None, Some(Value::String(path)), Some(Kind::File)) => Some(path.as_str()),
            _ => None,
        };
        let text = match (file, &self.value) {
            (Some(file), _) => {
                let found = inputs.find(file)?.ok_or_else(|| anyhow!("there is no file `{file}` in the inputs"))?;
                let bytes = inputs.read(&found).with_context(|| format!("cannot read `{file}`"))?;
                let mut text = String::from_utf8(bytes).map_err(|_| anyhow!("the file `{file}` is not text"))?;
                if self.kind != Some(Kind::File) {
                    text.truncate(text.trim_end_matches('\n').len());
                }
                if self.hide {
                    redactor.add(&text);
                }
                text
            }
            (None, Some(Value::String(text))) => text.clone(),
            (None, Some(value)) if self.kind == Some(Kind::String) => match value {
                Value::Null => String::new(),
                value => value.to_string(),
            },
            (None, value) => return Ok(value.clone().unwrap_or_default()),
        };
        match self.kind {
            Some(Kind::String | Kind::File) => Ok(Value::String(text)),
            Some(Kind::Helm) => text::helm(&text).map_err(|problem| anyhow!(problem)),
            None => Ok(text::plain(&text)),
        }
    }
}

/// All texts and numbers in a value.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Number(number) => texts.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(entries) => entries.values().for_each(|value| collect(value, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// All overrides of a put, as helm is to get them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Overrides {
    /// For the file.
    pub(crate) values: Value,
    /// For `--set`, none of them hidden: `account=123456789012`.
    pub(crate) numbers: Vec<String>,
}

impl Overrides {
    /// Whether a value goes into a list, so that it matters which list the files have there.
    pub(crate) fn change_lists(overrides: &[Override]) -> bool {
        overrides.iter().any(|one| KeyPath::parse(&one.key).is_ok_and(|path| path.list().is_some()))
    }

    /// Puts them together, later ones over earlier ones. `below` is what the files say.
    pub(crate) fn gather(overrides: &[Override], below: &Value, inputs: &Inputs, redactor: &Redactor) -> Result<Self> {
        let mut values = Value::Object(Map::new());
        for one in overrides {
            let failed = || format!("cannot use the value of `{}`", one.key);
            let path = KeyPath::parse(&one.key).map_err(|problem| anyhow!("the key {problem}")).with_context(failed)?;
            let mut value = one.read(inputs, redactor).with_context(failed)?;
            if one.hide {
                spell_out(&mut value);
            }
            // A list in a later file takes the place of one in an earlier file, so that the whole of it is needed.
            if let Some(list) = path.list()
                && list.find(&values).is_none()
                && let Some(found) = list.find(below).filter(|found| found.is_array())
            {
                list.set(&mut values, found.clone());
            }
            path.set(&mut values, value);
        }
        let mut numbers = Vec::new();
        large_numbers(&values, &KeyPath::default(), &mut numbers);
        Ok(Self { values, numbers })
    }
}

pub(super) fn is_large(value: &Value) -> bool {
    value.as_i64().is_some_and(|number| number.unsigned_abs() >= LARGE)
}

/// Makes text of large numbers: it reads the same, and cannot be seen in an argument.
pub(super) fn spell_out(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(spell_out),
        Value::Object(entries) => entries.values_mut().for_each(spell_out),
        value if is_large(value) => *value = Value::String(value.to_string()),
        _ => {}
    }
}

fn large_numbers(value: &Value, path: &KeyPath, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                large_numbers(item, &path.below(Step::Index(index)), found);
            }
        }
        Value::Object(entries) => {
            for (name, value) in entries {
                large_numbers(value, &path.below(Step::Name(name.clone())), found);
            }
        }
        value if is_large(value) => found.push(format!("{path}={value}")),
        _ => {}
    }
}
