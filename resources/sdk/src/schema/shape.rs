//! Queries on a JSON Schema: the types, words and alternatives that it allows.

use serde_json::Value;

/// Marks a key whose empty value differs from an absent one: `#[schemars(extend("x-keeps-empty" = true))]` on the field.
pub(super) const KEEPS_EMPTY: &str = "x-keeps-empty";

/// Marks a key whose text may end with a significant blank, such as a pattern for sentences:
/// `#[schemars(extend("x-keeps-blanks" = true))]` on the field.
pub(super) const KEEPS_BLANKS: &str = "x-keeps-blanks";

/// Whether a schema has the mark [`KEEPS_EMPTY`] or [`KEEPS_BLANKS`].
pub(super) fn has_mark(schema: &Value, mark: &str) -> bool {
    schema.get(mark) == Some(&Value::Bool(true))
}

/// Whether a schema allows any value. Null is then a value like any other.
pub(super) fn is_anything(schema: &Value) -> bool {
    let keywords = ["$ref", "type", "const", "enum", "anyOf", "oneOf", "allOf"];
    keywords.iter().all(|keyword| schema.get(keyword).is_none())
}

/// Follows `$ref`s to the schema that they name.
pub(crate) fn resolve<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let mut schema = schema;
    // The limit protects from a `$ref` loop. Schemas of Rust types have chains of one or two.
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

/// The alternatives of an `anyOf` or `oneOf`, without the null that an `Option` adds.
pub(crate) fn alternatives(schema: &Value) -> Option<Vec<&Value>> {
    let list = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
    Some(list.iter().filter(|item| item.get("type").and_then(Value::as_str) != Some("null")).collect())
}

/// The allowed words, if a schema allows only words.
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

/// What a schema allows, in terms that a pipeline's author knows.
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

/// The smallest and the largest number that an integer schema allows.
pub(super) fn bounds(schema: &Value) -> (i128, i128) {
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

/// The words in backticks: `` `a`, `b` or `c` ``.
pub(super) fn one_of_words(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    enumerate(&quoted, "or")
}

/// The names as a list in a sentence: `a, b or c`.
pub(super) fn enumerate(names: &[String], conjunction: &str) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
    }
}
