//! A Kubernetes cluster to deploy to, and the real helm: version 3 and version 4.
//!
//! The cluster starts once per test process and stops with it (see `kubernetes/` beside this file). It is real except for its node,
//! whose pods only do what their annotations say. A second node, which runs real containers, joins it when a test asks for one. To
//! use another cluster, set `JETWAY_TEST_KUBECONFIG` to its kubeconfig. Each test has its own namespace.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::layer::{self, Layer};
use crate::{git, scratch};

/// A running cluster.
#[derive(Debug)]
pub struct Kubernetes {
    programs: PathBuf,
    kubeconfig: PathBuf,
    /// The administrator's kubeconfig, as JSON and self-contained.
    access: Value,
    audit: Option<PathBuf>,
    control: Option<Mutex<Control>>,
}

/// The cluster's process, which stops when this is dropped.
#[derive(Debug)]
struct Control {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// A version of helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helm {
    /// Version 3.
    Three,
    /// Version 4.
    Four,
}

/// A namespace for one test.
#[derive(Debug)]
pub struct Namespace {
    cluster: &'static Kubernetes,
    name: String,
}

/// The cluster of this test process; `None` if none is available, which is reported and counted.
pub fn cluster() -> Option<&'static Kubernetes> {
    layer::require(Layer::Kubernetes).then(|| running().as_ref().expect("a cluster that is available"))
}

/// The same cluster, with a node that runs real containers; `None` if none is available.
pub fn cluster_with_containers() -> Option<&'static Kubernetes> {
    cluster().filter(|_| layer::require(Layer::Containers))
}

/// The reason why the cluster cannot run containers.
pub(crate) fn without_containers() -> Option<String> {
    static ADDED: OnceLock<Option<String>> = OnceLock::new();
    let add = || match running() {
        Ok(cluster) => cluster.add_containers().err(),
        Err(problem) => Some(problem.clone()),
    };
    ADDED.get_or_init(add).clone()
}

/// The reason why no cluster is available.
pub(crate) fn unavailable() -> Option<String> {
    running().as_ref().err().cloned()
}

fn running() -> &'static Result<Kubernetes, String> {
    static RUNNING: OnceLock<Result<Kubernetes, String>> = OnceLock::new();
    RUNNING.get_or_init(start)
}

fn start() -> Result<Kubernetes, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("support/kubernetes/make.sh");
    let made = Command::new(script).arg("wait").stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).trim().replace('\n', "; "));
    }
    let programs = PathBuf::from(String::from_utf8_lossy(&made.stdout).trim());
    let given = std::env::var_os("JETWAY_TEST_KUBECONFIG").map(PathBuf::from);
    let (kubeconfig, audit, control) = if let Some(kubeconfig) = given {
        (kubeconfig, None, None)
    } else {
        // The cluster removes the directory when it stops, after this process has ended.
        let directory = scratch::directory().keep();
        let control = run(&programs, &directory)?;
        (directory.join("kubeconfig"), Some(directory.join("audit.log")), Some(Mutex::new(control)))
    };
    let mut cluster = Kubernetes { programs, kubeconfig, access: Value::Null, audit, control };
    cluster.access = cluster.kubectl_json(&["config", "view", "--raw", "--minify", "--flatten", "--output=json"]);
    Ok(cluster)
}

/// Starts the cluster and waits until it is ready. The cluster's program limits the wait.
fn run(programs: &Path, directory: &Path) -> Result<Control, String> {
    let mut child = Command::new(programs.join("kubernetes"))
        .args(["cluster", "--dir"])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the cluster cannot be started: {error}"))?;
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut control = Control { input: child.stdin.take().expect("a pipe"), output };
    if control.messages() == "ready" {
        // Later output would fill the pipe, so it is drained.
        let mut rest = child.stderr.take().expect("a pipe");
        std::thread::spawn(move || std::io::copy(&mut rest, &mut std::io::sink()));
        return Ok(control);
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("the cluster did not start: {}", messages.lines().last().unwrap_or_default()))
}

impl Control {
    /// The next line of its output; empty if it has exited.
    fn messages(&mut self) -> String {
        let mut messages = String::new();
        let _ = self.output.read_line(&mut messages);
        messages.trim().to_owned()
    }
}

impl Kubernetes {
    /// Adds the node that runs real containers. The cluster's program limits the wait. Its tests need its images and this machine's
    /// files, so a user's own cluster cannot replace it.
    fn add_containers(&self) -> Result<(), String> {
        let Some(control) = &self.control else { return Err("a user's own cluster gets no node of ours".to_owned()) };
        let mut control = control.lock().map_err(|error| error.to_string())?;
        control.input.write_all(b"containers\n").map_err(|error| error.to_string())?;
        match control.messages().as_str() {
            "ready" => Ok(()),
            "" => Err("the cluster has ended".to_owned()),
            problem => Err(problem.to_owned()),
        }
    }

    /// The URL of the API server.
    pub fn url(&self) -> &str {
        self.access["clusters"][0]["cluster"]["server"].as_str().expect("a server")
    }

    /// The server's CA, in PEM form.
    pub fn authority(&self) -> String {
        decoded(&self.access["clusters"][0]["cluster"]["certificate-authority-data"])
    }

    /// The administrator's kubeconfig, self-contained.
    pub fn kubeconfig(&self) -> String {
        self.access.to_string()
    }

