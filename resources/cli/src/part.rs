//! Validates one part of a pipeline (a source, params or a version) against its resource type, and reports problems with positions.

use jetway::{KeyPolicy, Part, Problem, Redactor, ResourceType, Severity};
use serde_json::{Map, Value};

use crate::converted_values::converted_values;
use crate::location::{Location, locate};
use crate::node::{Entry, Node};
use crate::position::{Finding, Position};

/// A source, the params of a step or a version in a pipeline.
pub(crate) struct PartInPipeline<'n> {
    /// The owner in messages: ``resource `repo` ``.
    pub(crate) subject: String,
    pub(crate) part: Part,
    /// The key of this part in its owner.
    pub(crate) key: &'static str,
    /// `None` if the pipeline omits it.
    pub(crate) entry: Option<&'n Entry>,
    /// How to treat unknown keys in it.
    pub(crate) keys: KeyPolicy,
    /// The position of the owner, for messages about an omitted part.
    pub(crate) owner: Position,
}

impl PartInPipeline<'_> {
    /// The value as Concourse sends it.
    pub(crate) fn value(&self) -> Value {
        let empty = || Value::Object(Map::new());
        self.node().filter(|node| !node.is_null()).map_or_else(empty, Node::to_json)
    }

    /// Problems in the part, and warnings for values that Concourse alters.
    pub(crate) fn findings(&self, kind: ResourceType, redactor: &Redactor) -> Vec<Finding> {
        let mut findings = self.problems(kind, redactor);
        findings.extend(self.converted_values(kind));
        findings
    }

    /// Problems that the type reports.
    ///
    /// The type's messages quote some kinds of values, so the values of vars are masked in them.
    pub(crate) fn problems(&self, kind: ResourceType, redactor: &Redactor) -> Vec<Finding> {
        let problems = kind.problems(self.part, self.value(), self.keys).into_iter();
        let findings = problems.map(|problem| {
            let path = problem.path.strip_prefix(self.part.key()).unwrap_or(&problem.path);
            let hint = problem.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            let message = format!("{}{hint}", problem.message);
            let message = format!("{}: `{}{path}`: {}", self.subject, self.key, redactor.redact(&message));
            let position = self.place(path, &problem);
            match problem.severity {
                Severity::Error => Finding::problem(position, message),
                Severity::Warning => Finding::warning(position, message),
            }
        });
        findings.collect()
    }

    /// Warnings for values that Concourse alters.
    pub(crate) fn converted_values(&self, kind: ResourceType) -> Vec<Finding> {
        let altered = self.node().into_iter().flat_map(|node| converted_values(&kind.schema(self.part), node));
        let warnings = altered.map(|(position, path, message)| {
            Finding::warning(position, format!("{}: `{}{path}`: {message}", self.subject, self.key))
        });
        warnings.collect()
    }

    fn node(&self) -> Option<&Node> {
        self.entry.map(|entry| &entry.value)
    }

    fn place(&self, path: &str, problem: &Problem) -> Position {
        let Some(Entry { key, value }) = self.entry else {
            return self.owner;
        };
        match (locate(value, key.position, path), problem.kind.is_of_key()) {
            (Location::Exact { key, .. }, true) => key,
            (Location::Exact { value, .. }, false) => value,
            (Location::Missing(owner), _) => owner,
        }
    }
}
