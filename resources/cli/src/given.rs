//! Reads vars from the command line: `--var`, `--yaml-var` and `--load-vars-from`, as in `fly set-pipeline`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Result};

use crate::document::{load, read};
use crate::node::{Content, Entry};
use crate::position::Severity;
use crate::reference::Reference;
use crate::vars::Vars;

/// The var options of the command line.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct VarArguments {
    /// A var as text: NAME=VALUE, or NAME=@FILE for the exact content of a file
    #[arg(short = 'v', long = "var", value_name = "NAME=VALUE", allow_hyphen_values = true)]
    vars: Vec<String>,

    /// A var as YAML: NAME=VALUE, so that `true`, `3` or `[a, b]` keep their type
    #[arg(short = 'y', long = "yaml-var", value_name = "NAME=YAML", allow_hyphen_values = true)]
    yaml_vars: Vec<String>,

    /// A YAML file of vars; later files override earlier ones, and `--var` overrides files
    #[arg(short = 'l', long = "load-vars-from", value_name = "FILE")]
    var_files: Vec<PathBuf>,
}

impl VarArguments {
    /// Merges the vars: later ones override earlier ones, and single vars override files.
    pub(crate) fn read(&self) -> Result<Vars> {
        let mut vars = Vars::default();
        for file in &self.var_files {
            add_file(&mut vars, file)?;
        }
        for argument in &self.vars {
            let (name, value) = pair("--var", argument)?;
            let text = match value.strip_prefix('@') {
                Some(file) => text_of(Path::new(file))?,
                None => value.to_owned(),
            };
            vars.give(named("--var", name)?, Content::Text(text));
        }
        for argument in &self.yaml_vars {
            let (name, value) = pair("--yaml-var", argument)?;
            let document = load(value.as_bytes()).with_context(|| format!("cannot read `--yaml-var {name}=…`"))?;
            vars.give(named("--yaml-var", name)?, document.root.content);
        }
        Ok(vars)
    }
}

fn pair<'a>(option: &str, argument: &'a str) -> Result<(&'a str, &'a str)> {
    // The argument itself may be a secret, given without a name.
    argument
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| anyhow!("`{option}` requires a name and a value").hint(format!("use `{option} NAME=VALUE`")))
}

fn text_of(file: &Path) -> Result<String> {
    String::from_utf8(read(file)?)
        .map_err(|_| anyhow!("file `{}` is not valid UTF-8 and cannot be used as a var", file.display()))
}

fn named(option: &str, name: &str) -> Result<Reference> {
    Reference::parse(name).map_err(|problem| anyhow!("`{option}`: `{name}` is not a valid var name: {problem}"))
}

fn add_file(vars: &mut Vars, file: &Path) -> Result<()> {
    let unusable = || format!("cannot load vars from file `{}`", file.display());
    let document = load(&read(file)?).with_context(unusable)?;
    if let Some(finding) = document.findings.iter().find(|finding| finding.severity == Severity::Problem) {
        return Err(anyhow!("{finding}").context(unusable()));
    }
    let kind = document.root.kind();
    match document.root.content {
        Content::Null => Ok(()),
        Content::Map(entries) => {
            for Entry { key, value } in entries {
                vars.set(key.text, value.content);
            }
            Ok(())
        }
        _ => Err(anyhow!("expected keys and values, found {kind}").context(unusable())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jetway::lines;
    use serde_json::json;

    #[test]
    fn command_line_overrides_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("key"), "-----BEGIN-----\nx\n-----END-----\n").unwrap();
        std::fs::write(path("one.yml"), "a: 1\nb: 1\nc: 1\n").unwrap();
        std::fs::write(path("two.yml"), "b: 2\nc: 2\n").unwrap();
        let vars = VarArguments {
            vars: vec![format!("key=@{}", path("key").display()), "c=3".to_owned()],
            yaml_vars: vec!["at='@x'".to_owned()],
            var_files: vec![path("one.yml"), path("two.yml")],
        };
        let mut root = load(b"[((key)), ((a)), ((b)), ((c)), ((at))]").unwrap().root;
        vars.read().unwrap().fill(&mut root);
        assert_eq!(root.to_json(), json!(["-----BEGIN-----\nx\n-----END-----\n", 1, 2, "3", "@x"]));
    }

    #[test]
    fn rejects_invalid_vars_without_showing_them() {
        let directory = tempfile::tempdir().unwrap();
        let list = directory.path().join("list.yml");
        std::fs::write(&list, "[hunter2]").unwrap();
        let refused = |vars: &[&str], yaml: &[&str], var_files: Vec<PathBuf>| {
            let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
            let error = VarArguments { vars: owned(vars), yaml_vars: owned(yaml), var_files }.read().err().unwrap();
            let lines: Vec<String> = lines(&error).iter().map(|line| line.text().to_owned()).collect();
            lines.join("; ").replace(&directory.path().display().to_string(), "DIR")
        };
        assert_eq!(refused(&["hunter2"], &[], vec![]), "`--var` requires a name and a value; use `--var NAME=VALUE`");
        assert_eq!(refused(&["=hunter2"], &[], vec![]), "`--var` requires a name and a value; use `--var NAME=VALUE`");
        assert_eq!(
            refused(&["a..b=hunter2"], &[], vec![]),
            "`--var`: `a..b` is not a valid var name: it has an empty segment"
        );
        assert_eq!(
            refused(&[], &["a=[hunter2"], vec![]),
            "cannot read `--yaml-var a=…`; 1:1: not valid YAML: unclosed bracket '['"
        );
        assert_eq!(
            refused(&[], &[], vec![list]),
            "cannot load vars from file `DIR/list.yml`; expected keys and values, found a list"
        );
        assert!(refused(&["a=@/no/such/file"], &[], vec![]).starts_with("cannot read `/no/such/file`"));
    }
}
