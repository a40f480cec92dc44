//! A stand-in for Concourse with one worker. It runs the images of resource types as Concourse does.
//!
//! It loads a pipeline's YAML unchanged. A test triggers a job. The worker then checks the inputs (in a reused
//! container) and runs the steps in containers of the container engine, as Concourse does: the request on standard
//! input, `/tmp/build/get` and `/tmp/build/put`, the build's variables, the worker's certificates, hooks, an abort.
//! There is no scheduler, and only versions are stored. An unknown step fails the test.
//!
//! Containers share this machine's network, so that they can reach servers on loopback. Containers of privileged types
//! have their own network, because an engine inside must not conflict with this machine's engine.

mod build;
mod container;
mod image;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jetway::system_ca_bundle;
use serde_json::{Map, Value};
use tempfile::TempDir;

use self::build::Run;
pub use self::build::{Build, Status};
use self::container::Checks;
use self::image::Image;
use crate::{engine, layer, process, scratch};

/// A worker with a pipeline.
pub struct Worker {
    /// The pipeline's name: that of its file.
    name: String,
    pipeline: Value,
    vars: Map<String, Value>,
    /// Images of this machine's engine, by the repository that they replace.
    fetched: BTreeMap<String, String>,
    /// The directory of base types that are not images of this machine's engine.
    bundles: Option<PathBuf>,
    /// Images imported from registries, by their source, and from base types.
    made: Mutex<HashMap<String, Image>>,
    checks: Checks,
    /// The versions of each resource that are known, oldest first.
    versions: Mutex<HashMap<String, Vec<Value>>>,
    /// The versions of the last successful build of each job, by job and resource.
    passed: Mutex<HashMap<(String, String), Value>>,
    /// The version of the last build of each job whose get has `version: every`, by job and resource.
    every: Mutex<HashMap<(String, String), Value>>,
    builds: AtomicUsize,
    /// The content of `/etc/ssl/certs` in containers.
    certificates: TempDir,
    privileged: Vec<String>,
}

impl Worker {
    /// Starts a worker with the pipeline in a file, interpolated as by `fly set-pipeline`. It trusts these CA
    /// certificates (PEM) in addition to the system's.
    pub fn new(file: &Path, vars: Value, authorities: &[&str]) -> Self {
        let Value::Object(vars) = vars else { panic!("vars are keys and values") };
        // The build-local vars stay unchanged until a step sets them.
        let mut all = vars.clone();
        for (written, name) in local_vars(&std::fs::read_to_string(file).expect("read the pipeline")) {
            all.insert(name, written.into());
        }
        let pipeline = jetway_cli::resolved(file, &all).unwrap_or_else(|problems| panic!("{problems}"));
        let certificates = scratch::directory();
        let mut bundle = system_ca_bundle().unwrap_or_default();
        for authority in authorities {
            bundle.extend_from_slice(authority.as_bytes());
        }
        std::fs::write(certificates.path().join("ca-certificates.crt"), bundle).expect("write the certificates");
        Self {
            name: file.file_stem().and_then(|stem| stem.to_str()).expect("a name in UTF-8").to_owned(),
            pipeline,
            vars,
            fetched: BTreeMap::new(),
            bundles: None,
            made: Mutex::default(),
            checks: Checks::default(),
            versions: Mutex::default(),
            passed: Mutex::default(),
            every: Mutex::default(),
            builds: AtomicUsize::new(0),
            certificates,
            privileged: engine::privileged(),
        }
    }

    /// Uses this machine's image of `kind` instead of fetching `repository`.
    #[must_use]
    pub fn with_image(mut self, repository: &str, kind: &str) -> Self {
        self.fetched.insert(repository.to_owned(), layer::image_name(kind));
        self
    }

    /// Loads the worker's base types from a directory of bundles, as `make bundles` creates them.
    #[must_use]
    pub fn with_bundles(mut self, directory: &Path) -> Self {
        self.bundles = Some(directory.to_owned());
        self
    }

    /// Runs a job; `None` if one of its inputs has no version yet.
    pub fn run(&self, job: &str) -> Option<Build> {
        Run::new(self, job).run()
    }

