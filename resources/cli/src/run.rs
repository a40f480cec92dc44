//! `jetway check`, `get` and `put`: run a verb from a pipeline file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Console, Error, ResourceType, Result, Verb, nearest};
use serde_json::{Map, Value, json};

use crate::catalogue::Catalogue;
use crate::declared::Declared;
use crate::defaults;
use crate::given::VarArguments;
use crate::node::{Content, Node};
use crate::part::PartInPipeline;
use crate::pipeline::{Pipeline, document};
use crate::position::{Finding, Severity};
use crate::report::{params_of, source_of};
use crate::schema::named;
use crate::steps::{Step, word};

use crate::vars::{Unresolved, VarError, Vars};

/// Options that all three verbs share.
#[derive(Debug, clap::Args)]
pub(crate) struct ResourceArguments {
    /// The pipeline file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) pipeline: PathBuf,

    /// The resource, by its name in the pipeline
    #[arg(short, long, value_name = "NAME")]
    pub(crate) resource: String,

    /// The Jetway type, if neither the resource's `type` nor its image identifies it
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,

    #[command(flatten)]
    pub(crate) vars: VarArguments,
}

/// The step that params come from.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct StepArguments {
    /// Use the params of this job's step
    #[arg(short, long, value_name = "JOB")]
    job: Option<String>,

    /// The step, if the job has several: its name, or its number among them, from 1
    #[arg(long, value_name = "STEP", requires = "job")]
    step: Option<String>,
}

/// A version, key by key.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct VersionArguments {
    /// A key of the version, such as `ref=4f1b2c3`; repeat it for more keys
    #[arg(long = "version", value_name = "KEY=VALUE")]
    version: Vec<String>,
}

/// A verb with its arguments.
pub(crate) struct Call<'a> {
    pub(crate) verb: Verb,
    pub(crate) resource: &'a ResourceArguments,
    pub(crate) step: &'a StepArguments,
    pub(crate) version: &'a VersionArguments,
    pub(crate) directory: Option<PathBuf>,
}

