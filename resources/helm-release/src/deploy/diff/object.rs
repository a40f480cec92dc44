//! The objects of a manifest for a comparison: by kind and name, without the values in Secrets.

use serde_json::{Map, Value};

use crate::records::manifest::documents;
use crate::yaml;

/// The keys of a Secret that hold values.
const SECRET_PARTS: [&str; 2] = ["data", "stringData"];

/// An object of a manifest.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// `Deployment`.
    pub(super) kind: String,
    /// `web`, or `web in other` where the manifest names a namespace.
    pub(super) name: String,
    text: String,
    value: Value,
}

impl Object {
    /// Parses the objects of a manifest. Documents that are not objects are skipped.
    pub(super) fn all(manifest: &str) -> Vec<Self> {
        documents(manifest).into_iter().filter_map(Self::parse).collect()
    }

    fn parse(text: String) -> Option<Self> {
        let value: Value = serde_saphyr::from_str(&text).ok()?;
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let kind = word(value.get("kind")?)?;
        let metadata = value.get("metadata")?;
        let name = word(metadata.get("name")?)?;
        let name = match metadata.get("namespace").and_then(word) {
            Some(namespace) => format!("{name} in {namespace}"),
            None => name,
        };
        Some(Self { kind, name, text, value })
    }

    /// Whether it is the same object, in any state.
    pub(super) fn is_same_object(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name == other.name
    }

    /// Whether it is a hook. Manifests that were rendered without the cluster contain the hooks, too.
    pub(super) fn is_hook(&self) -> bool {
        self.value.pointer("/metadata/annotations").is_some_and(|annotations| annotations.get("helm.sh/hook").is_some())
    }

    /// Whether both have the same state, regardless of the notation.
    pub(super) fn has_same_state(&self, other: &Self) -> bool {
        self.value == other.value
    }

    /// The text for the comparison. In a Secret, the values are masked, with a mark on those that differ from `other`; `when` names
    /// this side.
    pub(super) fn comparison_text(&self, other: Option<&Self>, when: &str) -> String {
        if self.kind != "Secret" {
            let lines = self.text.lines().filter(|line| !line.starts_with("# Source: "));
            return lines.fold(String::new(), |text, line| text + line + "\n");
        }
        let mut value = self.value.clone();
        for part in SECRET_PARTS {
            let theirs = other.and_then(|other| other.value.get(part)).and_then(Value::as_object);
            if let Some(Value::Object(ours)) = value.get_mut(part) {
                mask(ours, theirs, when);
            } else if let Some(held) = value.get_mut(part) {
                *held = Value::from(jetway::MASK);
            }
        }
        // This annotation may contain the whole Secret.
        if let Some(annotations) = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        yaml::document(&value)
    }
}

fn mask(ours: &mut Map<String, Value>, theirs: Option<&Map<String, Value>>, when: &str) {
    for (name, value) in ours {
        let same = theirs.and_then(|theirs| theirs.get(name)) == Some(value);
        let length = value.as_str().map_or(0, str::len);
        *value = Value::from(if same {
            jetway::MASK.to_owned()
        } else {
            format!("{} ({length} characters {when})", jetway::MASK)
        });
    }
}
