//! The variables of a message, and their substitution into texts and JSON.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use jetway::{BuildMetadata, Console, UnknownVariables, interpolate};
use serde_json::Value;

use crate::env_file::{self, Line};

/// The status of the build, which Concourse sets in some hooks.
const BUILD_STATUS: &str = "BUILD_STATUS";

/// The variables of a build. If Concourse does not set one of them, such as the instance vars of a plain pipeline, it is empty,
/// and there is no warning.
const BUILD_VARIABLES: [&str; 14] = [
    "ATC_EXTERNAL_URL",
    "BUILD_CREATED_BY",
    "BUILD_ID",
    "BUILD_JOB_ID",
    "BUILD_JOB_NAME",
    "BUILD_NAME",
    "BUILD_PIPELINE_ID",
    "BUILD_PIPELINE_INSTANCE_VARS",
    "BUILD_PIPELINE_NAME",
    BUILD_STATUS,
    "BUILD_TEAM_ID",
    "BUILD_TEAM_NAME",
    "BUILD_URL",
    "BUILD_URL_SHORT",
];

/// How to treat the markup characters of a message: `&`, `<` and `>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Markup {
    /// Keep them: a value may contain mentions and links.
    Keep,
    /// Escape them.
    Escape,
}

/// Variables by name.
#[derive(Debug)]
pub(crate) struct Variables {
    values: BTreeMap<String, VariableValue>,
    markup: Markup,
    expands: bool,
    unknown: RefCell<BTreeSet<String>>,
    /// Whether a text uses `BUILD_STATUS` although it is not set.
    lacks_status: Cell<bool>,
}

/// The value of a variable, in its forms for names and URLs, for texts and for attachments.
#[derive(Debug)]
struct VariableValue {
    plain: String,
    in_text: String,
    in_attachment: String,
}

/// The origin of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    File,
    Elsewhere,
}

impl VariableValue {
    fn new(plain: String, in_text: String, origin: Origin) -> Self {
        let in_attachment = match origin {
            Origin::File => in_text.replace("\\n", "\n"),
            Origin::Elsewhere => in_text.clone(),
        };
        Self { plain, in_text, in_attachment }
    }
}

/// The kind of text that a variable is substituted into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    /// Text in which the chat interprets mentions and links.
    Text,
    /// Text in an attachment. The established resource inserts values into the JSON unescaped, so the two characters `\n` in a
    /// file become a line break there.
    Attachment,
    /// A name or a URL.
    Name,
}

impl Variables {
    /// The variables of the build. If `expands` is false, texts stay unchanged.
    pub(crate) fn of_build(build: &BuildMetadata, markup: Markup, expands: bool) -> Self {
        let mut variables = Self {
            values: BTreeMap::new(),
            markup,
            expands,
            unknown: RefCell::default(),
            lacks_status: Cell::default(),
        };
        for name in BUILD_VARIABLES {
            let value = build.variable(name).map(str::to_owned);
            // Older releases of Concourse do not set the URL of the build's page; it is built from the other variables.
            let value = if name == "BUILD_URL" { build.build_url() } else { value };
            variables.set(name, value.unwrap_or_default());
        }
        variables
    }

    /// Adds the variables of an `env_file`. They may use earlier ones, and they override those of the build.
    pub(crate) fn add_env_file(&mut self, path: &str, text: &str, console: &Console) {
        for line in env_file::read(text) {
            match line {
                Line::Variable { name, value, expands } => {
                    let value = if expands {
                        self.fill(value, UnknownVariables::Remove, TextKind::Name)
                    } else {
                        value.to_owned()
                    };
                    self.hold(name, value, Origin::File);
                }
                Line::Unknown(line) => {
                    console.warn(format_args!("line {line} of `{path}` is not `NAME=value`; the line is ignored"));
                }
            }
        }
    }

    /// Sets a variable to an untrusted value.
    pub(crate) fn set(&mut self, name: &str, plain: impl Into<String>) {
        self.hold(name, plain.into(), Origin::Elsewhere);
    }

    fn hold(&mut self, name: &str, plain: String, origin: Origin) {
        let in_text = self.escape_untrusted(&plain);
        self.values.insert(name.to_owned(), VariableValue::new(plain, in_text, origin));
    }

    /// Sets a variable to trusted text, which is not escaped.
    pub(crate) fn set_trusted(&mut self, name: &str, text: impl Into<String>) {
        let plain = text.into();
        self.values.insert(name.to_owned(), VariableValue::new(plain.clone(), plain, Origin::Elsewhere));
    }

    /// Sets a variable to the text of a file, which is already escaped.
    pub(crate) fn set_text_of_file(&mut self, name: &str, text: &str) {
        self.values.insert(name.to_owned(), VariableValue::new(text.to_owned(), text.to_owned(), Origin::File));
    }

    /// Escapes untrusted text for use in a message, if escaping is enabled.
    pub(crate) fn escape_untrusted(&self, text: &str) -> String {
        match self.markup {
            Markup::Keep => text.to_owned(),
            Markup::Escape => escape(text),
        }
    }

