//! `override_values`: single values that override those of the files.
//!
//! All overrides go to helm in one private file, since every process can read arguments. Large integers are the exception: helm
//! reads `12345678` in a file as a float, which a template shows as `1.2345678e+07`.

use anyhow::{Context as _, anyhow};
use jetway::{Inputs, Redactor, Result};
use serde_json::{Map, Value};

use crate::params::override_value::key_path::{KeyPath, Step};
use crate::params::override_value::{Kind, Override, text};

/// The smallest integer that helm shows with an exponent if it comes from a file.
const LARGE_INTEGER: u64 = 1_000_000;

/// All overrides of a put, in helm's formats.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Overrides {
    /// The values for the file.
    pub(crate) values: Value,
    /// The arguments of `--set`, none of them hidden: `account=123456789012`.
    pub(crate) numbers: Vec<String>,
}

impl Overrides {
    /// Whether any override changes a list item, so that the list in the values files is needed.
    pub(crate) fn change_lists(overrides: &[Override]) -> bool {
        overrides.iter().any(|one| KeyPath::parse(&one.key).is_ok_and(|path| path.list().is_some()))
    }

    /// Merges the overrides; later ones have precedence. `below` holds the merged values of the files.
    pub(crate) fn gather(overrides: &[Override], below: &Value, inputs: &Inputs, redactor: &Redactor) -> Result<Self> {
        let mut values = Value::Object(Map::new());
        for one in overrides {
            let failed = || format!("cannot use the value of `{}`", one.key);
            let path = KeyPath::parse(&one.key).map_err(|problem| anyhow!("the key {problem}")).with_context(failed)?;
            let mut value = read(one, inputs, redactor).with_context(failed)?;
            if one.hide {
                large_integers_to_text(&mut value);
            }
            // A list in a later file replaces one in an earlier file, so the override must contain the whole list.
            if let Some(list) = path.list()
                && list.find(&values).is_none()
                && let Some(found) = list.find(below).filter(|found| found.is_array())
            {
                list.set(&mut values, found.clone());
            }
            path.set(&mut values, value);
        }
        let mut numbers = Vec::new();
        collect_large_integers(&values, &KeyPath::default(), &mut numbers);
        Ok(Self { values, numbers })
    }
}

/// Reads the value of an override, from a file of the inputs if it names one.
fn read(one: &Override, inputs: &Inputs, redactor: &Redactor) -> Result<Value> {
    let file = match (&one.path, &one.value, one.kind) {
        (Some(path), _, _) | (None, Some(Value::String(path)), Some(Kind::File)) => Some(path.as_str()),
        _ => None,
    };
    let text = match (file, &one.value) {
        (Some(file), _) => {
            let found = inputs.find(file)?.ok_or_else(|| anyhow!("there is no file `{file}` in the inputs"))?;
            let bytes = inputs.read(&found).with_context(|| format!("cannot read `{file}`"))?;
            let mut text = String::from_utf8(bytes).map_err(|_| anyhow!("the file `{file}` is not text"))?;
            if one.kind != Some(Kind::File) {
                text.truncate(text.trim_end_matches('\n').len());
            }
            if one.hide {
                redactor.add(&text);
            }
            text
        }
        (None, Some(Value::String(text))) => text.clone(),
        (None, Some(value)) if one.kind == Some(Kind::String) => match value {
            Value::Null => String::new(),
            value => value.to_string(),
        },
        (None, value) => return Ok(value.clone().unwrap_or_default()),
    };
    match one.kind {
        Some(Kind::String | Kind::File) => Ok(Value::String(text)),
        Some(Kind::Helm) => text::helm(&text).map_err(|problem| anyhow!(problem)),
        None => Ok(text::plain(&text)),
    }
}

pub(super) fn is_large_integer(value: &Value) -> bool {
    value.as_i64().is_some_and(|number| number.unsigned_abs() >= LARGE_INTEGER)
}

/// Turns large integers into text: templates show it unchanged, and it needs no argument.
pub(super) fn large_integers_to_text(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(large_integers_to_text),
        Value::Object(entries) => entries.values_mut().for_each(large_integers_to_text),
        value if is_large_integer(value) => *value = Value::String(value.to_string()),
        _ => {}
    }
}

fn collect_large_integers(value: &Value, path: &KeyPath, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_large_integers(item, &path.child(Step::Index(index)), found);
            }
        }
        Value::Object(entries) => {
            for (name, value) in entries {
                collect_large_integers(value, &path.child(Step::Name(name.clone())), found);
            }
        }
        value if is_large_integer(value) => found.push(format!("{path}={value}")),
        _ => {}
    }
}
