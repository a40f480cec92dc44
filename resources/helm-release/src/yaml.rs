//! Writes values as YAML: in block style, with quotes only where they are necessary.
//!
//! The serializer of `serde-saphyr` would save 58 lines, but loses the text of numbers: `serde_json` passes a number that
//! keeps its text (`arbitrary_precision`) as a map, and a wrapper can pass only integers and floats. It also needs another package.

use std::fmt::Write as _;

use serde_json::Value;

/// Words that some version of YAML does not read as text.
const NON_TEXT_WORDS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];

/// The value as a document with a final line break.
pub(crate) fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(entries) if !entries.is_empty() => block(&mut text, value, 0),
        Value::Array(items) if !items.is_empty() => block(&mut text, value, 0),
        value => {
            flat(&mut text, value);
            text.push('\n');
        }
    }
    text
}

/// Writes a map or list that is not empty, each entry on its own lines.
fn block(text: &mut String, value: &Value, indent: usize) {
    let begin = |text: &mut String, head: &str, value: &Value| {
        let _ = write!(text, "{:indent$}{head}", "");
        match value {
            Value::Object(entries) if !entries.is_empty() => {
                text.push('\n');
                block(text, value, indent + 2);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                block(text, value, indent + 2);
            }
            value => {
                text.push(' ');
                flat(text, value);
                text.push('\n');
            }
        }
    };
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                begin(text, &format!("{}:", scalar(key)), value);
            }
        }
        Value::Array(items) => {
            for value in items {
                begin(text, "-", value);
            }
        }
        _ => {}
    }
}

/// Writes a value on one line: JSON is YAML.
fn flat(text: &mut String, value: &Value) {
    match value {
        Value::String(value) => text.push_str(&scalar(value)),
        value => text.push_str(&value.to_string()),
    }
}

/// Text, in quotes if YAML could read it as another type.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.len() <= 200
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "-_./".contains(character))
        && !NON_TEXT_WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain {
        return text.to_owned();
    }
    // Characters that JSON does not escape, but that YAML rejects or reads as line breaks.
    let escaped = |character| {
        matches!(character, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    Value::from(text).to_string().chars().fold(String::new(), |mut quoted, character| {
        if escaped(character) {
            let _ = write!(quoted, "\\u{:04x}", u32::from(character));
        } else {
            quoted.push(character);
        }
        quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn writes_readable_blocks() {
        let value = json!({
            "image": { "repository": "registry.test/app", "tag": "1.10" }, "flag": false, "none": null, "empty": {},
            "list": [1, "two", ["three"], { "four": [] }], "text": "yes", "lines": "a\nb\n", "a b": 1.5,
        });
        assert_eq!(
            document(&value),
            "image:\n  repository: registry.test/app\n  tag: \"1.10\"\nflag: false\nnone: null\nempty: {}\n\
             list:\n  - 1\n  - two\n  -\n    - three\n  -\n    four: []\ntext: \"yes\"\nlines: \"a\\nb\\n\"\n\
             \"a b\": 1.5\n"
        );
        assert_eq!(document(&json!({})), "{}\n");
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            "[-a-z0-9:#.~]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec(("[-a-z0-9: .]{0,5}", inner), 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn written_yaml_parses_to_the_same_value(value in values()) {
            let text = document(&value);
            let read: Value = serde_saphyr::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
            prop_assert_eq!(read, value, "{}", text);
        }
    }
}
