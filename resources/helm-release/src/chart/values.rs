//! The values of a put: files of the inputs, and overrides of single values.

mod overrides;
mod reused;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Command, Result};
use serde_json::Value;

use self::overrides::Overrides;
use crate::target::Target;
use crate::yaml;

/// The options that pass the values to helm.
#[derive(Debug)]
pub(crate) struct Values {
    files: Vec<PathBuf>,
    numbers: Vec<String>,
}

impl Values {
    /// Finds the values files, and writes the overrides into a private file.
    pub(crate) async fn gather(target: &Target<'_>) -> Result<Self> {
        let of_inputs = files(target)?;
        let mut files: Vec<PathBuf> = reused::file(target).await?.into_iter().collect();
        files.extend(of_inputs.iter().cloned());
        let overrides = &target.params.override_values;
        if overrides.is_empty() {
            return Ok(Self { files, numbers: Vec::new() });
        }
        let below = if Overrides::change_lists(overrides) && !of_inputs.is_empty() {
            merged(target, &of_inputs).await?
        } else {
            Value::Null
        };
        let redactor = target.context.console().redactor();
        let Overrides { values, numbers } = Overrides::gather(overrides, &below, &target.inputs, redactor)?;
        let private = target.context.private_directory();
        files.push(private.write("override-values.yaml", yaml::document(&values).as_bytes())?);
        Ok(Self { files, numbers })
    }

    /// Adds the options to a command.
    pub(crate) fn add_to(&self, mut command: Command) -> Command {
        for file in &self.files {
            command = command.arg("--values").arg(file);
        }
        for number in &self.numbers {
            command = command.arg("--set").arg(number);
        }
        command
    }
}

/// The values files in the inputs.
fn files(target: &Target<'_>) -> Result<Vec<PathBuf>> {
    let Target { context, params, inputs, .. } = target;
    let mut found = Vec::new();
    for file in params.values.files() {
        match inputs.find(file)? {
            Some(path) => found.push(path),
            None if params.skip_missing_values => {
                context.console().step(format_args!(
                    "there is no file `{file}` in the inputs: it is skipped, as `skip_missing_values` says"
                ));
            }
            None => {
                return Err(anyhow!("there is no file `{file}` in the inputs")
                    .hint("`skip_missing_values: true` skips files that do not exist"));
            }
        }
    }
    Ok(found)
}

/// The merged values of the files, read by helm itself: it renders a chart whose only template prints its values.
async fn merged(target: &Target<'_>, files: &[PathBuf]) -> Result<Value> {
    const MARK: &str = "values: ";
    let directory = target.context.private_directory().directory("values-chart")?;
    let write = |name: &str, text: &str| fs::write(directory.join(name), text).context("cannot write a private file");
    target.context.private_directory().directory("values-chart/templates")?;
    write("Chart.yaml", "apiVersion: v2\nname: values\nversion: 1.0.0\n")?;
    write("templates/values.yaml", &format!("{MARK}{{{{ toJson .Values }}}}\n"))?;
    let mut command = target.helm.command("template").arg("values").arg(&directory).quiet();
    for file in files {
        command = command.arg("--values").arg(file);
    }
    let shown = command.run().await?.success().context("cannot read the values files")?.text();
    let json = shown.lines().find_map(|line| line.strip_prefix(MARK));
    let values = json.and_then(|json| serde_json::from_str(json).ok());
    values.ok_or_else(|| anyhow!("helm did not print the merged values"))
}
