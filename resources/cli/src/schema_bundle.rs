//! Writes the schemas of all types to files, with one more schema for whole pipelines.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use jetway::{ResourceType, Result};
use serde_json::{Map, Value, json};

use crate::catalogue::Catalogue;
use crate::type_schema::{DIALECT, VAR, allow_vars, parts, whole};

/// Writes `TYPE.json` for each type, and `pipeline.json`. Creates the directory if it does not exist.
pub(crate) fn write(directory: &Path, catalogue: &Catalogue) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create directory `{}`", directory.display()))?;
    let of_types = catalogue.types().iter().map(|kind| (kind.name(), whole(*kind)));
    for (name, schema) in of_types.chain([("pipeline", pipeline(catalogue))]) {
        let path = directory.join(format!("{name}.json"));
        fs::write(&path, format!("{schema:#}\n")).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}

/// The schema of a pipeline. It covers the sources of resources and resource types. It does not cover the params of a step:
/// they depend on the type of another entry, which JSON Schema cannot look up but `jetway validate` can.
fn pipeline(catalogue: &Catalogue) -> Value {
    let mut definitions = Map::new();
    let mut rules = Vec::new();
    for kind in catalogue.types() {
        let rule = of_type(*kind, &mut definitions);
        let every = json!({ "items": rule });
        let held = json!({ "properties": { "resources": every, "resource_types": every } });
        rules.push(json!({ "if": is_redefined(kind.name()), "else": held }));
    }
    let named = json!({
        "type": "object",
        "required": ["name", "type"],
        "properties": { "name": { "type": "string" }, "type": { "type": "string" } },
    });
    definitions.insert("typed".to_owned(), named);
    let list = json!({ "type": "array", "items": { "$ref": "#/$defs/typed" } });
    json!({
        "$schema": DIALECT,
        "title": "A Concourse pipeline",
        "description": "Validates the resources of Jetway types; accepts anything else.",
        "type": "object",
        "properties": { "resources": list, "resource_types": list },
        "allOf": rules,
        "$defs": definitions,
    })
}

/// A schema that matches if the pipeline redefines the name of a Jetway type with another image, or sets `defaults` for
/// the type. In both cases a source cannot be validated by itself.
fn is_redefined(name: &str) -> Value {
    let ours = json!({ "pattern": format!("(^|/)jetway-{name}([:@]|$)") });
    let theirs = json!({ "not": { "required": ["repository"], "properties": { "repository": ours } } });
    let definition = json!({
        "required": ["name"],
        "properties": { "name": { "const": name } },
        "anyOf": [{ "properties": { "source": theirs } }, { "required": ["defaults"] }],
    });
    json!({ "required": ["resource_types"], "properties": { "resource_types": { "contains": definition } } })
}

/// The rule for entries of this type.
fn of_type(kind: ResourceType, definitions: &mut Map<String, Value>) -> Value {
    let name = kind.name();
    let mut own = Map::new();
    let mut parts = parts(kind, &format!("{name}."), &mut own);
    let mut source = parts.shift_remove("source").unwrap_or_default();
    let is_required = source.get("required").is_some();
    allow_vars(&mut source);
    own.values_mut().for_each(allow_vars);
    let of_source = format!("{name}.source.");
    definitions.extend(own.into_iter().filter(|(name, _)| name.starts_with(&of_source)));
    let is_it = json!({ "required": ["type"], "properties": { "type": { "enum": [name, format!("jetway-{name}")] } } });
    let var = json!({ "type": "string", "pattern": VAR });
    let mut rule = json!({ "properties": { "source": { "anyOf": [source, var] } } });
    if let (Some(rule), true) = (rule.as_object_mut(), is_required) {
        rule.insert("required".to_owned(), json!(["source"]));
    }
    json!({ "if": is_it, "then": rule })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::catalogue;

    #[test]
    fn pipeline_schema_has_a_rule_for_each_type() {
        let schema = pipeline(&catalogue());
        let rules = schema["allOf"].as_array().unwrap();
        assert_eq!(rules.len(), catalogue().types().len());
        for list in ["resources", "resource_types"] {
            let rule = &rules[0]["else"]["properties"][list]["items"];
            assert_eq!(rule["if"]["properties"]["type"]["enum"], json!(["example", "jetway-example"]));
            assert_eq!(rule["then"]["required"], json!(["source"]));
        }
        let definitions: Vec<_> = schema["$defs"].as_object().unwrap().keys().collect();
        assert!(definitions.contains(&&"example.source.Host".to_owned()), "{definitions:?}");
        assert!(definitions.iter().all(|name| *name == "typed" || name.contains(".source.")), "{definitions:?}");
    }
}