impl Call<'_> {
    /// Runs the verb and prints its response to standard output.
    pub(crate) fn run(&self, catalogue: &Catalogue, console: &Console) -> Result<ExitCode> {
        let version = self.version.read()?;
        let vars = self.resource.vars.read()?;
        let file = &self.resource.pipeline;
        let mut document = document(file).map_err(Error::msg)?;
        refuse(file, &document.findings, "the pipeline is not valid")?;
        vars.fill(&mut document.root);
        defaults::fill(&mut document.root);
        // Problems elsewhere in the pipeline are for `validate` to report.
        let pipeline = Pipeline::read(&document.root, &mut Vec::new());
        let resource = find(&self.resource.resource, &pipeline, file)?;
        let kind = match &self.resource.kind {
            Some(name) => named(name, catalogue)?,
            None => kind_of(resource, &pipeline, catalogue)?,
        };
        let step = self.step(&pipeline, console)?;

        let name = &self.resource.resource;
        let source = source_of(resource, "resource");
        let params = step.map(|step| params_of(step, Some(resource)));
        let pinned = match step.and_then(|step| step.version) {
            Some(entry) if entry.value.is_map() => Some(&entry.value),
            _ => resource.version.map(|entry| &entry.value).filter(|value| value.is_map()),
        };
        let pinned = pinned.filter(|_| version.is_none() && self.verb == Verb::Get);
        let parts: Vec<&PartInPipeline<'_>> = std::iter::once(&source).chain(&params).collect();
        resolved(file, &parts, pinned, &vars)?;
        let redactor = vars.redactor();
        // The type itself reports its warnings when it handles the request.
        for warning in parts.iter().flat_map(|part| part.converted_values(kind)) {
            console.warn(format_args!("{}:{}: {}", file.display(), warning.position, warning.message));
        }
        let findings: Vec<Finding> = parts.iter().flat_map(|part| part.problems(kind, &redactor)).collect();
        refuse(file, &findings, &format!("the configuration of resource `{name}` is not valid"))?;

        let mut request = Map::new();
        request.insert("source".to_owned(), source.value());
        let version = match (version, pinned.map(pinned_version)) {
            (Some(version), _) | (None, Some(version)) => Some(version),
            (None, None) if self.verb == Verb::Get => match newest(kind, name, &request, console)? {
                Ok(version) => Some(version),
                Err(code) => return Ok(code),
            },
            (None, None) => None,
        };
        request.extend(version.map(|version| ("version".to_owned(), version)));
        if let (Some(params), true) = (&params, self.verb != Verb::Check) {
            request.insert("params".to_owned(), params.value());
        }
        Ok(kind.serve(self.verb, &Value::Object(request), self.directory.clone()))
    }

    /// The step that provides the params, if a job is given.
    fn step<'p, 'n>(&self, pipeline: &'p Pipeline<'n>, console: &Console) -> Result<Option<&'p Step<'n>>> {
        let name = self.resource.resource.as_str();
        let word = word(self.verb);
        let of_resource = |step: &&Step<'_>| step.verb == self.verb && step.resource.as_deref() == Some(name);
        let Some(job) = &self.step.job else {
            let jobs: Vec<&str> = pipeline
                .steps
                .iter()
                .filter(of_resource)
                .filter(|step| step.params.is_some())
                .map(|step| step.job.as_str())
                .collect();
            if let Some(job) = jobs.first() {
                console.warn(format_args!(
                    "no `--job` is given: running the {word} without params; job `{job}` has params for `{name}`"
                ));
            }
            return Ok(None);
        };
        let steps: Vec<&Step<'n>> = pipeline.steps.iter().filter(|step| step.job == *job).filter(of_resource).collect();
        let wanted = self.step.step.as_deref();
        let fits = |(index, step): &(usize, &&Step<'n>)| {
            wanted.is_none_or(|wanted| wanted == step.name || wanted.parse() == Ok(index + 1))
        };
        let chosen: Vec<&Step<'n>> = steps.iter().enumerate().filter(fits).map(|(_, step)| *step).collect();
        match (steps.as_slice(), chosen.as_slice()) {
            (_, [step]) => Ok(Some(step)),
            ([], _) => {
                let error = anyhow!("job `{job}` has no {word} step of `{name}`");
                let jobs = pipeline.steps.iter().filter(of_resource).map(|step| step.job.as_str());
                Err(among(error, "jobs with such a step", jobs))
            }
            (all, _) => {
                let error = match wanted {
                    Some(wanted) => anyhow!("`--step {wanted}` matches {} steps", chosen.len()),
                    None => anyhow!("job `{job}` has {} {word} steps of `{name}`; choose one with `--step`", all.len()),
                };
                let list = all.iter().enumerate().map(|(index, step)| {
                    format!("`--step {}`: {word} `{}` in line {}", index + 1, step.name, step.position.line)
                });
                Err(list.fold(error, jetway::Advise::hint))
            }
        }
    }
}

impl VersionArguments {
    fn read(&self) -> Result<Option<Value>> {
        let mut version = Map::new();
        for argument in &self.version {
            let (key, value) = argument.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                anyhow!("`--version {argument}` is not a key and value").hint("use `--version KEY=VALUE`")
            })?;
            version.insert(key.to_owned(), json!(value));
        }
        Ok(Some(version).filter(|version| !version.is_empty()).map(Value::Object))
    }
}

fn find<'p, 'n>(name: &str, pipeline: &'p Pipeline<'n>, file: &Path) -> Result<&'p Declared<'n>> {
    pipeline.resource(name).ok_or_else(|| {
        let error = anyhow!("resource `{name}` is not declared in `{}`", file.display());
        match nearest(name, pipeline.resource_names()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => among(error, "declared resources", pipeline.resource_names()),
        }
    })
}

