//! The given vars, and their interpolation into a pipeline.
//!
//! Interpolation is a single pass, as in `fly set-pipeline`: text in a var's value that looks like a var is not
//! replaced. No message shows a var's value.

use std::collections::BTreeMap;

use jetway::Redactor;

use crate::node::{Content, Entry, Key, Node, Origin};
use crate::position::Position;
use crate::reference::{Form, Piece, Reference, pieces};

/// The given vars, by var source and name.
#[derive(Default)]
pub(crate) struct Vars {
    values: BTreeMap<(Option<String>, String), Node>,
}

/// The reason why a var cannot be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum VarError {
    /// It was not given.
    NotGiven,
    /// It comes from a var source, which only Concourse can query.
    InVarSource,
    /// It was given, but its value does not fit its use.
    Invalid(String),
}

/// A var that cannot be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unresolved {
    pub(crate) position: Position,
    /// The var as written, `((name))`.
    pub(crate) written: String,
    /// The name to use with `--var`.
    pub(crate) argument: String,
    pub(crate) error: VarError,
}

impl Vars {
    /// Whether any var is given.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Adds a var, or merges one field of it with its other fields.
    pub(crate) fn give(&mut self, Reference { source, name, fields }: Reference, content: Content) {
        let nest = |content, field: String| {
            let key = Key { text: field, position: NOWHERE, origin: SUBSTITUTED };
            Content::Map(vec![Entry { key, value: substituted(content) }])
        };
        let content = fields.into_iter().rev().fold(content, nest);
        // `.` means a local var of the build; those are given here too.
        let source = source.filter(|source| source != ".");
        merge(self.values.entry((source, name)).or_insert_with(|| substituted(Content::Null)), content);
    }

    /// Sets a var by name and replaces its previous value.
    pub(crate) fn set(&mut self, name: String, content: Content) {
        self.values.insert((None, name), substituted(content));
    }

    /// Creates a redactor that masks the text in all vars.
    pub(crate) fn redactor(&self) -> Redactor {
        let redactor = Redactor::default();
        self.values.values().for_each(|value| hide(value, &redactor));
        redactor
    }

    /// Replaces vars in a value. A text with a var that cannot be replaced stays unchanged.
    pub(crate) fn fill(&self, node: &mut Node) {
        match &mut node.content {
            Content::Text(text) if node.origin == Origin::Written => {
                if let Ok(Some(content)) = self.filled(text) {
                    let instead_of = Some(std::mem::take(text));
                    node.content = content;
                    settle(node, node.position);
                    node.origin = Origin::Substituted { instead_of };
                }
            }
            Content::List(items) => items.iter_mut().for_each(|item| self.fill(item)),
            Content::Map(entries) => {
                for Entry { key, value } in entries {
                    if let (Origin::Written, Ok(Some(content))) = (&key.origin, self.filled(&key.text))
                        && let Some(text) = substituted(content).scalar_text()
                    {
                        key.text = text;
                        key.origin = SUBSTITUTED;
                    }
                    self.fill(value);
                }
            }
            _ => {}
        }
    }

    /// The vars in a value that [`Vars::fill`] could not replace, in file order.
    pub(crate) fn unresolved(&self, node: &Node) -> Vec<Unresolved> {
        let mut unresolved = Vec::new();
        self.collect_unresolved(node, &mut unresolved);
        unresolved
    }

    fn collect_unresolved(&self, node: &Node, unresolved: &mut Vec<Unresolved>) {
        match &node.content {
            Content::Text(text) if node.origin == Origin::Written => self.lacks(text, node.position, unresolved),
            Content::List(items) => items.iter().for_each(|item| self.collect_unresolved(item, unresolved)),
            Content::Map(entries) => {
                for Entry { key, value } in entries {
                    if key.origin == Origin::Written {
                        self.lacks(&key.text, key.position, unresolved);
                    }
                    self.collect_unresolved(value, unresolved);
                }
            }
            _ => {}
        }
    }

    fn lacks(&self, text: &str, position: Position, unresolved: &mut Vec<Unresolved>) {
        let pieces = pieces(text);
        for piece in &pieces {
            let Piece::Var { written, name, form } = *piece else { continue };
            let argument = Reference::parse(name).map_or_else(|_| name.to_owned(), |reference| reference.to_string());
            let error = match self.value(name, form) {
                Err(error) => error,
                Ok(value) => match inside_of_text(value) {
                    Err(error) if pieces.len() > 1 => error,
                    _ => continue,
                },
            };
            // Concourse does not replace an unknown `{{name}}` inside longer text: it is part of some template there.
            if form == Form::Braces && pieces.len() > 1 && error == VarError::NotGiven {
                continue;
            }
            unresolved.push(Unresolved { position, written: written.to_owned(), argument, error });
        }
    }