    /// Runs a job and aborts it as soon as `is_time` says so.
    ///
    /// # Panics
    /// If that does not happen while the job runs.
    pub fn run_and_abort(&self, job: &str, mut is_time: impl FnMut() -> bool + Send) -> Build {
        let run = Run::new(self, job);
        let abort = run.abort();
        std::thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let due = || if is_time() { Some(true) } else { abort.is_over().then_some(false) };
                let is_due = process::wait_until(Duration::from_mins(5), due) == Some(true);
                if is_due {
                    abort.request();
                }
                is_due
            });
            let build = run.run().expect("the job's inputs have versions");
            let was_aborted = watch.join().expect("nothing panics while it is watched");
            assert!(was_aborted, "the build ended before it was time for its abort:\n{}", build.log);
            build
        })
    }

    /// Checks a resource, and returns its known versions, oldest first.
    pub fn check(&self, resource: &str) -> Vec<Value> {
        let declared = self.resource(resource);
        let source = declared["source"].clone();
        let known = self.known(resource).last().cloned();
        let image = self.image_of_type(text(&declared["type"]));
        let found = self.checks.check(self, resource, &image, &source, known.as_ref());
        for version in found {
            self.learn(resource, version);
        }
        self.known(resource)
    }

    fn known(&self, resource: &str) -> Vec<Value> {
        self.versions.lock().expect("no panic").get(resource).cloned().unwrap_or_default()
    }

    /// Stores a version as the newest one.
    fn learn(&self, resource: &str, version: Value) {
        let mut versions = self.versions.lock().expect("no panic");
        let known = versions.entry(resource.to_owned()).or_default();
        if !known.contains(&version) {
            known.push(version);
        }
    }

    /// The version for a get, if there is one.
    fn choose(&self, resource: &str, passed: &[String]) -> Option<Value> {
        let Some(first) = passed.first() else { return self.check(resource).pop() };
        let green = self.passed.lock().expect("no panic");
        let of = |job: &String| green.get(&(job.clone(), resource.to_owned())).cloned();
        let version = of(first)?;
        passed.iter().all(|job| of(job).as_ref() == Some(&version)).then_some(version)
    }

    /// The version for a get with `version: every`: the one after that of the job's last build; for the first build, the newest.
    fn choose_next(&self, resource: &str, job: &str) -> Option<Value> {
        let known = self.check(resource);
        let mut every = self.every.lock().expect("no panic");
        let key = (job.to_owned(), resource.to_owned());
        let next = match every.get(&key) {
            Some(last) => known.iter().position(|version| version == last).map_or(0, |last| last + 1),
            None => known.len().saturating_sub(1),
        };
        let version = known.get(next)?.clone();
        every.insert(key, version.clone());
        Some(version)
    }

    fn resource(&self, name: &str) -> &Value {
        self.named("resources", name).unwrap_or_else(|| panic!("no resource `{name}`"))
    }

    /// The pipeline's declaration with this name.
    fn named(&self, list: &str, name: &str) -> Option<&Value> {
        self.pipeline[list].as_array()?.iter().find(|item| item["name"] == name)
    }

    /// The environment variables of every verb. A check has no others.
    fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("ATC_EXTERNAL_URL", "https://ci.example.com"),
            ("BUILD_PIPELINE_ID", "7"),
            ("BUILD_PIPELINE_NAME", &self.name),
            ("BUILD_TEAM_ID", "1"),
            ("BUILD_TEAM_NAME", "main"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
    }

    fn next_build(&self) -> usize {
        self.builds.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn certificates(&self) -> PathBuf {
        self.certificates.path().to_owned()
    }
}

/// The build-local vars in a text, `((.:name))`: each as written, and its name.
fn local_vars(text: &str) -> Vec<(String, String)> {
    let pattern = regex::Regex::new(r"\(\(\.:([A-Za-z0-9_-]+)\)\)").expect("a pattern");
    pattern.captures_iter(text).map(|found| (found[0].to_owned(), found[1].to_owned())).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("text is due, not {value}"))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|item| text(item).to_owned()).collect()
}