    /// The administrator's certificate and key, in PEM form; a user's own cluster may have none.
    pub fn certificate(&self) -> Option<(String, String)> {
        let user = &self.access["users"][0]["user"];
        user["client-certificate-data"]
            .is_string()
            .then(|| (decoded(&user["client-certificate-data"]), decoded(&user["client-key-data"])))
    }

    /// Creates a namespace with a unique name.
    pub fn namespace(&'static self) -> Namespace {
        self.new_namespace(&json!({}))
    }

    /// Creates a namespace with a unique name whose pods run real containers. See [`cluster_with_containers`].
    pub fn namespace_with_containers(&'static self) -> Namespace {
        self.new_namespace(&json!({ "scheduler.alpha.kubernetes.io/node-selector": "jetway.test/pods=run" }))
    }

    fn new_namespace(&'static self, annotations: &Value) -> Namespace {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("jetway-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let metadata = json!({ "name": name, "annotations": annotations });
        let directory = scratch::directory();
        let file = directory.path().join("namespace.json");
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata });
        std::fs::write(&file, object.to_string()).expect("write a manifest");
        self.kubectl(&["create", "--filename", file.to_str().expect("a path in UTF-8")]);
        Namespace { cluster: self, name }
    }

    /// The API server's requests from this user, in order: `GET /path`. `None` for a user's own cluster: it has no audit log here.
    pub fn asked_by(&self, user: &str) -> Option<Vec<String>> {
        let log = std::fs::read_to_string(self.audit.as_ref()?).expect("read the audit log");
        let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let by_user = entries.filter(|entry| entry["user"]["username"] == user);
        Some(
            by_user
                .map(|entry| {
                    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
                    format!("{} {}", text("verb"), text("requestURI"))
                })
                .collect(),
        )
    }

    /// Runs kubectl, and panics if it fails.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        text(&self.command("kubectl").args(arguments).output().expect("run kubectl"), arguments)
    }

    #[track_caller]
    fn kubectl_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.kubectl(arguments)).expect("kubectl prints JSON")
    }

    /// The directory of `kubectl`, `helm3` and `helm4`.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.env_clear().env("PATH", git::search_path()).env("HOME", scratch::root());
        command.env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        command
    }
}

impl Namespace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster that it is in.
    pub fn cluster(&self) -> &'static Kubernetes {
        self.cluster
    }

    /// Runs kubectl in the namespace, and panics if it fails.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let all: Vec<&str> = ["--namespace", &self.name].into_iter().chain(arguments.iter().copied()).collect();
        self.cluster.kubectl(&all)
    }

    /// Runs kubectl in the namespace, and parses its JSON output. Panics if it fails.
    #[track_caller]
    pub fn kubectl_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.kubectl(arguments)).expect("kubectl prints JSON")
    }

    /// Runs helm in the namespace, and panics if it fails.
    #[track_caller]
    pub fn helm(&self, helm: Helm, arguments: &[&str]) -> String {
        text(&self.try_helm(helm, arguments), arguments)
    }

    /// Runs helm in the namespace.
    pub fn try_helm(&self, helm: Helm, arguments: &[&str]) -> Output {
        self.helm_command(helm).args(arguments).output().expect("run helm")
    }

    /// The helm command in the namespace, for measurements.
    pub fn helm_command(&self, helm: Helm) -> Command {
        let mut command = self.cluster.command(helm.program());
        command.arg("--namespace").arg(&self.name);
        command
    }

    /// Creates a service account with these rules: pairs of verbs and resources, such as `("get,list", "secrets")`. Returns its token
    /// and its user name in the API server.
    pub fn account(&self, name: &str, rules: &[(&str, &str)]) -> (String, String) {
        self.kubectl(&["create", "serviceaccount", name]);
        for (index, (verbs, resources)) in rules.iter().enumerate() {
            let role = format!("{name}-{index}");
            let (verbs, resources) = (format!("--verb={verbs}"), format!("--resource={resources}"));
            self.kubectl(&["create", "role", &role, &verbs, &resources]);
            let (role_argument, account) = (format!("--role={role}"), format!("--serviceaccount={}:{name}", self.name));
            self.kubectl(&["create", "rolebinding", &role, &role_argument, &account]);
        }
        let token = self.kubectl(&["create", "token", name]).trim().to_owned();
        (token, format!("system:serviceaccount:{}:{name}", self.name))
    }
}

impl Drop for Namespace {
    /// Our own cluster removes the namespace when it stops.
    fn drop(&mut self) {
        if self.cluster.audit.is_none() {
            let arguments = ["delete", "namespace", &self.name, "--wait=false"];
            let _ = self.cluster.command("kubectl").args(arguments).output();
        }
    }
}

impl Helm {
    /// Both versions.
    pub const BOTH: [Self; 2] = [Self::Three, Self::Four];

    /// The name of its program in [`Kubernetes::programs`].
    pub fn program(self) -> &'static str {
        match self {
            Self::Three => "helm3",
            Self::Four => "helm4",
        }
    }
}

fn decoded(value: &Value) -> String {
    let bytes = STANDARD.decode(value.as_str().expect("data in the kubeconfig")).expect("base64");
    String::from_utf8(bytes).expect("PEM")
}

#[track_caller]
fn text(output: &Output, arguments: &[&str]) -> String {
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} failed: {messages}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
