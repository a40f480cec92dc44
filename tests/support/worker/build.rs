//! A build of a job: its plan, step by step.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::container::{Abort, Process, assert_version};
use super::image::Image;
use super::{Worker, local_vars, text, texts};
use crate::{registry, scratch};

/// The hooks of a step or job.
const HOOKS: [&str; 5] = ["on_success", "on_failure", "on_abort", "on_error", "ensure"];

/// The keys of steps that contain a list of steps.
const LISTS: [&str; 3] = ["do", "in_parallel", "aggregate"];

/// The status of a build or step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It succeeded.
    Succeeded,
    /// A step has failed.
    Failed,
    /// It was aborted.
    Aborted,
}

/// A finished build.
#[derive(Debug)]
pub struct Build {
    /// The status.
    pub status: Status,
    /// The output of all steps, each under its name.
    pub log: String,
    /// The versions of gets and puts, by step name.
    pub versions: BTreeMap<String, Value>,
}

impl Build {
    /// Asserts the status of the build.
    #[track_caller]
    pub fn ended(&self, status: Status) -> &Self {
        assert!(
            self.status == status,
            "the build {}, and was to be {}:\n{}",
            self.status.word(),
            status.word(),
            self.log
        );
        self
    }
}

impl Status {
    /// The status in the format of `BUILD_STATUS`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }
}

/// A build while it runs.
pub(super) struct Run<'w> {
    worker: &'w Worker,
    job: &'w Value,
    name: String,
    number: usize,
    abort: Abort,
    /// The versions for the gets.
    inputs: HashMap<String, Value>,
    /// The directories of the artifacts, by name.
    artifacts: BTreeMap<String, PathBuf>,
    directory: TempDir,
    /// The versions by resource, for downstream jobs.
    used: HashMap<String, Value>,
    /// The vars that `load_var` has set.
    vars: HashMap<String, String>,
    build: Build,
}

/// Whether a step runs in a hook, which an abort does not stop, and the hook's `BUILD_STATUS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    /// It is a step of the plan.
    None,
    /// `on_success`, `on_failure`, `on_abort` or `on_error`, with the status of the step.
    After(Status),
    /// `ensure`, without a status (seen in Concourse 8.2.5; `BUILD_STATUS` in
    /// concourse-ci.org/implementing-resource-types.html).
    Ensure,
}

impl<'w> Run<'w> {
    pub(super) fn new(worker: &'w Worker, name: &str) -> Self {
        let job = worker.named("jobs", name).unwrap_or_else(|| panic!("no job `{name}`"));
        let build = Build { status: Status::Succeeded, log: String::new(), versions: BTreeMap::new() };
        Self {
            worker,
            job,
            name: name.to_owned(),
            number: worker.next_build(),
            abort: Abort::default(),
            inputs: HashMap::new(),
            artifacts: BTreeMap::new(),
            directory: scratch::directory(),
            used: HashMap::new(),
            vars: HashMap::new(),
            build,
        }
    }

    pub(super) fn abort(&self) -> Abort {
        self.abort.clone()
    }

    pub(super) fn run(mut self) -> Option<Build> {
        let mut whole = json!({ "do": self.job["plan"] });
        for hook in HOOKS.iter().filter(|key| self.job.get(**key).is_some()) {
            whole[*hook] = self.job[*hook].clone();
        }
        let has_inputs = self.find_inputs(&whole);
        if has_inputs {
            self.build.status = self.step(&whole, Hook::None);
        }
        self.abort.end();
        if self.build.status == Status::Succeeded {
            let mut passed = self.worker.passed.lock().expect("no panic");
            passed.extend(self.used.into_iter().map(|(resource, version)| ((self.name.clone(), resource), version)));
        }
        has_inputs.then_some(self.build)
    }

    /// Chooses the versions of all gets, including those in hooks. Concourse does this before a build starts.
    fn find_inputs(&mut self, step: &Value) -> bool {
        if let Some(name) = step["get"].as_str() {
            let resource = step["resource"].as_str().unwrap_or(name);
            let chosen = match step["version"].as_str() {
                Some("every") => self.worker.choose_next(resource, &self.name),
                _ => self.worker.choose(resource, &texts(&step["passed"])),
            };
            let Some(version) = chosen else { return false };
            self.inputs.insert(name.to_owned(), version);
        }
        let single = HOOKS.iter().chain(&["try"]).filter_map(|key| step.get(*key));
        single.chain(listed(step)).all(|step| self.find_inputs(step))
    }