fn kind_of(resource: &Declared<'_>, pipeline: &Pipeline<'_>, catalogue: &Catalogue) -> Result<ResourceType> {
    catalogue.kind_of(resource, pipeline).ok_or_else(|| {
        let name = resource.name.as_deref().unwrap_or_default();
        let kind = resource.kind.as_deref().map(|kind| format!(" `{kind}`")).unwrap_or_default();
        let known = catalogue.types().iter().map(ResourceType::name);
        let error = anyhow!("resource `{name}` has a type{kind} that `jetway` does not support");
        among(error, "supported types", known).hint("if its image is one of these types, set `--type TYPE`")
    })
}

/// Adds a hint that lists the valid names without duplicates.
fn among<'a>(error: Error, what: &str, names: impl Iterator<Item = &'a str>) -> Error {
    let mut list: Vec<&str> = Vec::new();
    for name in names {
        if !list.contains(&name) {
            list.push(name);
        }
    }
    if list.is_empty() { error } else { error.hint(format!("{what}: {}", list.join(", "))) }
}

/// Fails if the findings contain problems, and lists all of them.
fn refuse(file: &Path, findings: &[Finding], failure: &str) -> Result<()> {
    let problems: Vec<String> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Problem)
        .map(|finding| format!("{}:{finding}", file.display()))
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(anyhow!("{failure}\n{}", problems.join("\n"))) }
}

/// Fails if vars that the request needs have no value, and lists all of them.
fn resolved(file: &Path, parts: &[&PartInPipeline<'_>], pinned: Option<&Node>, vars: &Vars) -> Result<()> {
    let nodes = parts.iter().filter_map(|part| part.entry).map(|entry| &entry.value).chain(pinned);
    let unresolved: Vec<Unresolved> = nodes.flat_map(|node| vars.unresolved(node)).collect();
    let Some(first) = unresolved.iter().find(|var| !matches!(var.error, VarError::Invalid(_))).or(unresolved.first())
    else {
        return Ok(());
    };
    let lines: Vec<String> = unresolved
        .iter()
        .map(|Unresolved { position, written, error, .. }| {
            let why = match error {
                VarError::NotGiven => "not set",
                VarError::InVarSource => "from a var source, which only Concourse can read",
                VarError::Invalid(problem) => problem,
            };
            format!("{}:{position}: `{written}`: {why}", file.display())
        })
        .collect();
    let count = if unresolved.len() == 1 { "a var has".to_owned() } else { format!("{} vars have", unresolved.len()) };
    let error = anyhow!("{count} no value\n{}", lines.join("\n"));
    let name = &first.argument;
    Err(match first.error {
        VarError::Invalid(_) => error,
        _ => error.hint(format!("use `--var {name}=VALUE`, `--var {name}=@FILE` or `--load-vars-from FILE`")),
    })
}

/// The pinned version with every value as text.
fn pinned_version(node: &Node) -> Value {
    let Content::Map(entries) = &node.content else {
        return Value::Null;
    };
    let texts = entries.iter().filter_map(|entry| Some((entry.key.text.clone(), json!(entry.value.scalar_text()?))));
    Value::Object(texts.collect())
}

/// The version that Concourse would get: the newest from a check. The inner `Err` is the exit code of a failed check.
fn newest(
    kind: ResourceType,
    name: &str,
    request: &Map<String, Value>,
    console: &Console,
) -> Result<Result<Value, ExitCode>> {
    console.step(format_args!("no `--version` is given: running a check of `{name}` for the newest version"));
    let versions = match kind.response(Verb::Check, &Value::Object(request.clone()), None) {
        Ok(versions) => versions,
        Err(code) => return Ok(Err(code)),
    };
    let newest = versions.as_array().and_then(|versions| versions.last()).cloned();
    let newest = newest.with_context(|| format!("the check of `{name}` found no version"))?;
    console.step(format_args!("the newest version is {newest}"));
    Ok(Ok(newest))
}
