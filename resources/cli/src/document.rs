//! Parses a YAML file into values with positions.
//!
//! Resolves anchors, aliases and merge keys within limits, because a few lines can expand to more values than fit in memory.
//! Reports duplicate keys. No message shows a value from the file.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use granit_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use jetway::Result;

use crate::budget::{Budget, Weight};
use crate::node::{Content, Entry, Key, Node, Origin};
use crate::number::number_text;
use crate::position::{Finding, Position};
use crate::reference::is_old_name;
use crate::scalar::resolve;

/// The maximum size of a file, in bytes.
const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// A parsed file.
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Document {
    pub(crate) root: Node,
    /// Problems in a file that still parses, such as a duplicate key.
    pub(crate) findings: Vec<Finding>,
    /// Problems that this parser accepts but Concourse rejects.
    pub(crate) refusals: Vec<Finding>,
}

/// The reason why a file cannot be used at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    pub(crate) position: Option<Position>,
    pub(crate) message: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(formatter, "{position}: {}", self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

impl std::error::Error for Unusable {}

impl Unusable {
    /// Formats the message as `FILE:LINE:COLUMN: MESSAGE`.
    pub(crate) fn in_file(&self, file: &Path) -> String {
        let gap = if self.position.is_some() { "" } else { " " };
        format!("{}:{gap}{self}", file.display())
    }
}

/// Reads a file's bytes, for [`load`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Parses the first YAML document of a file, as Concourse does.
pub(crate) fn load(bytes: &[u8]) -> Result<Document, Unusable> {
    let refuse = |message: String| Err(Unusable { position: None, message });
    if bytes.len() > MAX_FILE_BYTES {
        return refuse(format!("larger than {} MiB", MAX_FILE_BYTES / 1024 / 1024));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return refuse(format!("not UTF-8 (byte {})", error.valid_up_to() + 1)),
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Unusable {
            position: Some(position(error.marker())),
            message: format!("not valid YAML: {}", error.kind()),
        })?;
        if builder.take(event, position(&span.start))? == Progress::Complete {
            break;
        }
    }
    let root = builder.root.unwrap_or_else(|| Node::written(START, Content::Null));
    Ok(Document { root, findings: builder.findings, refusals: builder.refusals })
}

const START: Position = Position { line: 1, column: 1 };

