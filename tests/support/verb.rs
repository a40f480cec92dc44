//! Runs a resource's verbs from outside, as a Concourse worker does.
//!
//! The same call runs the binary on this machine or the image in a container, so every test case covers both.
//! `JETWAY_TEST_RUNNER` selects the runner (`binary` or `image`).

mod container;
mod running;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

pub use self::container::Container;
pub use self::running::Running;
use crate::engine::BUSYBOX;
use crate::{binaries, git, layer, scratch};

/// The time limit of a verb.
const LIMIT: Duration = Duration::from_mins(2);

/// A run of one verb, before it starts.
#[must_use = "nothing happens before `run` or `spawn`"]
#[derive(Clone)]
pub struct Verb {
    kind: String,
    step: Step,
    input: Vec<u8>,
    directory: Option<PathBuf>,
    environment: BTreeMap<String, String>,
    container: Option<Container>,
    binary: Option<PathBuf>,
    runner: Option<Runner>,
    variables: Variables,
    /// Further arguments of `docker run`.
    docker_arguments: Vec<String>,
    /// The program in the container that starts the verb.
    wrapper: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Check,
    In,
    Out,
}

/// The environment of a verb.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variables {
    /// The variables that a worker and the test set.
    Set,
    /// An empty environment.
    None,
}

/// The runner of verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// The binary, as a process of this machine.
    Binary,
    /// The image, in a container that shares this machine's network.
    Image,
}

/// A verb that has exited.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code, unless a signal ended it. (A container turns a signal into 128 plus its number.)
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The response for Concourse.
    pub stdout: Vec<u8>,
    /// The output for users.
    pub stderr: String,
    /// The run time.
    pub elapsed: Duration,
    /// Whether a process that outlived it still holds its output open.
    pub held_open: bool,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) container: Container,
}

impl Runner {
    /// The runner that `JETWAY_TEST_RUNNER` selects.
    pub fn chosen() -> Self {
        match std::env::var("JETWAY_TEST_RUNNER").as_deref() {
            Err(_) | Ok("binary") => Self::Binary,
            Ok("image") => Self::Image,
            Ok(other) => panic!("JETWAY_TEST_RUNNER is `binary` or `image`, not `{other}`"),
        }
    }
}

impl Verb {
    /// `check`.
    pub fn check(kind: &str) -> Self {
        Self::new(kind, Step::Check)
    }

    /// A get step: `in`.
    pub fn get(kind: &str) -> Self {
        Self::new(kind, Step::In)
    }

    /// A put step: `out`.
    pub fn put(kind: &str) -> Self {
        Self::new(kind, Step::Out)
    }

    /// Sets the request: one JSON object without a final newline.
    pub fn request(self, request: &Value) -> Self {
        self.stdin(request.to_string())
    }

    /// Sets the bytes on standard input, which need not be valid JSON.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets the destination of a get or the inputs of a put. Without it the verb gets no argument.
    pub fn dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Adds or overrides a variable of the worker's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Removes a variable that a worker would set.
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Removes all variables, including `PATH` and `HOME`.
    pub fn without_environment(mut self) -> Self {
        self.variables = Variables::None;
        self
    }

    /// Overrides `JETWAY_TEST_RUNNER`.
    pub fn runner(mut self, runner: Runner) -> Self {
        self.runner = Some(runner);
        self
    }

    /// Runs this binary instead of the one that was built: another release, or a stand-in.
    pub fn binary(mut self, binary: &Path) -> Self {
        self.binary = Some(binary.to_owned());
        self
    }

    /// Runs in an existing container with the files of earlier verbs. By default each run has its own container.
    pub fn container(mut self, container: &Container) -> Self {
        self.container = Some(container.clone());
        self
    }

    /// Adds arguments of `docker run` for the image; one that starts with `--network=` replaces the host network. The binary
    /// runner ignores them.
    pub fn docker_arguments<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.docker_arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Starts the verb in the image through a program of its container, with the verb's command line as arguments.
    pub fn wrapped_by(mut self, program: &str) -> Self {
        self.wrapper = Some(program.to_owned());
        self
    }

    /// Runs the verb until it exits.
    ///
    /// # Panics
    /// If it takes longer than two minutes.
    pub fn run(self) -> Outcome {
        self.spawn().wait(LIMIT)
    }

