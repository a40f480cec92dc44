//! Collects what a pipeline declares: resource types, resources and jobs, each with its position.

use std::path::Path;

use crate::declared::{Declared, expected, is_open};
use crate::document::{Document, Unusable, load};
use crate::node::{Content, Node};
use crate::position::Finding;
use crate::reference::has_var;
use crate::steps::{Plan, Step, plan_of};

/// The parts of a pipeline that concern resources.
pub(crate) struct Pipeline<'n> {
    pub(crate) resource_types: Vec<Declared<'n>>,
    pub(crate) resources: Vec<Declared<'n>>,
    pub(crate) steps: Vec<Step<'n>>,
    /// The `image_resource` of each task with an inline `config`, under the task's name.
    pub(crate) images: Vec<Declared<'n>>,
    /// Whether a var may expand to further names, so that no name can be reported as missing.
    pub(crate) is_open: bool,
}

/// Parses a pipeline file; `Err` is a message that says why it cannot be used.
pub(crate) fn document(file: &Path) -> Result<Document, String> {
    let unusable = |position, message| Unusable { position, message }.in_file(file);
    let bytes = std::fs::read(file).map_err(|error| unusable(None, format!("cannot be read: {error}")))?;
    let document = load(&bytes).map_err(|unusable| unusable.in_file(file))?;
    match &document.root.content {
        Content::Map(_) => Ok(document),
        Content::Null => Err(unusable(None, "the file is empty".to_owned())),
        _ => {
            let Finding { position, message, .. } = expected("a pipeline: `resources` and `jobs`", &document.root);
            Err(unusable(Some(position), message))
        }
    }
}

impl<'n> Pipeline<'n> {
    /// Reads the root of a pipeline. Values of a kind that Concourse does not accept become findings.
    pub(crate) fn read(root: &'n Node, findings: &mut Vec<Finding>) -> Self {
        let mut pipeline = Self {
            resource_types: Vec::new(),
            resources: Vec::new(),
            steps: Vec::new(),
            images: Vec::new(),
            is_open: false,
        };
        pipeline.resource_types = pipeline.declared(root, "resource_types", "resource type", findings);
        pipeline.resources = pipeline.declared(root, "resources", "resource", findings);
        for job in pipeline.list(root, "jobs", findings) {
            let Plan { steps, images } = plan_of(job, findings);
            pipeline.steps.extend(steps);
            pipeline.images.extend(images);
        }
        pipeline
    }

    pub(crate) fn resource(&self, name: &str) -> Option<&Declared<'n>> {
        self.resources.iter().find(|resource| resource.name.as_deref() == Some(name))
    }

    pub(crate) fn resource_names(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().filter_map(|resource| resource.name.as_deref())
    }

    fn declared(&mut self, root: &'n Node, key: &str, what: &str, findings: &mut Vec<Finding>) -> Vec<Declared<'n>> {
        let mut all: Vec<Declared<'n>> = Vec::new();
        for node in self.list(root, key, findings) {
            if !node.is_map() {
                findings.push(expected(&format!("a {what}: `name`, `type` and `source`"), node));
                continue;
            }
            let named = |key: &str| node.get(key).filter(|value| !value.is_null());
            for key in ["name", "type"] {
                match named(key) {
                    None => findings.push(Finding::problem(node.position, format!("a {what} requires `{key}`"))),
                    Some(value) if value.scalar_text().is_none() => findings.push(expected("a name", value)),
                    Some(_) => {}
                }
            }
            let text = |key: &str| named(key).and_then(Node::scalar_text).filter(|text| !has_var(text));
            let declared = Declared {
                node,
                name: text("name"),
                shown: named("name").map(Node::display_text).unwrap_or_default(),
                name_position: named("name").unwrap_or(node).position,
                kind: text("type"),
                source: node.entry("source"),
                version: node.entry("version").filter(|entry| !entry.value.is_null()),
            };
            let first = all.iter().find(|first| declared.name.is_some() && first.name == declared.name);
            if let Some(first) = first {
                let shown = &declared.shown;
                let message = format!("{what} `{shown}` is declared twice (first at {})", first.name_position);
                findings.push(Finding::problem(declared.name_position, message));
            }
            self.is_open |= declared.name.is_none();
            all.push(declared);
        }
        all
    }

    /// The items of a list at the top level of the pipeline.
    fn list(&mut self, root: &'n Node, key: &str, findings: &mut Vec<Finding>) -> &'n [Node] {
        match root.get(key) {
            None | Some(Node { content: Content::Null, .. }) => &[],
            Some(node) => node.items().unwrap_or_else(|| {
                if is_open(node) {
                    self.is_open = true;
                } else {
                    findings.push(expected(&format!("a list of {}", key.replace('_', " ")), node));
                }
                &[]
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::load;
    use crate::position::Position;

    fn findings(text: &str) -> Vec<String> {
        let document = load(text.as_bytes()).unwrap();
        let mut findings = Vec::new();
        Pipeline::read(&document.root, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn finds_declarations() {
        let text = "resource_types:\n- {name: t, type: registry-image, source: {repository: r}}\n\
                    resources:\n- name: one\n  type: t\n  source: {uri: u}\n- {name: 2, type: ((kind))}\n";
        let document = load(text.as_bytes()).unwrap();
        let mut findings = Vec::new();
        let pipeline = Pipeline::read(&document.root, &mut findings);
        assert_eq!(findings, []);
        assert_eq!(pipeline.resource_names().collect::<Vec<_>>(), ["one", "2"]);
        assert_eq!(pipeline.resources[0].kind.as_deref(), Some("t"));
        assert_eq!(pipeline.resources[1].kind, None);
        assert_eq!(pipeline.resources[0].name_position, Position { line: 4, column: 9 });
        assert!(!pipeline.is_open);
    }

    #[test]
    fn reports_invalid_declarations() {
        assert_eq!(
            findings("resources:\n- x\n- {name: a}\n- {name: b, type: t}\n- {name: b, type: [t]}\njobs: {}\n"),
            [
                "2:3: expected a resource: `name`, `type` and `source`, found text",
                "3:3: a resource requires `type`",
                "5:19: expected a name, found a list",
                "5:10: resource `b` is declared twice (first at 4:10)",
                "6:7: expected a list of jobs, found keys and values",
            ]
        );
        assert_eq!(findings("resources: ((resources))\njobs:\n"), Vec::<String>::new());
    }
}