fn position(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

#[derive(PartialEq, Eq)]
enum Progress {
    More,
    Complete,
}

/// A list or a map that is still being parsed.
struct Open {
    position: Position,
    anchor: usize,
    children: Children,
}

enum Children {
    List(Vec<Node>),
    Map { entries: Vec<(KeyNode, Node)>, key: Option<KeyNode> },
}

/// A key that was not yet checked against the keys that Concourse accepts.
struct KeyNode {
    node: Node,
    kind: KeyKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Plain,
    /// An unquoted `<<`.
    Merge,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, Weight)>,
    budget: Budget,
    root: Option<Node>,
    findings: Vec<Finding>,
    refusals: Vec<Finding>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, position: Position) -> Result<Progress, Unusable> {
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                let message = "Concourse reads only the first document of a file: the rest is ignored";
                self.findings.push(Finding::warning(position, message));
                return Ok(Progress::Complete);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let kind = match style {
                    ScalarStyle::Plain if text == "<<" => KeyKind::Merge,
                    _ => KeyKind::Plain,
                };
                let content = scalar(&text, style, tag.as_deref(), position)?;
                self.close(Node::written(position, content), kind, anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => self.start(position, anchor, Children::List(Vec::new()))?,
            Event::MappingStart(_, anchor, _) => {
                self.start(position, anchor, Children::Map { entries: Vec::new(), key: None })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => {
                let Some((node, weight)) = self.anchors.get(&anchor) else {
                    return Err(Unusable {
                        position: Some(position),
                        message: "an alias inside its own anchor".to_owned(),
                    });
                };
                let (node, weight) = (node.clone(), *weight);
                self.spend(weight, position)?;
                self.add(node, KeyKind::Plain, position);
            }
            _ => {}
        }
        Ok(Progress::More)
    }

    fn start(&mut self, position: Position, anchor: usize, children: Children) -> Result<(), Unusable> {
        self.spend(Weight::LEVEL, position)?;
        self.open.push(Open { position, anchor, children });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Unusable> {
        let Some(Open { position, anchor, children }) = self.open.pop() else {
            return Ok(());
        };
        let content = match children {
            Children::List(items) => Content::List(items),
            Children::Map { entries, .. } => match old_var(&entries) {
                Some(name) => {
                    let message = format!("Concourse rejects `{{{{{name}}}}}`; write `(({name}))`");
                    self.refusals.push(Finding::problem(position, message));
                    Content::Text(format!("{{{{{name}}}}}"))
                }
                // A map as a key may be the inner part of `{{var}}`; the end of the outer map decides.
                None => Content::Map(self.entries(entries)?),
            },
        };
        let node = Node::written(position, content);
        if anchor != 0 {
            let weight = Weight::of(&node);
            self.spend(weight, position)?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        self.add(node, KeyKind::Plain, position);
        Ok(())
    }

    /// Adds a scalar, which is complete at once.
    fn close(&mut self, node: Node, kind: KeyKind, anchor: usize) -> Result<(), Unusable> {
        let position = node.position;
        self.spend(Weight::of(&node), position)?;
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), Weight::of(&node)));
        }
        self.add(node, kind, position);
        Ok(())
    }

    fn add(&mut self, node: Node, kind: KeyKind, position: Position) {
        match self.open.last_mut().map(|open| &mut open.children) {
            None => self.root = Some(node),
            Some(Children::List(items)) => items.push(node),
            Some(Children::Map { entries, key }) => match key.take() {
                // An alias used as a key has the position of the alias, not of the anchor.
                None => *key = Some(KeyNode { node: Node { position, ..node }, kind }),
                Some(key) => entries.push((key, node)),
            },
        }
    }

    fn spend(&mut self, weight: Weight, position: Position) -> Result<(), Unusable> {
        let spent = self.budget.spend(weight, self.open.len());
        spent.map_err(|message| Unusable { position: Some(position), message })
    }

    /// Builds the entries of a map: keys as text, without duplicates, and keys merged by `<<` after the map's own.
    fn entries(&mut self, pairs: Vec<(KeyNode, Node)>) -> Result<Vec<Entry>, Unusable> {
        let mut entries = Vec::new();
        let mut merged = Vec::new();
        let mut seen: HashMap<String, Position> = HashMap::new();
        let mut first_merge = None;
        for (key, value) in pairs {
            if key.kind == KeyKind::Merge {
                if let Some(first) = first_merge.replace(key.node.position) {
                    let message = format!(
                        "Concourse rejects a second `<<` (the first is at {first}); write `<<: [*one, *other]`"
                    );
                    self.refusals.push(Finding::problem(key.node.position, message));
                }
                merged.extend(merge_sources(key.node.position, value)?);
                continue;
            }
            let position = key.node.position;
            let text = key_text(key.node)?;
            if let Some(first) = seen.get(&text) {
                self.findings.push(Finding::problem(position, format!("`{text}` is set twice (first at {first})")));
                continue;
            }
            seen.insert(text.clone(), position);
            entries.push(Entry { key: Key { text, position, origin: Origin::Written }, value });
        }
        for entry in merged {
            if !seen.contains_key(&entry.key.text) {
                seen.insert(entry.key.text.clone(), entry.key.position);
                entries.push(entry);
            }
        }
        Ok(entries)
    }
}

/// Resolves a scalar by its tag, its quoting style and its text.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, position: Position) -> Result<Content, Unusable> {
    match tag.and_then(Tag::core_suffix) {
        Some("int" | "float" | "bool" | "null") => Ok(resolve(text)),
        None if tag.is_some_and(|tag| tag.to_string() == "tag:yaml.org,2002:binary") => {
            Err(Unusable { position: Some(position), message: "`!!binary` is not supported".to_owned() })
        }
        None if tag.is_none() && style == ScalarStyle::Plain => Ok(resolve(text)),
        Some(_) | None => Ok(Content::Text(text.to_owned())),
    }
}