    /// Expands the variables in `text`.
    pub(crate) fn fill(&self, text: &str, unknown: UnknownVariables, place: TextKind) -> String {
        if !self.expands {
            return text.to_owned();
        }
        let lookup = |name: &str| {
            let value = self.values.get(name)?;
            if name == BUILD_STATUS && value.plain.is_empty() {
                self.lacks_status.set(true);
            }
            Some(match place {
                TextKind::Text => value.in_text.as_str(),
                TextKind::Attachment => value.in_attachment.as_str(),
                TextKind::Name => value.plain.as_str(),
            })
        };
        let filled = interpolate(text, lookup, unknown);
        self.unknown.borrow_mut().extend(filled.unknown);
        filled.text
    }

    /// Expands the variables in the strings of a JSON value. A variable's value cannot end the string that contains it.
    pub(crate) fn fill_json(&self, value: Value, place: TextKind) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(&text, UnknownVariables::Remove, place)),
            Value::Array(items) => items.into_iter().map(|item| self.fill_json(item, place)).collect(),
            Value::Object(entries) => {
                entries.into_iter().map(|(key, value)| (key, self.fill_json(value, place))).collect()
            }
            other => other,
        }
    }

    /// Warns about unknown variables, once for each name.
    pub(crate) fn warn_of_unknown(&self, console: &Console) {
        if self.lacks_status.take() {
            console.warn(
                "`$BUILD_STATUS` is empty: Concourse sets it in `on_success`, `on_failure`, `on_abort` and `on_error`, but not in `ensure`",
            );
        }
        let names: Vec<String> = self.unknown.take().iter().map(|name| format!("`${name}`")).collect();
        if let [first, rest @ ..] = names.as_slice() {
            let (list, verb) = match rest {
                [] => (first.clone(), "has"),
                _ => (names.join(", "), "have"),
            };
            console.warn(format_args!(
                "{list} {verb} no value; the known variables are those of the build and of `env_file`"
            ));
        }
    }
}

/// Escapes the characters that Slack interprets as markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn build() -> BuildMetadata {
        BuildMetadata::from_lookup(|name| match name {
            "BUILD_NAME" => Some("42".to_owned()),
            "BUILD_JOB_NAME" => Some("a \"job\" <!channel> & $BUILD_NAME `id`".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn value_cannot_end_its_json_string() {
        let variables = Variables::of_build(&build(), Markup::Keep, true);
        let filled =
            variables.fill_json(json!([{ "text": "x ${BUILD_JOB_NAME}", "short": true, "n": 1 }]), TextKind::Text);
        assert_eq!(filled, json!([{ "text": "x a \"job\" <!channel> & $BUILD_NAME `id`", "short": true, "n": 1 }]));
    }

    #[test]
    fn escape_applies_to_texts_but_not_to_names() {
        let variables = Variables::of_build(&build(), Markup::Escape, true);
        let fill = |place| variables.fill("<$BUILD_JOB_NAME>", UnknownVariables::Remove, place);
        assert_eq!(fill(TextKind::Text), "<a \"job\" &lt;!channel&gt; &amp; $BUILD_NAME `id`>");
        assert_eq!(fill(TextKind::Name), "<a \"job\" <!channel> & $BUILD_NAME `id`>");
    }

    #[test]
    fn env_file_overrides_the_build_and_may_use_earlier_lines() {
        let console = Console::new(std::io::sink(), jetway::Redactor::default(), jetway::Colour::Never);
        let mut variables = Variables::of_build(&build(), Markup::Keep, true);
        let text = "A=n$BUILD_NAME\nB='$A'\nBUILD_NAME=$A $(id) `id`\n";
        variables.add_env_file("env", text, &console);
        assert_eq!(
            variables.fill("$A|$B|$BUILD_NAME", UnknownVariables::Remove, TextKind::Name),
            "n42|$A|n42 $(id) `id`"
        );
    }

    #[test]
    fn unset_variable_of_the_build_is_known_and_empty() {
        let variables = Variables::of_build(&build(), Markup::Keep, true);
        assert_eq!(variables.fill("[$BUILD_ID][$NOPE]", UnknownVariables::Keep, TextKind::Text), "[][$NOPE]");
        assert_eq!(variables.unknown.take().into_iter().collect::<Vec<_>>(), ["NOPE"]);
    }

    #[test]
    fn escaped_newline_is_a_newline_only_in_attachments() {
        let mut variables = Variables::of_build(&build(), Markup::Keep, true);
        variables.set_text_of_file("V", "a\\nb");
        variables.set("W", "c\\nd");
        let fill = |place| variables.fill_json(json!("$V \\n"), place);
        assert_eq!(variables.fill_json(json!("$W"), TextKind::Attachment), json!("c\\nd"));
        assert_eq!(fill(TextKind::Attachment), json!("a\nb \\n"));
        assert_eq!(fill(TextKind::Text), json!("a\\nb \\n"));
    }

    #[test]
    fn verbatim_texts_are_not_expanded() {
        let variables = Variables::of_build(&build(), Markup::Keep, false);
        assert_eq!(variables.fill("$BUILD_NAME", UnknownVariables::Remove, TextKind::Text), "$BUILD_NAME");
    }

    proptest! {
        #[test]
        fn escaped_text_has_no_special_characters(text in "\\PC*") {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>']));
            let back = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            prop_assert_eq!(back, text);
        }
    }
}
