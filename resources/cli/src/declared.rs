//! A declared resource or resource type, and findings about values of the wrong kind.

use crate::node::{Entry, Node};
use crate::position::{Finding, Position};
use crate::reference::has_var;

/// A resource, or a resource type: both have a name, a type and a source.
pub(crate) struct Declared<'n> {
    pub(crate) node: &'n Node,
    /// `None` if it contains a var.
    pub(crate) name: Option<String>,
    /// The name in a form that is safe to show.
    pub(crate) shown: String,
    pub(crate) name_position: Position,
    /// The value of `type`; `None` if it contains a var.
    pub(crate) kind: Option<String>,
    pub(crate) source: Option<&'n Entry>,
    /// A pinned version.
    pub(crate) version: Option<&'n Entry>,
}

/// Whether the node contains a var, which may expand to anything.
pub(crate) fn is_open(node: &Node) -> bool {
    node.text().is_some_and(has_var)
}

/// A problem for a value of the wrong kind. The message does not show the value.
pub(crate) fn expected(what: &str, found: &Node) -> Finding {
    Finding::problem(found.position, format!("expected {what}, found {}", found.kind()))
}