    /// Runs a step with its hooks.
    fn step(&mut self, step: &Value, hook: Hook) -> Status {
        let mut status = self.core(step, hook);
        let then = match status {
            Status::Succeeded => "on_success",
            Status::Failed => "on_failure",
            Status::Aborted => "on_abort",
        };
        for (key, hook) in [(then, Hook::After(status)), ("ensure", Hook::Ensure)] {
            if let Some(next) = step.get(key)
                && self.step(next, hook) != Status::Succeeded
                && status == Status::Succeeded
            {
                status = Status::Failed;
            }
        }
        status
    }

    fn core(&mut self, step: &Value, hook: Hook) -> Status {
        if hook == Hook::None && self.abort.is_requested() {
            return Status::Aborted;
        }
        let keys: Vec<&str> = step.as_object().expect("a step").keys().map(String::as_str).collect();
        let known = |does: &[&str]| {
            let strange = keys.iter().find(|key| !does.contains(key) && !HOOKS.contains(key));
            assert!(strange.is_none(), "the stand-in does not know `{}` of {step}", strange.expect("a key"));
        };
        if step.get("get").is_some() {
            known(&["get", "resource", "passed", "trigger", "params", "version"]);
            assert!(matches!(step["version"].as_str(), None | Some("every")), "{step}");
            self.get(step, hook)
        } else if step.get("put").is_some() {
            known(&["put", "resource", "params", "get_params", "no_get", "inputs"]);
            self.put(step, hook)
        } else if step.get("task").is_some() {
            known(&[
                "task",
                "config",
                "file",
                "params",
                "vars",
                "privileged",
                "image",
                "timeout",
                "input_mapping",
                "output_mapping",
            ]);
            self.task(step, hook)
        } else if let Some(name) = step["load_var"].as_str() {
            known(&["load_var", "file", "format"]);
            assert_eq!(step["format"], "trim", "the stand-in knows this format of `load_var` alone");
            let content = std::fs::read_to_string(self.path(text(&step["file"]))).expect("read the var's file");
            self.vars.insert(name.to_owned(), content.trim().to_owned());
            Status::Succeeded
        } else if let Some(tried) = step.get("try") {
            known(&["try"]);
            let status = self.step(tried, hook);
            if status == Status::Aborted { status } else { Status::Succeeded }
        } else {
            known(&LISTS);
            // Sequential execution is a valid order for parallel steps.
            for step in listed(step) {
                let status = self.step(step, hook);
                if status != Status::Succeeded {
                    return status;
                }
            }
            Status::Succeeded
        }
    }

    fn get(&mut self, step: &Value, hook: Hook) -> Status {
        let name = text(&step["get"]);
        let resource = step["resource"].as_str().unwrap_or(name);
        let version = self.inputs.get(name).cloned();
        self.fetch(name, resource, version, &step["params"], hook)
    }

    /// Runs a get, also the one after a put.
    fn fetch(&mut self, name: &str, resource: &str, version: Option<Value>, params: &Value, hook: Hook) -> Status {
        let target = self.fresh("get", name);
        let mut request = json!({ "source": self.worker.resource(resource)["source"] });
        for (key, value) in [("version", version.as_ref()), ("params", Some(params).filter(|params| !params.is_null()))]
        {
            if let Some(value) = value {
                request[key] = value.clone();
            }
        }
        let (status, answer) = self.verb(&format!("get: {name}"), resource, "in", &target, &request, hook);
        if status == Status::Succeeded {
            let version = version.unwrap_or_else(|| answer["version"].clone());
            self.artifacts.insert(name.to_owned(), target);
            self.build.versions.insert(name.to_owned(), version.clone());
            self.used.insert(resource.to_owned(), version);
        }
        status
    }

