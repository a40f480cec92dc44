//! Parameter tables for a type's README, from the doc comments of its Rust types.
//!
//! In the README a block such as
//!
//! ```markdown
//! <!-- parameters: source -->
//! <!-- end -->
//! ```
//!
//! marks the place of a table (`source`, `get`, `put` or `version`), and [`fill`] writes it there. A test that compares the
//! result with the README keeps the README up to date.

use std::fmt::Write as _;

use anyhow::anyhow;
use serde_json::{Map, Value};

use crate::error::{Advise as _, Result};
use crate::part::Part;
use crate::resource_type::ResourceType;
use crate::schema::problem::join_path;
use crate::schema::shape::{alternatives, describe, resolve, words};

const BEGIN: &str = "<!-- parameters: ";
const BEGIN_CLOSES: &str = " -->";
const END: &str = "<!-- end -->";

/// The parts that a README can have a table for, by their names in the markers.
const PARTS: [(&str, Part); 4] =
    [("source", Part::Source), ("get", Part::GetParams), ("put", Part::PutParams), ("version", Part::Version)];

/// The maximum depth of nested keys that have rows.
const MAX_DEPTH: usize = 5;

/// Replaces the content of the marked blocks in `readme` with the tables of `kind`. All other text stays unchanged.
pub fn fill(kind: &ResourceType, readme: &str) -> Result<String> {
    let mut filled = String::with_capacity(readme.len());
    let mut block: Option<&str> = None;
    for line in readme.split_inclusive('\n') {
        let marker = line.trim();
        let begins = marker.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(BEGIN_CLOSES)).map(str::trim);
        match (begins, block) {
            (Some(name), None) => {
                let found = PARTS.iter().find(|(known, _)| *known == name);
                let (_, part) = found.ok_or_else(|| {
                    let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
                    anyhow!("`{marker}` names an unknown part").hint(format!("the parts are {}", names.join(", ")))
                })?;
                block = Some(marker);
                filled.push_str(line);
                if !line.ends_with('\n') {
                    filled.push('\n');
                }
                filled.push('\n');
                filled.push_str(&table(kind, *part));
                filled.push('\n');
            }
            (Some(_), Some(open)) => return Err(anyhow!("`{marker}` begins before the end of `{open}`")),
            (None, Some(_)) if marker == END => {
                block = None;
                filled.push_str(line);
            }
            (None, Some(_)) => {}
            (None, None) => filled.push_str(line),
        }
    }
    match block {
        None => Ok(filled),
        Some(open) => Err(anyhow!("`{open}` has no end").hint(format!("end it by a line `{END}`"))),
    }
}

/// Formats the keys of one part as a Markdown table. The meaning of a key is the first sentence of its doc comment.
pub fn table(kind: &ResourceType, part: Part) -> String {
    let schema = kind.schema(part);
    let mut rows = Rows { root: &schema, rows: Vec::new() };
    rows.object(&schema, "", 0);
    if rows.rows.is_empty() {
        return "No keys.\n".to_owned();
    }
    let mut table = "| key | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    for Row { key, kind, default, meaning } in rows.rows {
        table.push('|');
        for cell in [format!("`{key}`"), kind, default, meaning] {
            if !cell.is_empty() {
                table.push(' ');
                table.push_str(&cell.replace('|', "\\|"));
            }
            table.push_str(" |");
        }
        table.push('\n');
    }
    table
}

struct Row {
    key: String,
    kind: String,
    default: String,
    meaning: String,
}

struct Rows<'s> {
    root: &'s Value,
    rows: Vec<Row>,
}

