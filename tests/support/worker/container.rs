//! One process in one container, as a worker starts it.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::image::Image;
use super::{Worker, text};
use crate::engine::{BUSYBOX, docker, try_docker};
use crate::process::wait_until;
use crate::scratch;
use crate::verb::{Outcome, Running};

/// The timeout of a step.
const LIMIT: Duration = Duration::from_mins(5);

/// The time that Concourse waits after SIGTERM before it kills a step.
const GRACE: Duration = Duration::from_secs(10);

/// The interval at which to poll for the end of a step and for an abort.
const PAUSE: Duration = Duration::from_millis(20);

/// A process to start.
pub(super) struct Process<'w> {
    pub(super) worker: &'w Worker,
    pub(super) image: &'w Image,
    pub(super) path: String,
    pub(super) arguments: Vec<String>,
    pub(super) directory: String,
    pub(super) environment: Vec<(String, String)>,
    /// Directories of this machine and their mount points in the container.
    pub(super) mounts: Vec<(PathBuf, String)>,
    pub(super) privileged: bool,
}

/// The abort of a build. It is requested at most once.
#[derive(Clone, Default)]
pub(super) struct Abort(Arc<(AtomicBool, AtomicBool)>);

impl Abort {
    pub(super) fn request(&self) {
        self.0.0.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_requested(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    /// The build has ended and can no longer be aborted.
    pub(super) fn end(&self) {
        self.0.1.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Process<'_> {
    /// Runs it to its end. Without `abort`, as for a hook, it cannot be stopped.
    pub(super) fn run(&self, input: &Value, abort: Option<&Abort>) -> Outcome {
        let name = name();
        let disk = scratch::directory();
        let mut command = self.container(&["run", "--rm", "--interactive", "--name", &name], disk.path());
        command.args(["--workdir", &self.directory]);
        for (name, value) in &self.environment {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command.args(["--entrypoint", &self.path, &self.image.name]).args(&self.arguments);
        let input = if input.is_null() { Vec::new() } else { input.to_string().into_bytes() };
        let mut running = Running::of_container(command, input, &name);
        if let Some(abort) = abort {
            let deadline = Instant::now() + LIMIT;
            while !running.has_ended() && Instant::now() < deadline {
                if abort.is_requested() && try_docker(&["kill", "--signal=TERM", &name]).is_some() {
                    if wait_until(GRACE, || running.has_ended().then_some(())).is_none() {
                        try_docker(&["kill", &name]);
                    }
                    break;
                }
                std::thread::sleep(PAUSE);
            }
        }
        running.wait(LIMIT)
    }

    /// An engine command with the options that both kinds of containers share.
    fn container(&self, arguments: &[&str], disk: &Path) -> Command {
        let mut command = Command::new("docker");
        command.args(arguments);
        let mut mount = |from: &Path, to: &str| {
            command.arg("--volume").arg(format!("{}:{to}", from.display()));
        };
        mount(&self.worker.certificates(), "/etc/ssl/certs:ro");
        self.mounts.iter().for_each(|(from, to)| mount(from, to));
        if self.privileged {
            mount(disk, "/scratch");
            command.args(&self.worker.privileged);
        } else {
            command.arg("--network=host");
        }
        for (name, value) in &self.image.environment {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        if let Some(user) = &self.image.user {
            command.args(["--user", user]);
        }
        command
    }
}

/// The containers of checks. They are reused with the files that earlier checks left in them.
#[derive(Default)]
pub(super) struct Checks(Mutex<HashMap<String, String>>);

impl Checks {
    /// Runs a check and returns its versions.
    pub(super) fn check(
        &self,
        worker: &Worker,
        key: &str,
        image: &Image,
        source: &Value,
        known: Option<&Value>,
    ) -> Vec<Value> {
        let container = self.container(worker, key, image);
        let mut request = json!({ "source": source });
        if let Some(version) = known {
            request["version"] = version.clone();
        }
        let mut command = Command::new("docker");
        command.args(["exec", "--interactive", "--workdir", "/", "--env", "HOME=/", "--env", "BUILD_NAME=check"]);
        for (name, value) in worker.variables() {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command.args([&container, "/opt/resource/check"]);
        let outcome = Running::of_container(command, request.to_string().into_bytes(), &container).wait(LIMIT);
        outcome.succeeded();
        let found = outcome.json();
        let versions = found.as_array().unwrap_or_else(|| panic!("check of {key} printed {found}"));
        versions.iter().for_each(assert_version);
        versions.clone()
    }

    fn container(&self, worker: &Worker, key: &str, image: &Image) -> String {
        let mut containers = self.0.lock().expect("no panic");
        let start = || {
            let process = Process {
                worker,
                image,
                path: String::new(),
                arguments: Vec::new(),
                directory: "/".to_owned(),
                environment: Vec::new(),
                mounts: vec![(PathBuf::from(BUSYBOX), "/busybox:ro".to_owned())],
                privileged: image.privileged,
            };
            let name = name();
            let disk = scratch::directory();
            // Keeps the container running.
            let mut command = process.container(&["run", "--detach", "--rm", "--name", &name], disk.path());
            crate::registry::run(command.args(["--entrypoint", "/busybox", &image.name, "sleep", "3600"]));
            name
        };
        containers.entry(key.to_owned()).or_insert_with(start).clone()
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        for container in self.0.get_mut().expect("no panic").values() {
            try_docker(&["rm", "--force", container]);
        }
    }
}

/// Whether Concourse accepts the value as a version.
pub(super) fn assert_version(version: &Value) {
    let entries = version.as_object().unwrap_or_else(|| panic!("{version} is no version"));
    assert!(!entries.is_empty(), "a version must have a key");
    entries.values().for_each(|value| {
        text(value);
    });
}

/// Imports a directory or an archive into the engine, and returns the image's name.
pub(super) fn import(files: &Path) -> String {
    let name = format!("jetway-tests/worker:{}", name());
    let mut command = Command::new("docker");
    command.args(["import", "-", &name]).stdout(Stdio::null());
    if files.is_dir() {
        let mut tar = Command::new("tar");
        tar.args(["--create", "--numeric-owner", "--directory"]).arg(files).arg(".").stdout(Stdio::piped());
        let mut tar = tar.spawn().expect("start tar");
        command.stdin(tar.stdout.take().expect("a pipe"));
        assert!(command.status().expect("run docker").success() && tar.wait().expect("wait for tar").success());
    } else {
        command.stdin(File::open(files).expect("open the archive"));
        assert!(command.status().expect("run docker").success());
    }
    name
}

/// Removes an image of [`import`].
pub(super) fn remove(image: &str) {
    docker(&["rmi", "--force", image]);
}

fn name() -> String {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    format!("jetway-worker-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}
