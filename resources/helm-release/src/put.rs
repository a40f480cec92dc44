//! put: brings up a new revision of the release, by helm itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Error, Inputs, Parameters, Problems, Response, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::Cluster;
use crate::get;
use crate::helm::Helm;
use crate::kubernetes::Kubernetes;
use crate::name;
use crate::records::{Record, Records};
use crate::source::{Source, StableRepository, given};
use crate::version::Version;

/// The params of the established resource's put that this release does not know yet.
pub(crate) const NOT_YET: &[&str] = &[
    "params.debug",
    "params.delete_namespace",
    "params.diff_opts",
    "params.force",
    "params.kubeconfig",
    "params.kubeconfig_path",
    "params.override_values",
    "params.post_renderer",
    "params.replace",
    "params.show_diff",
    "params.test",
    "params.test_logs",
    "params.token_path",
    "params.uninstall",
    "params.wait",
];

/// What to deploy.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key of the established resource")]
pub struct Params {
    /// The chart: a directory or a `.tgz` in the inputs, or an address, `oci://...` or `https://...`.
    pub chart: String,

    /// The release, in place of the source's: its name, or a file in the inputs with the name.
    pub release: Option<String>,

    /// The namespace, in place of the source's: its name, or a file in the inputs with the name.
    pub namespace: Option<String>,

    /// The version of a chart that comes from an address: itself, or a file in the inputs with it.
    pub version: Option<String>,

    /// Files of values in the inputs: one or several, separated by white space or as a list. Later ones win.
    #[serde(default)]
    pub values: Values,

    /// Leave out files of `values` that are not there.
    #[serde(default)]
    pub skip_missing_values: bool,

    /// Make the namespace when it is not there.
    #[serde(default)]
    pub create_namespace: bool,

    /// Wait until everything that was deployed is ready.
    #[serde(default)]
    pub check_is_ready: bool,

    /// Wait until all jobs have ended, too.
    #[serde(default)]
    pub wait_for_jobs: bool,

    /// Have helm wait, and go back (or take a first release away) when it does not come up.
    #[serde(default)]
    pub atomic: bool,

    /// Begin with the values of the revision before, and put the new ones over them.
    #[serde(default)]
    pub reuse_values: bool,

    /// Forget the values of the revision before.
    #[serde(default)]
    pub reset_values: bool,

    /// Take versions of charts that are still in development, too.
    #[serde(default)]
    pub devel: bool,

    /// How long helm waits for each single step: seconds, or a duration as helm writes it (`5m0s`).
    #[serde(default = "timeout")]
    pub timeout: String,
}

/// Files of values.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Values {
    /// Separated by white space.
    Text(String),
    /// One by one.
    List(Vec<String>),
}

impl Default for Values {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Values {
    fn files(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text.split_whitespace().collect(),
            Self::List(list) => list.iter().flat_map(|text| text.split_whitespace()).collect(),
        }
    }
}

fn timeout() -> String {
    "5m0s".to_owned()
}

/// How many revisions helm keeps when nothing is said.
const HISTORY: u32 = 10;

impl Parameters for Params {
    fn rules(&self, problems: &mut Problems) {
        if self.chart.trim().is_empty() {
            problems.add("chart", "must not be empty");
        } else if self.chart.starts_with('-') {
            problems.add("chart", "must not begin with `-`");
        }
        for file in self.values.files() {
            problems.require_input("values", file);
        }
        if self.reuse_values && self.reset_values {
            problems.add("reset_values", "excludes `reuse_values`");
        }
        if let Err(problem) = duration(&self.timeout) {
            problems.add("timeout", problem);
        }
    }
}

