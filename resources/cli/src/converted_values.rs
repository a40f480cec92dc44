//! Warns about unquoted YAML words that Concourse changes before a resource that expects text receives them.
//!
//! A branch `1.10` arrives as `1.1`, a tag `0755` as `493`, a commit `1234e5` as `123400000`, an answer `yes` as `true`.
//! Concourse reports no error and the author may mean it, so these are warnings.

use serde_json::Value;

use crate::node::{Content, Entry, Node, Origin};
use crate::position::Position;

/// Returns the words in `node` that Concourse alters where `schema` expects text: position, path and message of each.
pub(crate) fn converted_values(schema: &Value, node: &Node) -> Vec<(Position, String, String)> {
    let mut reader = Reader { root: schema, found: Vec::new() };
    reader.value(&[schema], node, "", Visibility::Shown);
    reader.found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visibility {
    Shown,
    Hidden,
}

struct Reader<'s> {
    root: &'s Value,
    found: Vec<(Position, String, String)>,
}

impl<'s> Reader<'s> {
    /// Visits a value. The value should match one of `schemas`.
    fn value(&mut self, schemas: &[&'s Value], node: &Node, path: &str, visibility: Visibility) {
        let schemas: Vec<&Value> = schemas.iter().flat_map(|schema| alternatives(self.root, schema, 0)).collect();
        let is_secret = schemas.iter().any(|schema| schema.get("writeOnly") == Some(&Value::Bool(true)));
        let visibility = if is_secret || node.origin != Origin::Written { Visibility::Hidden } else { visibility };
        match &node.content {
            Content::Number { written, .. } => {
                self.scalar(&schemas, &["number", "integer"], node, path, (written, visibility));
            }
            Content::Flag { written, .. } => self.scalar(&schemas, &["boolean"], node, path, (written, visibility)),
            Content::List(items) => {
                let items_of: Vec<&Value> = schemas.iter().filter_map(|schema| schema.get("items")).collect();
                for (index, item) in items.iter().enumerate() {
                    self.value(&items_of, item, &format!("{path}[{index}]"), visibility);
                }
            }
            Content::Map(entries) => {
                for Entry { key, value } in entries {
                    let of_key = |schema: &&'s Value| {
                        let named = schema.get("properties").and_then(|properties| properties.get(&key.text));
                        named.or_else(|| schema.get("additionalProperties"))
                    };
                    let of_key: Vec<&Value> = schemas.iter().filter_map(of_key).collect();
                    self.value(&of_key, value, &format!("{path}.{}", key.text), visibility);
                }
            }
            Content::Null | Content::Text(_) => {}
        }
    }

    fn scalar(&mut self, schemas: &[&Value], own: &[&str], node: &Node, path: &str, word: (&str, Visibility)) {
        let (written, visibility) = word;
        let allows = |names: &[&str]| schemas.iter().flat_map(|schema| types(schema)).any(|name| names.contains(&name));
        let Some(becomes) = node.scalar_text().filter(|text| text != written) else {
            return;
        };
        if !allows(&["string"]) || allows(own) {
            return;
        }
        let message = match visibility {
            Visibility::Shown => format!("Concourse converts `{written}` to `{becomes}`; quote it: '{written}'"),
            Visibility::Hidden => "Concourse converts this unquoted value to another one; quote it".to_owned(),
        };
        self.found.push((node.position, path.to_owned(), message));
    }
}

/// Resolves a schema to itself, the target of its `$ref` and its `anyOf` and `oneOf` alternatives, recursively.
fn alternatives<'s>(root: &'s Value, schema: &'s Value, depth: usize) -> Vec<&'s Value> {
    if depth > 8 {
        return Vec::new();
    }
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| root.pointer(target.strip_prefix('#')?));
    let of = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let deeper = target.into_iter().chain(of).flat_map(|schema| alternatives(root, schema, depth + 1));
    std::iter::once(schema).chain(deeper).collect()
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::load;
    use crate::example::catalogue;
    use jetway::Part;

    fn warnings(source: &str) -> Vec<String> {
        let document = load(source.as_bytes()).unwrap();
        let schema = catalogue().types()[0].schema(Part::Source);
        let shown = |(position, path, message): (Position, String, String)| format!("{position} {path} {message}");
        converted_values(&schema, &document.root).into_iter().map(shown).collect()
    }

    #[test]
    fn warns_of_text_that_concourse_converts() {
        assert_eq!(
            warnings("uri: 1.10\nbranch: yes\npaths: [010, 1234e5, a]\nhosts: [{name: 1_0}]\n"),
            [
                "1:6 .uri Concourse converts `1.10` to `1.1`; quote it: '1.10'",
                "2:9 .branch Concourse converts `yes` to `true`; quote it: 'yes'",
                "3:9 .paths[0] Concourse converts `010` to `8`; quote it: '010'",
                "3:14 .paths[1] Concourse converts `1234e5` to `123400000`; quote it: '1234e5'",
                "4:16 .hosts[0].name Concourse converts `1_0` to `10`; quote it: '1_0'",
            ]
        );
    }

    #[test]
    fn does_not_show_secrets() {
        assert_eq!(
            warnings("password: 0123\nhosts: [{name: a, key: 0123}]\n"),
            [
                "1:11 .password Concourse converts this unquoted value to another one; quote it",
                "2:24 .hosts[0].key Concourse converts this unquoted value to another one; quote it",
            ]
        );
    }

    #[test]
    fn accepts_unchanged_text_and_other_types() {
        for source in ["uri: 1.1", "uri: '1.10'", "branch: 12", "branch: true", "force: yes", "unknown: 010"] {
            assert_eq!(warnings(source), Vec::<String>::new(), "{source}");
        }
    }
}
