//! `jetway schema`: the JSON Schema of a type's parts, for editors.

use std::fmt::Write as _;

use anyhow::anyhow;
use jetway::{Advise as _, Part, ResourceType, Result, nearest};
use serde_json::{Map, Value, json};

use crate::catalogue::Catalogue;
use crate::print::print;

/// What `jetway schema` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArguments {
    /// The type; without it, the types are listed
    #[arg(value_name = "TYPE")]
    kind: Option<String>,

    /// Only this part, as a schema of its own
    #[arg(long, value_enum, requires = "kind")]
    part: Option<PartArgument>,
}

/// The parts by the names that a pipeline's author knows.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PartArgument {
    /// `source:` of a resource
    Source,
    /// `params:` of a get step
    Get,
    /// `params:` of a put step
    Put,
    /// A version
    Version,
}

impl PartArgument {
    const ALL: [Self; 4] = [Self::Source, Self::Get, Self::Put, Self::Version];

    fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Get => "get",
            Self::Put => "put",
            Self::Version => "version",
        }
    }

    fn part(self) -> Part {
        match self {
            Self::Source => Part::Source,
            Self::Get => Part::GetParams,
            Self::Put => Part::PutParams,
            Self::Version => Part::Version,
        }
    }
}

/// Prints a schema, or the list of types.
pub(crate) fn run(arguments: &SchemaArguments, catalogue: &Catalogue) -> Result<()> {
    let Some(name) = &arguments.kind else {
        return print(&listing(catalogue));
    };
    let kind = named(name, catalogue)?;
    let mut schema = match arguments.part {
        Some(part) => kind.schema(part.part()),
        None => all_parts(kind),
    };
    allow_vars(&mut schema);
    print(&format!("{schema:#}\n"))
}

/// The types, a line each.
pub(crate) fn listing(catalogue: &Catalogue) -> String {
    let width = catalogue.types().iter().map(|kind| kind.name().len()).max().unwrap_or_default();
    let mut text = String::new();
    for kind in catalogue.types() {
        let _ = writeln!(text, "{:width$}  {} ({})", kind.name(), kind.about(), kind.release());
    }
    text
}

/// The type of that name, or an error that names those that there are.
pub(crate) fn named(name: &str, catalogue: &Catalogue) -> Result<ResourceType> {
    let names = || catalogue.types().iter().map(ResourceType::name);
    catalogue.named(name).ok_or_else(|| {
        let error = anyhow!("there is no type `{name}` here");
        match nearest(name, names()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("the types are: {}", names().collect::<Vec<_>>().join(", "))),
        }
    })
}

/// One document with a property for each part, named as `--part` names them.
fn all_parts(kind: ResourceType) -> Value {
    let mut definitions = Map::new();
    let mut properties = Map::new();
    for part in PartArgument::ALL {
        let mut schema = kind.schema(part.part());
        if let Some(object) = schema.as_object_mut() {
            object.shift_remove("$schema");
            if let Some(Value::Object(own)) = object.shift_remove("$defs") {
                // Two parts may each have a type of the same name.
                definitions.extend(own.into_iter().map(|(name, schema)| (format!("{}.{name}", part.name()), schema)));
            }
        }
        properties.insert(part.name().to_owned(), schema);
    }
    for part in PartArgument::ALL {
        let prefix = part.name();
        properties.get_mut(prefix).into_iter().for_each(|schema| point_into(prefix, schema));
        let own = definitions.iter_mut().filter(|(name, _)| name.starts_with(&format!("{prefix}.")));
        own.for_each(|(_, schema)| point_into(prefix, schema));
    }
    let mut document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
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

/// Makes references to a part's own definitions lead to where they are in the whole document.
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

/// Lets a var stand in the place of every value, as it may in a pipeline: an editor would mark `((depth))` where a
/// number is due.
fn allow_vars(schema: &mut Value) {
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
    let is_free_text = schema.get("enum").is_none()
        && match schema.get("type") {
            Some(Value::String(name)) => name == "string",
            Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
            _ => false,
        };
    let Some(object) = schema.as_object_mut().filter(|_| !is_free_text) else {
        return;
    };
    // What an editor shows belongs to the key, whichever of the two stands there.
    let mut outer = Map::new();
    for key in ["title", "description", "default"] {
        outer.extend(object.shift_remove(key).map(|value| (key.to_owned(), value)));
    }
    let var = json!({ "type": "string", "pattern": r"^\(\(.+\)\)$" });
    outer.insert("anyOf".to_owned(), json!([Value::Object(std::mem::take(object)), var]));
    *object = outer;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::catalogue;

    #[test]
    fn every_reference_of_the_whole_document_leads_somewhere() {
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
    fn a_var_may_stand_where_no_text_is_due() {
        let mut schema = catalogue().types()[0].schema(Part::Source);
        allow_vars(&mut schema);
        let var = json!({ "type": "string", "pattern": r"^\(\(.+\)\)$" });
        let paths = json!({ "type": "array", "items": { "type": "string" } });
        assert_eq!(schema["properties"]["paths"], json!({ "default": [], "anyOf": [paths, var] }));
        assert_eq!(schema["properties"]["force"]["anyOf"], json!([{ "type": "boolean" }, var]));
        assert_eq!(schema["properties"]["hosts"]["anyOf"][0]["items"]["anyOf"][1], var);
        assert_eq!(schema["properties"]["uri"]["type"], "string");
        assert_eq!(schema["required"], json!(["uri"]));
    }

    #[test]
    fn a_type_that_is_not_there_is_answered_with_one_that_is() {
        let error = named("exmaple", &catalogue()).unwrap_err();
        let lines: Vec<_> = jetway::lines(&error).iter().map(|line| line.text().to_owned()).collect();
        assert_eq!(lines, ["there is no type `exmaple` here", "did you mean `example`?"]);
    }
}