/// The name in `{{name}}`, the old form of a var. YAML parses it as a map inside a map.
fn old_var(entries: &[(KeyNode, Node)]) -> Option<String> {
    let [(KeyNode { node: outer, .. }, Node { content: Content::Null, .. })] = entries else {
        return None;
    };
    let Content::Map(inner) = &outer.content else {
        return None;
    };
    let [Entry { key, value: Node { content: Content::Null, .. } }] = inner.as_slice() else {
        return None;
    };
    is_old_name(&key.text).then(|| key.text.clone())
}

/// The entries that `<<` merges, from one map or a list of maps. The first map that has a key wins.
fn merge_sources(position: Position, value: Node) -> Result<Vec<Entry>, Unusable> {
    let refuse = || Unusable { position: Some(position), message: "`<<` requires keys and values".to_owned() };
    match value.content {
        Content::Map(entries) => Ok(entries),
        Content::List(items) => items.into_iter().try_fold(Vec::new(), |mut all, item| match item.content {
            Content::Map(entries) => {
                all.extend(entries);
                Ok(all)
            }
            _ => Err(refuse()),
        }),
        _ => Err(refuse()),
    }
}

fn key_text(key: Node) -> Result<String, Unusable> {
    let kind = key.kind();
    match key.content {
        Content::Text(text) => Ok(text),
        Content::Number { value, .. } => Ok(number_text(value)),
        Content::Flag { value, .. } => Ok(value.to_string()),
        Content::Null | Content::List(_) | Content::Map(_) => {
            Err(Unusable { position: Some(key.position), message: format!("a key must be text, found {kind}") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn json_of(text: &str) -> Value {
        load(text.as_bytes()).unwrap().root.to_json()
    }

    fn refused(text: &str) -> String {
        load(text.as_bytes()).unwrap_err().to_string()
    }

    fn findings(text: &str) -> Vec<String> {
        load(text.as_bytes()).unwrap().findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn reads_values_like_concourse() {
        let text = "a: 1.10\nb: '1.10'\nc: !!str 1.10\nd: yes\ne:\nf: [x, \"y\\n\", {z: ~}]\n1: one\n";
        assert_eq!(
            json_of(text),
            serde_json::from_str::<Value>(
                r#"{"a": 1.1, "b": "1.10", "c": "1.10", "d": true, "e": null, "f": ["x", "y\n", {"z": null}], "1": "one"}"#
            )
            .unwrap()
        );
    }

    #[test]
    fn reads_literal_and_folded_text() {
        assert_eq!(
            json_of("a: |\n  one\n  two\nb: >-\n  one\n  two\nc: |-\n  x\nd: \"one\n  two\"\n"),
            json!({"a": "one\ntwo\n", "b": "one two", "c": "x", "d": "one two"})
        );
    }

    #[test]
    fn resolves_aliases_and_merges() {
        let text = "base: &base {uri: u, branch: main}\nother: &other {branch: old, depth: 1}\n\
                    one:\n  <<: *base\n  branch: dev\ntwo:\n  <<: [*other, *base]\nthree: *base\n";
        let value = json_of(text);
        assert_eq!(value["one"], json!({"branch": "dev", "uri": "u"}));
        assert_eq!(
            value["two"],
            serde_json::from_str::<Value>(r#"{"branch": "old", "depth": 1, "uri": "u"}"#).unwrap()
        );
        assert_eq!(value["three"], value["base"]);
        assert_eq!(json_of("'<<': x\n"), json!({"<<": "x"}));
    }

    #[test]
    fn reads_unquoted_old_var_as_text() {
        let text = "uri: {{repo-uri}}\nlist: [{{a}}, {{b}}]\n{{key}}: v\nquoted: \"{{c}}\"\nmap: {x: {k: z}}\n";
        assert_eq!(
            json_of(text),
            json!({
                "uri": "{{repo-uri}}", "list": ["{{a}}", "{{b}}"], "{{key}}": "v", "quoted": "{{c}}",
                "map": {"x": {"k": "z"}},
            })
        );
    }

    #[test]
    fn reports_duplicate_key_with_both_positions() {
        assert_eq!(findings("a: 1\nb:\n  c: 2\n  d: 3\n  c: 4\n"), ["5:3: `c` is set twice (first at 3:3)"]);
    }

    #[test]
    fn rejects_old_vars_and_second_merge_like_concourse() {
        let text = "a: &a {b: 1}\nc: {{old-name}}\nd:\n  <<: *a\n  <<: *a\ne: \"{{text}}\"\n";
        let refusals = load(text.as_bytes()).unwrap().refusals;
        assert_eq!(
            refusals.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "2:4: Concourse rejects `{{old-name}}`; write `((old-name))`",
                "5:3: Concourse rejects a second `<<` (the first is at 4:3); write `<<: [*one, *other]`",
            ]
        );
    }

    #[test]
    fn warns_of_second_document() {
        assert_eq!(
            findings("a: 1\n---\nb: [\n"),
            ["2:1: warning: Concourse reads only the first document of a file: the rest is ignored"]
        );
    }

    #[test]
    fn reports_position_of_invalid_yaml_without_its_text() {
        assert_eq!(refused("a: \"hunter2\n"), "1:4: not valid YAML: unclosed quote");
        assert_eq!(
            refused("a:\n  - b\n c: hunter2\n"),
            "3:2: not valid YAML: while parsing a block mapping, did not find expected key"
        );
        assert_eq!(refused("a: *hunter2\n"), "1:4: not valid YAML: while parsing node, found unknown anchor");
        assert_eq!(refused("? [hunter2]\n: x\n"), "1:3: a key must be text, found a list");
        assert_eq!(refused("<<: hunter2\n"), "1:1: `<<` requires keys and values");
        assert_eq!(load(b"a: \xff\n").unwrap_err().to_string(), "not UTF-8 (byte 4)");
    }

    #[test]
    fn rejects_alias_bomb_at_once() {
        let level = |level: usize, items: String| format!("a{level}: &a{level} {items}\n");
        let nine = |inner: usize| format!("[{}]", vec![format!("*a{inner}"); 9].join(", "));
        let bomb: String = (1..12).map(|inner| level(inner, nine(inner - 1))).collect();
        let bomb = format!("a0: &a0 x\n{bomb}");
        assert!(refused(&bomb).ends_with("too large: it expands to more than 500000 values or 64 MiB"));

        let deeper = |inner: usize| format!("[[[[[[[[[[*a{inner}]]]]]]]]]]");
        let tower: String = (1..100).map(|inner| level(inner, deeper(inner - 1))).collect();
        let tower = format!("a0: &a0 x\n{tower}");
        assert!(refused(&tower).ends_with("nested deeper than 400 levels"));
        assert!(refused(&"[".repeat(100_000)).contains("not valid YAML"));
        assert_eq!(refused("a: &a [*a]\n"), "1:8: an alias inside its own anchor");
    }

    #[test]
    fn reads_empty_file() {
        assert!(load(b"").unwrap().root.is_null());
        assert!(load(b"# only a comment\n").unwrap().root.is_null());
    }

    proptest! {
        #[test]
        fn never_panics_on_arbitrary_text(text in "\\PC*") {
            let _ = load(text.as_bytes()).map(|document| document.root.to_json());
        }

        #[test]
        fn never_panics_on_fragments_of_yaml(parts in proptest::collection::vec(
            prop_oneof![
                Just("- "), Just("a: "), Just("\n"), Just("  "), Just("{"), Just("}"), Just("{{x}}"), Just("["), Just("]"),
                Just("&a "), Just("*a "), Just("<<: "), Just("? "), Just(": "), Just("|\n"), Just("'"), Just("\""),
                Just("!!binary "), Just("---\n"), Just("1.10"), Just("((v))"), Just(", "), Just("#"), Just("%"),
            ], 0..40,
        )) {
            let _ = load(parts.concat().as_bytes()).map(|document| document.root.to_json());
        }

        #[test]
        fn never_panics_on_arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = load(&bytes);
        }
    }
}
