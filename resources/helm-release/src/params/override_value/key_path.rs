//! The key of a value, in the notation of `helm --set`: `image.tag`, `hosts[0].name`, and `\.` for a dot in a name.

use std::fmt;

use serde_json::{Map, Value};

/// The largest list index that helm accepts.
const MAX_INDEX: usize = 65_536;

/// The deepest nesting of names that helm accepts.
const MAX_DEPTH: usize = 30;

/// The special characters in a key.
const SPECIAL: &[char] = &['\\', '.', '[', '=', ','];

/// The path of a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyPath(Vec<Step>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into a map.
    Name(String),
    /// Into a list.
    Index(usize),
}

impl KeyPath {
    /// Parses a key, or returns what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut names = 0;
        let mut rest = text.chars().peekable();
        loop {
            let mut name = String::new();
            let mut end = None;
            while let Some(character) = rest.next() {
                match character {
                    '\\' => name.push(rest.next().ok_or("must not end with a single `\\`")?),
                    '.' | '[' => {
                        end = Some(character);
                        break;
                    }
                    '=' | ',' => {
                        return Err(format!("contains `{character}`; write it as `\\{character}`"));
                    }
                    character => name.push(character),
                }
            }
            if name.is_empty() {
                return Err("has a part without a name".to_owned());
            }
            steps.push(Step::Name(name));
            names += 1;
            if names > MAX_DEPTH {
                return Err(format!("has more than {MAX_DEPTH} nested names"));
            }
            while end == Some('[') {
                let mut index = String::new();
                loop {
                    match rest.next() {
                        Some(']') => break,
                        Some(character) => index.push(character),
                        None => return Err("has a `[` without a `]`".to_owned()),
                    }
                }
                let number = index.parse().ok().filter(|number| *number <= MAX_INDEX);
                let number = number
                    .ok_or_else(|| format!("contains `[{index}]`; an index is a number from 0 to {MAX_INDEX}"))?;
                steps.push(Step::Index(number));
                end = rest.next();
            }
            match end {
                None => return Ok(Self(steps)),
                Some('.') => {}
                Some(other) => return Err(format!("has `{other}` directly after a `]`")),
            }
        }
    }

    /// The path up to the first index; `None` without an index.
    pub(crate) fn list(&self) -> Option<Self> {
        let first = self.0.iter().position(|step| matches!(step, Step::Index(_)))?;
        Some(Self(self.0.iter().take(first).cloned().collect()))
    }

    /// The path with one more step.
    pub(crate) fn child(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// Finds the value at the path.
    pub(crate) fn find<'v>(&self, values: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(values, |value, step| match step {
            Step::Name(name) => value.get(name),
            Step::Index(index) => value.get(index),
        })
    }

    /// Sets the value at the path. Values of another type on the way are replaced; existing maps are merged.
    pub(crate) fn set(&self, values: &mut Value, value: Value) {
        let mut place = values;
        for step in &self.0 {
            place = match step {
                Step::Name(name) => {
                    if !place.is_object() {
                        *place = Value::Object(Map::new());
                    }
                    // Indexing a `Map` inserts a missing key.
                    &mut place[name.as_str()]
                }
                Step::Index(index) => entry(place, *index),
            };
        }
        merge(place, value);
    }
}

/// The item of a list, which is filled with `null` up to the index.
#[allow(clippy::indexing_slicing, reason = "the list has just been made that long")]
fn entry(place: &mut Value, index: usize) -> &mut Value {
    if !place.is_array() {
        *place = Value::Array(Vec::new());
    }
    if let Value::Array(items) = &mut *place
        && items.len() <= index
    {
        items.resize(index + 1, Value::Null);
    }
    &mut place[index]
}

/// Replaces `old` by `new`; maps are merged, as helm merges several files.
fn merge(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                merge(old.entry(key).or_insert(Value::Null), value);
            }
        }
        (old, new) => *old = new,
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Name(name) => {
                    if position > 0 {
                        formatter.write_str(".")?;
                    }
                    for character in name.chars() {
                        if SPECIAL.contains(&character) {
                            formatter.write_str("\\")?;
                        }
                        write!(formatter, "{character}")?;
                    }
                }
                Step::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn set(values: &Value, key: &str, value: Value) -> Value {
        let mut values = values.clone();
        KeyPath::parse(key).unwrap().set(&mut values, value);
        values
    }

    #[test]
    fn sets_values_at_the_same_paths_as_helm() {
        for (key, made) in [
            ("a", json!({ "a": 1 })),
            ("a.b", json!({ "a": { "b": 1 } })),
            (r"a\.b\\.c", json!({ "a.b\\": { "c": 1 } })),
            (r"a\=b\,c\[0]", json!({ "a=b,c[0]": 1 })),
            ("a]b", json!({ "a]b": 1 })),
            ("a.b[1].c", json!({ "a": { "b": [null, { "c": 1 }] } })),
            ("a[0][1]", json!({ "a": [[null, 1]] })),
            (" a b", json!({ " a b": 1 })),
        ] {
            assert_eq!(set(&json!({}), key, json!(1)), made, "{key}");
        }
    }

    #[test]
    fn set_keeps_other_values() {
        let values = json!({ "a": { "x": 1 }, "l": [{ "n": 1, "m": 2 }, 3] });
        assert_eq!(set(&values, "a.y", json!(2))["a"], json!({ "x": 1, "y": 2 }));
        assert_eq!(set(&values, "a", json!({ "y": 2 }))["a"], json!({ "x": 1, "y": 2 }));
        assert_eq!(set(&values, "l[0].n", json!(5))["l"], json!([{ "n": 5, "m": 2 }, 3]));
        assert_eq!(set(&values, "l[1].n", json!(5))["l"], json!([{ "n": 1, "m": 2 }, { "n": 5 }]));
        assert_eq!(set(&values, "a[0]", json!(5))["a"], json!([5]));
        assert_eq!(set(&values, "a", Value::Null)["a"], Value::Null);
    }

    #[test]
    fn rejects_malformed_keys() {
        for (key, words) in [
            ("", "part without a name"),
            ("a..b", "part without a name"),
            (".a", "part without a name"),
            ("a.", "part without a name"),
            ("[0]", "part without a name"),
            ("a[0].[1]", "part without a name"),
            ("a\\", "single `\\`"),
            ("a=b", "`\\=`"),
            ("a,b", "`\\,`"),
            ("a[0", "without a `]`"),
            ("a[-1]", "`[-1]`"),
            ("a[]", "`[]`"),
            ("a[65537]", "0 to 65536"),
            ("a[0]b", "directly after a `]`"),
            (&["a"; 31].join("."), "more than 30 nested names"),
        ] {
            let problem = KeyPath::parse(key).unwrap_err();
            assert!(problem.contains(words), "{key}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn displayed_key_parses_to_the_same_path(text in r"[ab.\\\[\]0=,é ]{0,12}") {
            if let Ok(path) = KeyPath::parse(&text) {
                prop_assert_eq!(KeyPath::parse(&path.to_string()), Ok(path.clone()));
                let mut values = Value::Null;
                path.set(&mut values, Value::from("x"));
                prop_assert_eq!(path.find(&values), Some(&Value::from("x")));
            }
        }
    }
}