/// A duration as helm takes it; a plain number is seconds.
fn duration(text: &str) -> Result<String, String> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(format!("{}s", Duration::from_secs(seconds).as_secs()));
    }
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(rest.len());
        let (number, unit) = rest.split_at(digits);
        let unit = ["ms", "h", "m", "s"].into_iter().find_map(|name| unit.strip_prefix(name));
        rest = match unit {
            Some(rest) if number.parse::<f64>().is_ok() => rest,
            _ => return Err(format!("expected seconds or a duration such as `5m0s`, found `{text}`")),
        };
    }
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Deploys the chart, and answers with the revision that came of it.
pub(crate) async fn put(
    context: &Context,
    source: &Source,
    params: &Params,
    inputs: &Path,
) -> Result<Response<Version>> {
    refuse_what_is_not_yet(source)?;
    let inputs = Inputs::new(inputs)?;
    let named = |key: &str, text: &str| word_or_file(&inputs, text).with_context(|| format!("cannot use `{key}`"));
    let release = match given(params.release.as_ref()) {
        Some(text) => named("release", text)?,
        None => given(source.release.as_ref())
            .ok_or_else(|| anyhow!("there is no release to deploy").hint("name one as `release` in the source"))?
            .to_owned(),
    };
    name::release(&release).map_err(|problem| anyhow!("the name of the release {problem}"))?;
    let cluster = Cluster::find(context, source).await?;
    let helm = Helm::new(context, source, &cluster)?;
    let kubernetes = Kubernetes::of(context, cluster)?;
    let usual = crate::check::namespace(source, &kubernetes);
    let namespace = match given(params.namespace.as_ref()) {
        Some(text) => named("namespace", text)?,
        None => usual.to_owned(),
    };
    name::namespace(&namespace).map_err(|problem| anyhow!("the name of the namespace {problem}"))?;
    let chart = chart(&inputs, &params.chart)?;
    if let Chart::Directory(directory) = &chart
        && has_dependencies(directory)
    {
        context.console().step("fetching the charts that the chart depends on");
        helm.command("dependency").arg("update").arg("--").arg(directory).relay_stdout().run().await?.success()?;
    }

    let mut upgrade = helm.command("upgrade").arg("--install").arg(format!("--namespace={namespace}"));
    for file in values(context, params, &inputs)? {
        upgrade = upgrade.arg("--values").arg(file);
    }
    let wait = params.check_is_ready || params.wait_for_jobs;
    for (flag, wanted) in [
        ("--create-namespace", params.create_namespace),
        ("--wait", wait),
        ("--wait-for-jobs", params.wait_for_jobs),
        ("--atomic", params.atomic),
        ("--reuse-values", params.reuse_values),
        ("--reset-values", params.reset_values),
        ("--devel", params.devel),
    ] {
        if wanted {
            upgrade = upgrade.arg(flag);
        }
    }
    let version = given(params.version.as_ref()).map(|text| named("version", text)).transpose()?;
    if let (Some(version), Chart::Elsewhere(_)) = (&version, &chart) {
        upgrade = upgrade.arg(format!("--version={version}"));
    }
    let timeout = duration(&params.timeout).map_err(|problem| anyhow!("`timeout`: {problem}"))?;
    let history = source.helm_history_max.unwrap_or(HISTORY);
    upgrade = upgrade.arg(format!("--timeout={timeout}")).arg(format!("--history-max={history}"));
    upgrade = upgrade.arg("--").arg(&release).arg(chart.argument());
    context.console().step(format_args!("deploying `{release}` into the namespace `{namespace}`"));
    let outcome = upgrade.relay_stdout().run().await.and_then(jetway::Finished::success);

    let records = Records::new(&kubernetes, source.storage, &namespace);
    if let Err(error) = outcome {
        return Err(with_state(error, &records.of(&release).await.unwrap_or_default(), &release));
    }
    let newest = records.of(&release).await?.into_iter().rfind(|record| record.status == "deployed");
    let revision = newest.map(|record| record.revision);
    let revision = revision.ok_or_else(|| anyhow!("helm ended well, and no revision of `{release}` is deployed"))?;
    let made = records.read(&release, revision).await?;
    let made = made.ok_or_else(|| anyhow!("revision {revision} of `{release}` went away at once"))?;
    let elsewhere = (namespace != usual).then(|| namespace.clone());
    let version = Version { namespace: elsewhere, ..Version::of_revision(&release, revision) };
    Ok(Response { version, metadata: get::metadata(&made, &namespace) })
}