    /// The text with its vars replaced, or the var's value if the text is one var. `None` if there is nothing to replace.
    fn filled(&self, text: &str) -> Result<Option<Content>, VarError> {
        let pieces = pieces(text);
        if let [Piece::Var { name, form, .. }] = pieces.as_slice() {
            return self.value(name, *form).map(|value| Some(value.content.clone()));
        }
        let mut result = String::with_capacity(text.len());
        let mut replaced = false;
        for piece in pieces {
            match piece {
                Piece::Text(text) => result.push_str(text),
                Piece::Var { name, form, written } => match self.value(name, form) {
                    Err(VarError::NotGiven) if form == Form::Braces => result.push_str(written),
                    value => {
                        result.push_str(&inside_of_text(value?)?);
                        replaced = true;
                    }
                },
            }
        }
        Ok(replaced.then_some(Content::Text(result)))
    }

    fn value(&self, name: &str, form: Form) -> Result<&Node, VarError> {
        let invalid = |problem: String| VarError::Invalid(problem);
        let Reference { source, name, fields } = match form {
            Form::Parentheses => Reference::parse(name).map_err(|problem| invalid(problem.to_owned()))?,
            Form::Braces => Reference { source: None, name: name.to_owned(), fields: Vec::new() },
        };
        let source = source.filter(|source| source != ".");
        let error = if source.is_some() { VarError::InVarSource } else { VarError::NotGiven };
        let mut value = self.values.get(&(source, name)).ok_or(error)?;
        for field in fields {
            value = match &value.content {
                Content::Map(_) => value.get(&field).ok_or_else(|| invalid(format!("it has no field `{field}`")))?,
                _ => return Err(invalid(format!("it is {} and has no field `{field}`", value.kind()))),
            };
        }
        Ok(value)
    }
}

const SUBSTITUTED: Origin = Origin::Substituted { instead_of: None };

const NOWHERE: Position = Position { line: 0, column: 0 };

fn substituted(content: Content) -> Node {
    Node { position: NOWHERE, content, origin: SUBSTITUTED }
}

fn merge(node: &mut Node, content: Content) {
    match (&mut node.content, content) {
        (Content::Map(known), Content::Map(new)) => {
            for entry in new {
                match known.iter_mut().find(|known| known.key.text == entry.key.text) {
                    Some(known) => merge(&mut known.value, entry.value.content),
                    None => known.push(entry),
                }
            }
        }
        (known, new) => *known = new,
    }
}

/// The text of a value for interpolation into longer text.
///
/// Concourse interpolates only text there. It rejects a number with "cannot interpolate non-primitive value".
fn inside_of_text(value: &Node) -> Result<String, VarError> {
    let invalid = |why: &str| VarError::Invalid(format!("it is {}, {why}", value.kind()));
    match &value.content {
        Content::Text(text) => Ok(text.clone()),
        Content::Number { .. } | Content::Flag { .. } => {
            Err(invalid("which Concourse rejects inside text; quote the var's value"))
        }
        Content::Null | Content::List(_) | Content::Map(_) => Err(invalid("which cannot be inserted into text")),
    }
}

/// Sets the position and origin of a var's value to those of the var.
fn settle(node: &mut Node, position: Position) {
    node.position = position;
    node.origin = SUBSTITUTED;
    match &mut node.content {
        Content::List(items) => items.iter_mut().for_each(|item| settle(item, position)),
        Content::Map(entries) => {
            for Entry { key, value } in entries {
                key.position = position;
                key.origin = SUBSTITUTED;
                settle(value, position);
            }
        }
        _ => {}
    }
}

