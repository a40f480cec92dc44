//! Resolves the vars of a Concourse YAML file, for other programs.

use std::path::Path;

use serde_json::{Map, Value};

use crate::defaults;
use crate::document::load;
use crate::pipeline::document;
use crate::position::Severity;
use crate::vars::Vars;

/// Parses a pipeline or a task config and fills in vars as `fly set-pipeline` does. Also merges the `defaults` of resource types
/// into each source, as Concourse does.
///
/// The error has one line per problem, with its position. It never shows the value of a var.
pub fn resolved(file: &Path, vars: &Map<String, Value>) -> Result<Value, String> {
    let mut given = Vars::default();
    for (name, value) in vars {
        // JSON is YAML.
        let value = load(value.to_string().as_bytes()).map_err(|_| format!("var `{name}` is not valid"))?;
        given.set(name.clone(), value.root.content);
    }
    let mut document = document(file)?;
    given.fill(&mut document.root);
    let problems = document.findings.iter().filter(|finding| finding.severity == Severity::Problem);
    let mut lines: Vec<String> = problems.map(|finding| format!("{}:{finding}", file.display())).collect();
    let unresolved = given.unresolved(&document.root);
    let line =
        |var: &crate::vars::Unresolved| format!("{}:{}: `{}` has no value", file.display(), var.position, var.written);
    lines.extend(unresolved.iter().map(line));
    defaults::fill(&mut document.root);
    if lines.is_empty() { Ok(document.root.to_json()) } else { Err(lines.join("\n")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(text: &str, vars: &Value) -> Result<Value, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ci.yml");
        std::fs::write(&file, text).unwrap();
        let place = format!("{}:", file.display());
        resolved(&file, vars.as_object().unwrap()).map_err(|error| error.replace(&place, ""))
    }

    #[test]
    fn keeps_types_of_vars() {
        let vars = json!({ "name": "x: [", "list": [1, true], "deep": { "key": "a\n((name))" } });
        assert_eq!(
            of("a: ((name))\nb: ((list))\nc: z-((deep.key))\n", &vars).unwrap(),
            json!({ "a": "x: [", "b": [1, true], "c": "z-a\n((name))" })
        );
    }

    #[test]
    fn reports_missing_var_with_its_position() {
        assert_eq!(
            of("a: ((name))\nb: ((deep.key))\n", &json!({ "deep": {} })).unwrap_err(),
            "1:4: `((name))` has no value\n2:4: `((deep.key))` has no value"
        );
    }
}