    fn put(&mut self, step: &Value, hook: Hook) -> Status {
        let name = text(&step["put"]);
        let resource = step["resource"].as_str().unwrap_or(name);
        let inputs = self.fresh("put", name);
        for listed in step["inputs"].as_array().into_iter().flatten() {
            self.artifact(text(listed));
        }
        for (name, artifact) in &self.artifacts {
            if wants(step, name) {
                copy(artifact, &inputs.join(name));
            }
        }
        let mut request = json!({ "source": self.worker.resource(resource)["source"] });
        if !step["params"].is_null() {
            request["params"] = self.with_vars(&step["params"]);
        }
        let (status, answer) = self.verb(&format!("put: {name}"), resource, "out", &inputs, &request, hook);
        if status != Status::Succeeded {
            return status;
        }
        let version = answer.get("version").filter(|version| !version.is_null()).cloned();
        if let Some(version) = &version {
            assert_version(version);
            self.worker.learn(resource, version.clone());
            self.build.versions.insert(name.to_owned(), version.clone());
            self.used.insert(resource.to_owned(), version.clone());
        }
        if step["no_get"] == true {
            return status;
        }
        self.fetch(name, resource, version, &step["get_params"], hook)
    }

    fn verb(
        &mut self,
        title: &str,
        resource: &str,
        verb: &str,
        directory: &Path,
        request: &Value,
        hook: Hook,
    ) -> (Status, Value) {
        let image = self.worker.image_of_type(text(&self.worker.resource(resource)["type"]));
        let inside = if verb == "in" { "/tmp/build/get" } else { "/tmp/build/put" };
        let process = Process {
            worker: self.worker,
            image: &image,
            path: format!("/opt/resource/{verb}"),
            arguments: vec![inside.to_owned()],
            directory: "/".to_owned(),
            environment: self.environment(hook),
            mounts: vec![(directory.to_owned(), inside.to_owned())],
            privileged: image.privileged,
        };
        self.process(title, &process, request, hook, true)
    }

