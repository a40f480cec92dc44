//! Applies the `defaults` of a resource type to the sources of its resources. Concourse merges them into each source, key by key,
//! before it runs the resource. So a key that `defaults` sets is not missing from a source, and a mistake in it counts there too.

use crate::node::{Content, Entry, Key, Node, Origin};

/// Adds the keys of a type's `defaults` to each resource, resource type and task image whose own source lacks them.
pub(crate) fn fill(root: &mut Node) {
    let types = root.get("resource_types").and_then(Node::items).unwrap_or_default();
    let defaults: Vec<Defaults> = types.iter().filter_map(Defaults::of).collect();
    if !defaults.is_empty() {
        visit(root, &defaults, Section::Root);
    }
}

/// The `defaults` of one type.
struct Defaults {
    kind: String,
    entries: Vec<Entry>,
}

/// The section of the pipeline that a value is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Root,
    /// `resources`.
    Resources,
    /// `resource_types`. The type of an item is that of its own image.
    ResourceTypes,
    /// Any other section.
    Elsewhere,
}

impl Defaults {
    fn of(definition: &Node) -> Option<Self> {
        let kind = definition.get("name")?.text()?.to_owned();
        match &definition.get("defaults")?.content {
            Content::Map(entries) => Some(Self { kind, entries: entries.clone() }),
            _ => None,
        }
    }

    /// Merges the defaults into the source of a resource of this type. Skips a resource type that overrides the type of its own
    /// image.
    fn put_below(&self, declared: &mut Node, place: Section) {
        let text = |key: &str| declared.get(key).and_then(Node::text);
        let is_override = place == Section::ResourceTypes && text("name") == Some(&self.kind);
        if text("type") != Some(&self.kind) || is_override {
            return;
        }
        let position = declared.position;
        let Content::Map(entries) = &mut declared.content else { return };
        if let Some(Entry { value, .. }) = entries.iter_mut().find(|entry| entry.key.text == "source") {
            match &mut value.content {
                Content::Map(given) => {
                    let missing = |entry: &&Entry| given.iter().all(|own| own.key.text != entry.key.text);
                    let missing: Vec<Entry> = self.entries.iter().filter(missing).cloned().collect();
                    given.extend(missing);
                }
                Content::Null => value.content = Content::Map(self.entries.clone()),
                _ => {}
            }
            return;
        }
        let key = Key { text: "source".to_owned(), position, origin: Origin::Written };
        entries.push(Entry { key, value: Node::written(position, Content::Map(self.entries.clone())) });
    }
}

fn put_below(defaults: &[Defaults], declared: &mut Node, place: Section) {
    for one in defaults {
        one.put_below(declared, place);
    }
}

fn visit(node: &mut Node, defaults: &[Defaults], place: Section) {
    match &mut node.content {
        Content::List(items) => {
            for item in items {
                if matches!(place, Section::Resources | Section::ResourceTypes) {
                    put_below(defaults, item, place);
                } else {
                    visit(item, defaults, Section::Elsewhere);
                }
            }
        }
        Content::Map(entries) => {
            for Entry { key, value } in entries {
                match (place, key.text.as_str()) {
                    (Section::Root, "resources") => visit(value, defaults, Section::Resources),
                    (Section::Root, "resource_types") => visit(value, defaults, Section::ResourceTypes),
                    (Section::Elsewhere, "image_resource") => put_below(defaults, value, place),
                    _ => visit(value, defaults, Section::Elsewhere),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::load;

    fn filled(text: &str) -> serde_json::Value {
        let mut root = load(text.as_bytes()).unwrap().root;
        fill(&mut root);
        root.to_json()
    }

    #[test]
    fn resource_with_the_name_of_its_type_gets_the_defaults() {
        let pipeline = filled(
            "resource_types:\n- {name: mine, type: registry-image, defaults: {a: 1}}\n\
             resources:\n- {name: mine, type: mine}\n",
        );
        assert_eq!(pipeline["resources"][0]["source"], serde_json::json!({ "a": 1 }));
    }

    #[test]
    fn source_overrides_defaults_of_its_type() {
        let pipeline = filled(
            "resource_types:\n- {name: mine, type: mine, source: {a: own}, defaults: {a: 1, b: {c: 2}}}\n\
             - {name: other, type: mine}\n\
             resources:\n- {name: r, type: mine, source: {a: x}}\n- {name: s, type: mine}\n- {name: t, type: time}\n\
             jobs:\n- plan: [{task: t, config: {image_resource: {type: mine, source: {}}, resources: [{type: mine}]}}]\n",
        );
        assert_eq!(pipeline["resource_types"][0]["source"], serde_json::json!({ "a": "own" }));
        assert_eq!(pipeline["resource_types"][1]["source"], serde_json::json!({ "a": 1, "b": { "c": 2 } }));
        let resources = &pipeline["resources"];
        assert_eq!(resources[0]["source"], serde_json::json!({ "a": "x", "b": { "c": 2 } }));
        assert_eq!(resources[1]["source"], serde_json::json!({ "a": 1, "b": { "c": 2 } }));
        assert_eq!(resources[2].get("source"), None);
        let task = &pipeline["jobs"][0]["plan"][0]["config"];
        assert_eq!(task["image_resource"]["source"], serde_json::json!({ "a": 1, "b": { "c": 2 } }));
        assert_eq!(task["resources"][0].get("source"), None);
    }
}