impl<'s> Rows<'s> {
    fn object(&mut self, schema: &'s Value, path: &str, depth: usize) {
        let schema = resolve(self.root, schema);
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::iter);
        for (key, property) in properties {
            self.key(property, &join_path(path, key), required.contains(&key.as_str()), depth);
        }
    }

    fn key(&mut self, schema: &'s Value, path: &str, required: bool, depth: usize) {
        let mut kind = describe(self.root, schema);
        if self.is_secret(schema, 0) {
            kind.push_str(", secret");
        }
        let default = if required { "required".to_owned() } else { default_of(schema) };
        let mut meaning = first_sentence(self.description(schema));
        for (word, text) in self.meanings(schema, 0) {
            let space = if meaning.is_empty() { "" } else { " " };
            let _ = write!(meaning, "{space}`{word}`: {text}");
        }
        self.rows.push(Row { key: path.to_owned(), kind, default, meaning });
        if depth < MAX_DEPTH {
            self.inside(schema, path, depth + 1);
        }
    }

    /// Adds the keys of nested objects.
    fn inside(&mut self, schema: &'s Value, path: &str, depth: usize) {
        let schema = resolve(self.root, schema);
        if words(self.root, schema).is_some() {
            return;
        }
        for alternative in alternatives(schema).unwrap_or_default() {
            self.inside(alternative, path, depth);
        }
        if let Some(items) = schema.get("items") {
            self.inside(items, &format!("{path}[]"), depth);
        }
        if let Some(others) = schema.get("additionalProperties").filter(|others| others.is_object()) {
            self.inside(others, &join_path(path, "NAME"), depth);
        }
        self.object(schema, path, depth);
    }

    /// The doc comment of a key, or else of its type.
    fn description(&self, schema: &'s Value) -> &'s str {
        let text = |schema: &'s Value| schema.get("description").and_then(Value::as_str);
        let of_its_type = || {
            let schema = resolve(self.root, schema);
            match alternatives(schema).as_deref() {
                Some([only]) => text(resolve(self.root, only)),
                _ => text(schema),
            }
        };
        text(schema).or_else(of_its_type).unwrap_or_default()
    }

    fn is_secret(&self, schema: &'s Value, depth: usize) -> bool {
        let schema = resolve(self.root, schema);
        let inner = || {
            let items = schema.get("items").into_iter();
            let others = schema.get("additionalProperties").into_iter();
            items.chain(others).chain(alternatives(schema).unwrap_or_default())
        };
        schema.get("writeOnly") == Some(&Value::Bool(true))
            || (depth < MAX_DEPTH && inner().any(|inner| self.is_secret(inner, depth + 1)))
    }

    /// The allowed words, each with the first sentence of its doc comment.
    fn meanings(&self, schema: &'s Value, depth: usize) -> Vec<(&'s str, String)> {
        let schema = resolve(self.root, schema);
        let word = schema.get("const").and_then(Value::as_str);
        if let Some(word) = word {
            let meaning = first_sentence(schema.get("description").and_then(Value::as_str).unwrap_or_default());
            return if meaning.is_empty() { Vec::new() } else { vec![(word, meaning)] };
        }
        if depth >= MAX_DEPTH {
            return Vec::new();
        }
        let inner = alternatives(schema).unwrap_or_default().into_iter().chain(schema.get("items"));
        inner.flat_map(|inner| self.meanings(inner, depth + 1)).collect()
    }
}