    /// Starts the verb.
    pub fn spawn(self) -> Running {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let container = self.container.clone().unwrap_or_default();
        // A given binary is a file on this machine, so the binary runner is used.
        let given = self.binary.as_ref().map(|_| Runner::Binary);
        let runner = self.runner.or(given).unwrap_or_else(Runner::chosen);
        let (command, name) = match runner {
            Runner::Binary => (self.command(&container), None),
            Runner::Image => {
                let name = format!("jetway-test-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
                (self.docker_command(&container, &name), Some(name))
            }
        };
        Running::start(command, self.input, name, self.directory, container)
    }

    /// The path of the verb's program below a directory with the programs of several types: `git/check`.
    pub fn program(&self) -> PathBuf {
        Path::new(&self.kind).join(self.step.name())
    }

    /// The command of the binary runner, for measurements. `container` must outlive its run.
    pub fn command(&self, container: &Container) -> Command {
        let binary = self.binary.clone().unwrap_or_else(|| binaries::resource(&self.kind));
        let mut command = Command::new(container.link(&binary, self.step.name()));
        if let Some(directory) = &self.directory {
            command.arg(directory);
        }
        command.current_dir("/").env_clear();
        if self.variables == Variables::None {
            return command;
        }
        command.env("PATH", git::search_path());
        // The image's /etc/gitconfig, so that git behaves as in the image.
        let system = images().join(&self.kind).join("gitconfig");
        if system.is_file() {
            command.env("GIT_CONFIG_SYSTEM", system);
        }
        command.env("HOME", container.home()).env("TMPDIR", container.temporary()).envs(&self.environment);
        command
    }

    fn docker_command(&self, container: &Container, name: &str) -> Command {
        let mut command = Command::new("docker");
        command.args(["run", "--rm", "--interactive", "--workdir", "/", "--name", name]);
        if !self.docker_arguments.iter().any(|argument| argument.starts_with("--network=")) {
            command.arg("--network=host");
        }
        let mut mount = |from: &Path, to: &Path| {
            command.arg("--volume").arg(format!("{}:{}", from.display(), to.display()));
        };
        mount(&container.temporary(), Path::new("/tmp"));
        // Servers' directories are mounted at the same path, so that `file://` URLs work in the container.
        mount(scratch::root(), scratch::root());
        if let Some((directory, target)) = self.directory.as_deref().zip(self.step.target()) {
            mount(directory, Path::new(target));
        }
        command.args(["--env", "HOME=/"]);
        for (name, value) in &self.environment {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command.args(&self.docker_arguments);
        let (program, image) = (format!("/opt/resource/{}", self.step.name()), layer::image_name(&self.kind));
        if self.variables == Variables::None {
            // An engine sets some variables by itself, and an image may have no program to unset them.
            command.arg("--volume").arg(format!("{BUSYBOX}:/busybox:ro"));
            command.args(["--entrypoint", "/busybox", &image, "env", "-i", &program]);
        } else if let Some(wrapper) = &self.wrapper {
            command.args(["--entrypoint", wrapper, &image, &program]);
        } else {
            command.args(["--entrypoint", &program, &image]);
        }
        if self.directory.is_some() {
            command.args(self.step.target());
        }
        command
    }

    fn new(kind: &str, step: Step) -> Self {
        let environment =
            step.environment().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self {
            kind: kind.to_owned(),
            step,
            input: Vec::new(),
            directory: None,
            environment,
            container: None,
            binary: None,
            runner: None,
            variables: Variables::Set,
            docker_arguments: Vec::new(),
            wrapper: None,
        }
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::In => "in",
            Self::Out => "out",
        }
    }

    /// The directory in a worker's container.
    fn target(self) -> Option<&'static str> {
        match self {
            Self::Check => None,
            Self::In => Some("/tmp/build/get"),
            Self::Out => Some("/tmp/build/put"),
        }
    }

    /// The build's metadata; a check gets fewer variables.
    fn environment(self) -> Vec<(&'static str, &'static str)> {
        let mut environment = vec![
            ("ATC_EXTERNAL_URL", "https://ci.example.com"),
            ("BUILD_NAME", "42"),
            ("BUILD_PIPELINE_ID", "7"),
            ("BUILD_PIPELINE_NAME", "delivery"),
            ("BUILD_TEAM_ID", "1"),
            ("BUILD_TEAM_NAME", "main"),
        ];
        if self != Self::Check {
            environment.extend([
                ("BUILD_ID", "4242"),
                ("BUILD_JOB_ID", "77"),
                ("BUILD_JOB_NAME", "build"),
                ("BUILD_URL", "https://ci.example.com/teams/main/pipelines/delivery/jobs/build/builds/42"),
                ("BUILD_URL_SHORT", "https://ci.example.com/builds/4242"),
            ]);
        }
        environment
    }
}

impl Outcome {
    /// Asserts that the verb succeeded.
    #[track_caller]
    pub fn succeeded(&self) -> &Self {
        assert!(self.code == Some(0), "the verb failed ({:?}, signal {:?}):\n{}", self.code, self.signal, self.stderr);
        self
    }

    /// Asserts that the verb failed with exit code 1 and without a response.
    #[track_caller]
    pub fn failed(&self) -> &Self {
        let printed = String::from_utf8_lossy(&self.stdout);
        assert!(self.code == Some(1), "exit code {:?}, signal {:?}:\n{}", self.code, self.signal, self.stderr);
        assert!(printed.is_empty(), "a verb that failed printed {printed}");
        self
    }

    /// The response of a verb that succeeded.
    #[track_caller]
    pub fn json(&self) -> Value {
        self.succeeded();
        let printed = String::from_utf8_lossy(&self.stdout);
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("no JSON ({error}): {printed}"))
    }

    /// The files that the verb left in its home and temporary directories.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        self.container.leftovers()
    }

    fn new(ended: running::Ended, directory: Option<PathBuf>, container: Container) -> Self {
        Self {
            code: ended.status.code(),
            signal: ended.status.signal(),
            stdout: ended.stdout,
            stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
            elapsed: ended.elapsed,
            held_open: ended.held_open,
            directory,
            container,
        }
    }
}

/// The directory of the images' Dockerfiles.
pub(crate) fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's root").join("images")
}

fn piped(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped())
}