/// What the source asks for and this release cannot do.
fn refuse_what_is_not_yet(source: &Source) -> Result<()> {
    let has_stable = matches!(&source.stable_repo, Some(StableRepository::Url(url)) if url != "false");
    for (key, is_given) in [
        ("repos", !source.repos.is_empty()),
        ("plugins", !source.plugins.is_empty()),
        ("private_registry", source.private_registry.is_some()),
        ("stable_repo", has_stable),
    ] {
        if is_given {
            return Err(anyhow!("`source.{key}` is known, but not supported by this release"));
        }
    }
    Ok(())
}

/// The text itself, or what is in the file of the inputs that it names.
fn word_or_file(inputs: &Inputs, text: &str) -> Result<String> {
    match inputs.find(text) {
        Ok(Some(path)) if path.is_file() => {
            let bytes = inputs.read(&path)?;
            Ok(String::from_utf8(bytes).map_err(|_| anyhow!("the file `{text}` is not text"))?.trim().to_owned())
        }
        // What leads out of the inputs is no file of theirs; as a name it is held to a name's form.
        Ok(_) | Err(_) => Ok(text.to_owned()),
    }
}

/// Where a chart comes from.
enum Chart {
    Directory(PathBuf),
    Archive(PathBuf),
    Elsewhere(String),
}

impl Chart {
    fn argument(&self) -> &std::ffi::OsStr {
        match self {
            Self::Directory(path) | Self::Archive(path) => path.as_os_str(),
            Self::Elsewhere(address) => address.as_ref(),
        }
    }
}

fn chart(inputs: &Inputs, text: &str) -> Result<Chart> {
    if text.contains("://") {
        return Ok(Chart::Elsewhere(text.to_owned()));
    }
    match inputs.find(text)? {
        Some(path) if path.is_dir() => Ok(Chart::Directory(path)),
        Some(path) => Ok(Chart::Archive(path)),
        None => Err(anyhow!("there is no chart `{text}` in the inputs")
            .hint("a chart from elsewhere is written with its address, `oci://...` or `https://...`")),
    }
}

/// Whether a chart needs others. One that cannot be read is for helm to complain about.
fn has_dependencies(chart: &Path) -> bool {
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(default)]
        dependencies: Vec<serde::de::IgnoredAny>,
    }
    let of_chart = std::fs::read_to_string(chart.join("Chart.yaml")).ok();
    let parsed = of_chart.and_then(|text| serde_saphyr::from_str::<Metadata>(&text).ok());
    chart.join("requirements.yaml").exists() || parsed.is_some_and(|metadata| !metadata.dependencies.is_empty())
}

/// The files of values that are there.
fn values(context: &Context, params: &Params, inputs: &Inputs) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in params.values.files() {
        match inputs.find(file)? {
            Some(path) => found.push(path),
            None if params.skip_missing_values => {
                context.console().step(format_args!("there is no `{file}`: it is left out"));
            }
            None => {
                return Err(anyhow!("there is no file `{file}` in the inputs")
                    .hint("`skip_missing_values` leaves out what is not there"));
            }
        }
    }
    Ok(found)
}

/// The error of helm with what is there now.
fn with_state(error: Error, records: &[Record], release: &str) -> Error {
    let deployed = records.iter().rfind(|record| record.status == "deployed").map(|record| record.revision);
    let now = match (records.last(), deployed) {
        (None, _) => "nothing of it is there".to_owned(),
        (Some(newest), Some(deployed)) if newest.revision == deployed => format!("revision {deployed} is deployed now"),
        (Some(Record { revision, status, .. }), Some(deployed)) => {
            format!("revision {revision} is `{status}`, and revision {deployed} is deployed")
        }
        (Some(Record { revision, status, .. }), None) => {
            format!("revision {revision} is `{status}`, and none is deployed")
        }
    };
    error.context(format!("`{release}` was not deployed: {now}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_helm_and_plain_seconds() {
        for (text, words) in
            [("120", "120s"), ("5m0s", "5m0s"), ("1h30m", "1h30m"), ("1.5s", "1.5s"), ("300ms", "300ms")]
        {
            assert_eq!(duration(text).as_deref(), Ok(words));
        }
        for text in ["", "5 minutes", "5x", "m", "-1", "1d", "s5"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