/// The default of a key; empty if there is none.
fn default_of(schema: &Value) -> String {
    match schema.get("default") {
        None | Some(Value::Null) => String::new(),
        Some(Value::Array(items)) if items.is_empty() => String::new(),
        Some(Value::Object(entries)) if entries.is_empty() => String::new(),
        Some(Value::String(text)) if text.is_empty() => String::new(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(other) => format!("`{other}`"),
    }
}

/// The first sentence of a doc comment, on one line.
fn first_sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let ends = |at: &usize| {
        let rest = line.get(at + 1..).unwrap_or_default();
        // A sentence begins with a capital or with code, unlike the text after `etc.` or `e.g.`.
        rest.strip_prefix(' ').is_some_and(|next| next.starts_with(|c: char| c.is_uppercase() || "`\"(".contains(c)))
    };
    let end = line.match_indices('.').map(|(at, _)| at).find(ends);
    end.and_then(|at| line.get(..=at)).map_or(line.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, NoParams, Parameters, Resource, Response, Secret};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use std::collections::BTreeMap;
    use std::path::Path;

    struct Sample;

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Source {
        /// The URL of the server, `https://...`, or a path. A password
        /// in it is masked.
        uri: String,
        /// The token, version 1.2 or later (see below).
        token: Option<Secret>,
        /// How many.
        #[serde(default = "three")]
        count: u32,
        #[serde(default)]
        flag: bool,
        /// The new state: `a|b`.
        state: Option<State>,
        /// The registries.
        #[serde(default)]
        registries: Vec<Registry>,
        /// Arguments by name.
        #[serde(default)]
        args: BTreeMap<String, String>,
        /// Which ones.
        which: Option<Which>,
        main: Option<Registry>,
    }

    /// A registry.
    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Registry {
        /// Its host.
        host: String,
        /// Its passwords.
        passwords: Option<Vec<Secret>>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[allow(dead_code)]
    enum State {
        /// All is well. Nothing to do.
        Success,
        /// It went wrong.
        Failure,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Which {
        All(State),
        Some(Vec<String>),
    }

    fn three() -> u32 {
        3
    }

    impl Parameters for Source {}

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Version {
        /// The number.
        number: String,
    }

    impl Resource for Sample {
        const NAME: &'static str = "sample";
        const ABOUT: &'static str = "A sample";
        const RELEASE: &'static str = "1";
        type Source = Source;
        type Version = Version;
        type GetParams = NoParams;
        type PutParams = NoParams;

        async fn check(_: &Context, _: Source, _: Option<Version>) -> Result<Vec<Version>> {
            Ok(Vec::new())
        }

        async fn get(_: &Context, _: Source, _: Option<Version>, _: NoParams, _: &Path) -> Result<Response<Version>> {
            Err(anyhow!("none"))
        }

        async fn put(_: &Context, _: Source, _: NoParams, _: &Path) -> Result<Response<Version>> {
            Err(anyhow!("none"))
        }
    }

    fn sample() -> ResourceType {
        ResourceType::of::<Sample>()
    }

    #[test]
    fn each_key_is_a_row_with_type_default_and_meaning() {
        let expected = "\
| key | type | default | meaning |
|---|---|---|---|
| `uri` | text | required | The URL of the server, `https://...`, or a path. |
| `token` | text, secret | | The token, version 1.2 or later (see below). |
| `count` | a whole number | `3` | How many. |
| `flag` | true or false | `false` | |
| `state` | `success` or `failure` | | The new state: `a\\|b`. `success`: All is well. `failure`: It went wrong. |
| `registries` | a list of keys and values | | The registries. |
| `registries[].host` | text | required | Its host. |
| `registries[].passwords` | a list of text, secret | | Its passwords. |
| `args` | keys and values | | Arguments by name. |
| `which` | `success` or `failure` or a list of text | | Which ones. `success`: All is well. `failure`: It went wrong. |
| `main` | keys and values | | A registry. |
| `main.host` | text | required | Its host. |
| `main.passwords` | a list of text, secret | | Its passwords. |
";
        let table = table(&sample(), Part::Source);
        let own = table.strip_prefix(expected).unwrap();
        let keys: Vec<&str> = own.lines().filter_map(|row| row.split(" | ").next()).collect();
        assert_eq!(keys, ["| `allow_unknown_keys`", "| `strict`"], "{table}");
    }

    #[test]
    fn fills_only_marked_blocks() {
        let readme =
            "# S\n\n<!-- parameters: version -->\nold\n<!-- end -->\ntext\n  <!-- parameters: get -->\n<!-- end -->";
        let filled = "# S\n\n<!-- parameters: version -->\n\n| key | type | default | meaning |\n|---|---|---|---|\n\
                      | `number` | text | required | The number. |\n\n<!-- end -->\ntext\n  \
                      <!-- parameters: get -->\n\nNo keys.\n\n<!-- end -->";
        assert_eq!(fill(&sample(), readme).unwrap(), filled);
        assert_eq!(fill(&sample(), filled).unwrap(), filled);
    }

    #[test]
    fn rejects_invalid_blocks() {
        let message = |readme| fill(&sample(), readme).unwrap_err().to_string();
        assert_eq!(message("<!-- parameters: source -->\n"), "`<!-- parameters: source -->` has no end");
        assert_eq!(message("<!-- parameters: sauce -->\n"), "`<!-- parameters: sauce -->` names an unknown part");
        assert_eq!(
            message("<!-- parameters: get -->\n<!-- parameters: put -->\n<!-- end -->\n"),
            "`<!-- parameters: put -->` begins before the end of `<!-- parameters: get -->`"
        );
    }
}