    fn task(&mut self, step: &Value, hook: Hook) -> Status {
        let name = text(&step["task"]);
        let config = match step["file"].as_str() {
            Some(file) => self.file(file, &step["vars"]),
            None => step["config"].clone(),
        };
        let fetched = step["image"].as_str().map(|artifact| Image::of_artifact(self.artifact(artifact)));
        let image = match &fetched {
            Some(image) => image.clone(),
            None => self.worker.image_of_task(&config["image_resource"]),
        };
        let root = self.fresh("task", name);
        let mut outputs = Vec::new();
        for input in config["inputs"].as_array().into_iter().flatten() {
            let name = text(&input["name"]);
            let artifact = step["input_mapping"][name].as_str().unwrap_or(name);
            if let (true, None) = (input["optional"] == true, self.artifacts.get(artifact)) {
                continue;
            }
            copy(self.artifact(artifact), &root.join(input["path"].as_str().unwrap_or(name)));
        }
        for output in config["outputs"].as_array().into_iter().flatten() {
            let name = text(&output["name"]);
            let directory = root.join(output["path"].as_str().unwrap_or(name));
            std::fs::create_dir_all(&directory).expect("make an output");
            let artifact = step["output_mapping"][name].as_str().unwrap_or(name);
            outputs.push((artifact.to_owned(), directory));
        }
        let given = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let mut params: Map<String, Value> = given(&config["params"]);
        params.extend(given(&step["params"]));
        let param =
            |(name, value): (String, Value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let inside = "/tmp/build/task";
        let process = Process {
            worker: self.worker,
            image: &image,
            path: text(&config["run"]["path"]).to_owned(),
            arguments: texts(&config["run"]["args"]),
            directory: format!("{inside}/{}", config["run"]["dir"].as_str().unwrap_or_default()),
            environment: params.into_iter().map(param).collect(),
            mounts: vec![(root, inside.to_owned())],
            privileged: step["privileged"] == true,
        };
        let (status, _) = self.process(&format!("task: {name}"), &process, &Value::Null, hook, false);
        self.artifacts.extend(outputs);
        if let Some(image) = fetched {
            image.remove();
        }
        status
    }

    /// Runs a process. A successful verb prints JSON.
    fn process(
        &mut self,
        title: &str,
        process: &Process<'_>,
        request: &Value,
        hook: Hook,
        is_verb: bool,
    ) -> (Status, Value) {
        // An abort stops the running step. Hooks run afterwards and are not stopped.
        let outcome = process.run(request, (hook == Hook::None).then_some(&self.abort));
        let messages = String::from_utf8_lossy(&outcome.stdout);
        let _ = writeln!(self.build.log, "── {title}\n{}{}", outcome.stderr, if is_verb { "" } else { &messages });
        if hook == Hook::None && self.abort.is_requested() {
            (Status::Aborted, Value::Null)
        } else if outcome.code != Some(0) {
            (Status::Failed, Value::Null)
        } else if is_verb {
            (Status::Succeeded, outcome.json())
        } else {
            (Status::Succeeded, Value::Null)
        }
    }

    fn environment(&self, hook: Hook) -> Vec<(String, String)> {
        let number = self.number;
        let job = format!("https://ci.example.com/teams/main/pipelines/{}/jobs/{}", self.worker.name, self.name);
        let mut all: Vec<(String, String)> =
            self.worker.variables().map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        let own = [
            ("HOME", "/".to_owned()),
            ("BUILD_NAME", number.to_string()),
            ("BUILD_ID", (1000 + number).to_string()),
            ("BUILD_JOB_ID", "77".to_owned()),
            ("BUILD_JOB_NAME", self.name.clone()),
            ("BUILD_URL", format!("{job}/builds/{number}")),
            ("BUILD_URL_SHORT", format!("https://ci.example.com/builds/{}", 1000 + number)),
        ];
        all.extend(own.map(|(name, value)| (name.to_owned(), value)));
        if let Hook::After(status) = hook {
            all.push(("BUILD_STATUS".to_owned(), status.word().to_owned()));
        }
        all
    }

    fn artifact(&self, name: &str) -> &Path {
        self.artifacts
            .get(name)
            .unwrap_or_else(|| panic!("nothing is called `{name}`; there are {:?}", self.artifacts.keys()))
    }

    /// The config of a task, from an artifact.
    fn file(&self, path: &str, vars: &Value) -> Value {
        let mut given = self.worker.vars.clone();
        given.extend(vars.as_object().cloned().unwrap_or_default());
        jetway_cli::resolved(&self.path(path), &given).unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// The path of a file in an artifact.
    fn path(&self, path: &str) -> PathBuf {
        let (artifact, rest) = path.split_once('/').expect("a file in an artifact");
        self.artifact(artifact).join(rest)
    }

    /// A value with the vars of this build in it.
    fn with_vars(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                let fill = |text: String, (written, name): (String, String)| text.replace(&written, &self.vars[&name]);
                Value::String(local_vars(text).into_iter().fold(text.clone(), fill))
            }
            Value::Array(items) => items.iter().map(|item| self.with_vars(item)).collect(),
            Value::Object(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), self.with_vars(value))).collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }

    /// A new directory of the build.
    fn fresh(&self, what: &str, name: &str) -> PathBuf {
        let directory = self.directory.path().join(format!("{what}-{name}"));
        if directory.exists() {
            std::fs::remove_dir_all(&directory).expect("clear a directory");
        }
        std::fs::create_dir(&directory).expect("make a directory");
        directory
    }
}

/// The steps in the list of a step that has one. It may be below `steps`.
fn listed(step: &Value) -> impl Iterator<Item = &Value> {
    let lists = LISTS.iter().filter_map(|key| step.get(*key));
    lists.filter_map(|list| list.get("steps").unwrap_or(list).as_array()).flatten()
}

/// Whether an artifact is an input of a put: all are, or those in `inputs`, or (`detect`) those that its params name.
fn wants(put: &Value, artifact: &str) -> bool {
    fn names(value: &Value, artifact: &str) -> bool {
        match value {
            Value::String(text) => text.split('/').next() == Some(artifact),
            Value::Array(values) => values.iter().any(|value| names(value, artifact)),
            Value::Object(values) => values.values().any(|value| names(value, artifact)),
            _ => false,
        }
    }
    match &put["inputs"] {
        Value::Array(listed) => listed.iter().any(|listed| listed == artifact),
        named if *named == "detect" => names(&put["params"], artifact),
        _ => true,
    }
}

/// Copies an artifact, so that a step's changes to its inputs do not affect other steps.
fn copy(from: &Path, to: &Path) {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).expect("make a directory");
    }
    registry::run(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(from).arg(to));
}