fn hide(node: &Node, redactor: &Redactor) {
    match &node.content {
        Content::Text(text) => redactor.add(text),
        Content::Number { written, .. } => redactor.add(written),
        Content::List(items) => items.iter().for_each(|item| hide(item, redactor)),
        Content::Map(entries) => entries.iter().for_each(|entry| hide(&entry.value, redactor)),
        Content::Null | Content::Flag { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::load;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn vars(list: &[(&str, &str)]) -> Vars {
        let mut vars = Vars::default();
        for (name, yaml) in list {
            vars.give(Reference::parse(name).unwrap(), load(yaml.as_bytes()).unwrap().root.content);
        }
        vars
    }

    fn sample() -> Vars {
        vars(&[
            ("name", "main"),
            ("a.b", "nested"),
            ("quoted.\"x.y\"", "q"),
            ("vault:key", "v"),
            (".:local", "l"),
            ("empty", "''"),
            ("number", "3"),
            ("float", "1.10"),
            ("flag", "yes"),
            ("list", "[1, {k: v}]"),
            ("nothing", "~"),
            ("tricky", "'((name))'"),
        ])
    }

    fn filled(yaml: &str) -> Value {
        let mut root = load(yaml.as_bytes()).unwrap().root;
        sample().fill(&mut root);
        root.to_json()
    }

    fn unresolved(yaml: &str) -> Vec<String> {
        let vars = sample();
        let mut root = load(yaml.as_bytes()).unwrap().root;
        vars.fill(&mut root);
        let show = |Unresolved { position, written, error, .. }: Unresolved| format!("{position} {written} {error:?}");
        vars.unresolved(&root).into_iter().map(show).collect()
    }

    #[test]
    fn var_as_whole_value_keeps_its_type() {
        for (text, expected) in [
            ("((name))", json!("main")),
            ("((a.b))", json!("nested")),
            ("((a))", json!({"b": "nested"})),
            ("((quoted.\"x.y\"))", json!("q")),
            ("((vault:key))", json!("v")),
            ("((.:local))", json!("l")),
            ("((.:name))", json!("main")),
            ("((local))", json!("l")),
            ("((empty))", json!("")),
            ("((number))", json!(3)),
            ("((flag))", json!(true)),
            ("((list))", json!([1, {"k": "v"}])),
            ("((nothing))", json!(null)),
            ("((tricky))", json!("((name))")),
            ("{{name}}", json!("main")),
            ("\"{{list}}\"", json!([1, {"k": "v"}])),
        ] {
            assert_eq!(filled(text).to_string(), expected.to_string(), "{text}");
        }
        assert_eq!(filled("((float))").to_string(), "1.1");
    }

    #[test]
    fn var_inside_of_text_becomes_text() {
        for (text, expected) in [
            ("x-((name))-((a.b))", "x-main-nested"),
            ("((name))((name))", "mainmain"),
            ("\"((tricky)) \"", "((name)) "),
            ("\"a {{name}} b\"", "a main b"),
            ("\"a {{other}} b\"", "a {{other}} b"),
            ("$(( 1 + 2 ))", "$(( 1 + 2 ))"),
        ] {
            assert_eq!(filled(text), json!(expected), "{text}");
        }
        assert_eq!(filled("{((name)): ((name)), \"x((name))\": z}"), json!({"main": "main", "xmain": "z"}));
    }

    #[test]
    fn reports_all_missing_vars_with_their_positions() {
        assert_eq!(
            unresolved("a: ((no))\nb: [x((no.field))y]\nc: {{old}}\nd: ((ssm:key))\n((k)): v\nfine: ((name))\n"),
            [
                "1:4 ((no)) NotGiven",
                "2:5 ((no.field)) NotGiven",
                "3:4 {{old}} NotGiven",
                "4:4 ((ssm:key)) InVarSource",
                "5:1 ((k)) NotGiven",
            ]
        );
        assert_eq!(
            unresolved(
                "a: ((a.c))\nb: ((name.x))\nc: x((list))\nd: ((a..b))\ne: x((nothing))\nf: x{{list}}\ng: ((number))s\n\
                 h: ((flag))!\n"
            ),
            [
                "1:4 ((a.c)) Invalid(\"it has no field `c`\")",
                "2:4 ((name.x)) Invalid(\"it is text and has no field `x`\")",
                "3:4 ((list)) Invalid(\"it is a list, which cannot be inserted into text\")",
                "4:4 ((a..b)) Invalid(\"it has an empty segment\")",
                "5:4 ((nothing)) Invalid(\"it is nothing, which cannot be inserted into text\")",
                "6:4 {{list}} Invalid(\"it is a list, which cannot be inserted into text\")",
                "7:4 ((number)) Invalid(\"it is a number, which Concourse rejects inside text; quote the var's value\")",
                "8:4 ((flag)) Invalid(\"it is true or false, which Concourse rejects inside text; quote the var's value\")",
            ]
        );
    }

    #[test]
    fn value_has_the_position_of_its_var() {
        let mut root = load(b"a:\n  b: ((list))\n").unwrap().root;
        sample().fill(&mut root);
        let item = &root.get("a").unwrap().get("b").unwrap().items().unwrap()[1];
        assert_eq!(item.get("k").unwrap().position, Position { line: 2, column: 6 });
    }

    #[test]
    fn accepts_separate_fields_of_a_var() {
        let mut root = load(b"((db))").unwrap().root;
        vars(&[("db.user", "u"), ("db.password", "p"), ("db.tls.on", "true")]).fill(&mut root);
        assert_eq!(root.to_json(), json!({"user": "u", "password": "p", "tls": {"on": true}}));
    }

    proptest! {
        #[test]
        fn changes_nothing_without_vars(text in "[-a(){}\\[\\]:., \"\n]{0,60}") {
            if let Ok(document) = load(text.as_bytes()) {
                let mut filled = document.root.clone();
                Vars::default().fill(&mut filled);
                prop_assert_eq!(&filled, &document.root);
            }
        }

        #[test]
        fn keeps_text_with_missing_vars(text in "\\PC*") {
            let node = Node::written(NOWHERE, Content::Text(text));
            let mut filled = node.clone();
            Vars::default().fill(&mut filled);
            prop_assert_eq!(filled, node);
        }
    }
}
