//! The JSON Schemas of a type's parts, adapted for editing pipelines.

use jetway::{Part, ResourceType};
use serde_json::{Map, Value, json};

/// The JSON Schema dialect of all schemas.
pub(crate) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Matches text that consists of one var.
pub(crate) const VAR: &str = r"^\(\(.+\)\)$";

/// The parts of a type, by the names that `--part` takes.
const PARTS: [(&str, Part); 4] =
    [("source", Part::Source), ("get", Part::GetParams), ("put", Part::PutParams), ("version", Part::Version)];

/// The schema of a type, for editors.
pub(crate) fn whole(kind: ResourceType) -> Value {
    with_vars(all_parts(kind))
}

/// The schema, with a var allowed in place of every value.
pub(crate) fn with_vars(mut schema: Value) -> Value {
    allow_vars(&mut schema);
    schema
}

/// One schema with a property for each part, named as in `--part`.
fn all_parts(kind: ResourceType) -> Value {
    let mut definitions = Map::new();
    let properties = parts(kind, "", &mut definitions);
    let mut document = json!({
        "$schema": DIALECT,
        "title": format!("jetway {}", kind.name()),
        "description": kind.about(),
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if let (Some(object), false) = (document.as_object_mut(), definitions.is_empty()) {
        object.insert("$defs".to_owned(), Value::Object(definitions));
    }
    document
}

/// The schema of each part. Its definitions are added to `definitions` under names that start with `prefix` and the part's name,
/// because two parts may define a type of the same name.
pub(crate) fn parts(kind: ResourceType, prefix: &str, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let mut parts = Map::new();
    for (name, part) in PARTS {
        let mut schema = kind.schema(part);
        let prefix = format!("{prefix}{name}");
        point_into(&prefix, &mut schema);
        if let Some(object) = schema.as_object_mut() {
            object.shift_remove("$schema");
            if let Some(Value::Object(own)) = object.shift_remove("$defs") {
                definitions.extend(own.into_iter().map(|(name, schema)| (format!("{prefix}.{name}"), schema)));
            }
        }
        parts.insert(name.to_owned(), schema);
    }
    parts
}

/// Rewrites references to a part's definitions to their place in the whole document.
fn point_into(prefix: &str, schema: &mut Value) {
    match schema {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value.as_str().and_then(|target| target.strip_prefix("#/$defs/")) {
                    Some(name) if key == "$ref" => *value = json!(format!("#/$defs/{prefix}.{name}")),
                    _ => point_into(prefix, value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| point_into(prefix, item)),
        _ => {}
    }
}

/// Allows what a pipeline allows: a var in place of every value, a number or boolean in place of text, and quoted numbers and
/// booleans. Otherwise an editor would mark `((depth))` as an error where a number is expected.
pub(crate) fn allow_vars(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    for key in ["properties", "$defs"] {
        if let Some(Value::Object(schemas)) = object.get_mut(key) {
            for schema in schemas.values_mut() {
                allow_vars(schema);
                if key == "properties" {
                    or_var(schema);
                }
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(schema) = object.get_mut(key).filter(|schema| schema.is_object()) {
            allow_vars(schema);
            or_var(schema);
        }
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(Value::Array(schemas)) = object.get_mut(key) {
            schemas.iter_mut().for_each(allow_vars);
        }
    }
}

fn or_var(schema: &mut Value) {
    if let Some(types) = free_text(schema) {
        if let Some(object) = schema.as_object_mut() {
            object.insert("type".to_owned(), types);
        }
        return;
    }
    let as_text = match schema.get("type").and_then(Value::as_str) {
        Some("boolean") => Some(json!({ "enum": ["true", "false"] })),
        Some("integer") => Some(json!({ "type": "string", "pattern": r"^\s*-?[0-9]+(\.0)?\s*$" })),
        Some("number") => Some(json!({ "type": "string", "pattern": r"^\s*-?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?\s*$" })),
        _ => None,
    };
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    // The title, description and default apply to the key, whether its value is a var or not.
    let mut outer = Map::new();
    for key in ["title", "description", "default"] {
        outer.extend(object.shift_remove(key).map(|value| (key.to_owned(), value)));
    }
    let var = json!({ "type": "string", "pattern": VAR });
    let itself = Value::Object(std::mem::take(object));
    let choices: Vec<Value> = [itself].into_iter().chain(as_text).chain([var]).collect();
    outer.insert("anyOf".to_owned(), json!(choices));
    *object = outer;
}

/// The JSON types for unrestricted text. They include numbers and booleans, which are read as text: a numeric id, a version `1.10`.
fn free_text(schema: &Value) -> Option<Value> {
    if schema.get("enum").is_some() {
        return None;
    }
    let mut types: Vec<&str> = match schema.get("type")? {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    if !types.contains(&"string") {
        return None;
    }
    for scalar in ["number", "boolean"] {
        if !types.contains(&scalar) {
            types.push(scalar);
        }
    }
    Some(json!(types))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::catalogue;

    #[test]
    fn every_reference_has_a_target() {
        fn targets(schema: &Value, found: &mut Vec<String>) {
            match schema {
                Value::Object(entries) => {
                    found.extend(entries.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    entries.values().for_each(|value| targets(value, found));
                }
                Value::Array(items) => items.iter().for_each(|item| targets(item, found)),
                _ => {}
            }
        }
        let document = all_parts(catalogue().types()[0]);
        let mut found = Vec::new();
        targets(&document, &mut found);
        assert!(found.contains(&"#/$defs/source.Host".to_owned()), "{found:?}");
        for target in found {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        }
        assert_eq!(
            document["properties"].as_object().unwrap().keys().collect::<Vec<_>>(),
            ["source", "get", "put", "version"]
        );
    }

    #[test]
    fn vars_may_replace_values_of_any_type() {
        let mut schema = catalogue().types()[0].schema(Part::Source);
        allow_vars(&mut schema);
        let var = json!({ "type": "string", "pattern": r"^\(\(.+\)\)$" });
        let text = json!(["string", "number", "boolean"]);
        let paths = json!({ "type": "array", "items": { "type": text } });
        assert_eq!(schema["properties"]["paths"], json!({ "default": [], "anyOf": [paths, var] }));
        let in_quotes = json!({ "enum": ["true", "false"] });
        assert_eq!(schema["properties"]["force"]["anyOf"], json!([{ "type": "boolean" }, in_quotes, var]));
        assert_eq!(schema["properties"]["hosts"]["anyOf"][0]["items"]["anyOf"][1], var);
        assert_eq!(schema["properties"]["uri"]["type"], text);
        assert_eq!(schema["required"], json!(["uri"]));
    }
}
