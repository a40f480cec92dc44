//! A Kubernetes to deploy to, and the real helm: version 3 and version 4.
//!
//! The cluster is started once per test process and ends with it (see `kubernetes/` beside this file): real but for its
//! node, whose pods do what their annotations say. A second node, whose pods really run, joins it when a test asks for one.
//! Whoever has a cluster names its kubeconfig in `JETWAY_TEST_KUBECONFIG`. Each test has a namespace of its own.

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
    /// What administrators log in with, as JSON and complete in itself.
    access: Value,
    audit: Option<PathBuf>,
    control: Option<Mutex<Control>>,
}

/// The cluster's own process, which ends when this does.
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

/// A namespace of a test's own.
#[derive(Debug)]
pub struct Namespace {
    cluster: &'static Kubernetes,
    name: String,
}

/// The cluster of this test process; `None` when there can be none here, which has been told and counted then.
pub fn cluster() -> Option<&'static Kubernetes> {
    layer::require(Layer::Kubernetes).then(|| running().as_ref().expect("a cluster that is available"))
}

/// The same cluster, with a node whose pods really run; `None` when there can be none here.
pub fn cluster_with_containers() -> Option<&'static Kubernetes> {
    cluster().filter(|_| layer::require(Layer::Containers))
}

/// Why no container can run in the cluster.
pub(crate) fn without_containers() -> Option<String> {
    static ADDED: OnceLock<Option<String>> = OnceLock::new();
    let add = || match running() {
        Ok(cluster) => cluster.add_containers().err(),
        Err(problem) => Some(problem.clone()),
    };
    ADDED.get_or_init(add).clone()
}

/// Why there can be no cluster here.
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
        // The cluster removes it when it ends, which is later than anything here could.
        let directory = scratch::directory().keep();
        let control = run(&programs, &directory)?;
        (directory.join("kubeconfig"), Some(directory.join("audit.log")), Some(Mutex::new(control)))
    };
    let mut cluster = Kubernetes { programs, kubeconfig, access: Value::Null, audit, control };
    cluster.access = cluster.kubectl_json(&["config", "view", "--raw", "--minify", "--flatten", "--output=json"]);
    Ok(cluster)
}

/// Starts the cluster and waits until it says that it is ready, which is bounded by itself.
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
    if control.said() == "ready" {
        // What it says later would fill the pipe.
        let mut rest = child.stderr.take().expect("a pipe");
        std::thread::spawn(move || std::io::copy(&mut rest, &mut std::io::sink()));
        return Ok(control);
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("the cluster did not start: {}", said.lines().last().unwrap_or_default()))
}

impl Control {
    /// The next line that it says; nothing when it has ended.
    fn said(&mut self) -> String {
        let mut said = String::new();
        let _ = self.output.read_line(&mut said);
        said.trim().to_owned()
    }
}

impl Kubernetes {
    /// Adds the node whose pods really run, which is bounded by itself. Its cases know its images and use this machine's files, so
    /// that a user's own cluster cannot stand in for it.
    fn add_containers(&self) -> Result<(), String> {
        let Some(control) = &self.control else { return Err("a user's own cluster gets no node of ours".to_owned()) };
        let mut control = control.lock().map_err(|error| error.to_string())?;
        control.input.write_all(b"containers\n").map_err(|error| error.to_string())?;
        match control.said().as_str() {
            "ready" => Ok(()),
            "" => Err("the cluster has ended".to_owned()),
            problem => Err(problem.to_owned()),
        }
    }

    /// The address of the API server.
    pub fn url(&self) -> &str {
        self.access["clusters"][0]["cluster"]["server"].as_str().expect("a server")
    }

    /// The server's authority, in PEM form.
    pub fn authority(&self) -> String {
        decoded(&self.access["clusters"][0]["cluster"]["certificate-authority-data"])
    }

    /// The administrator's kubeconfig, complete in itself.
    pub fn kubeconfig(&self) -> String {
        self.access.to_string()
    }

    /// The administrator's certificate and key, in PEM form; a user's own cluster may know none.
    pub fn certificate(&self) -> Option<(String, String)> {
        let user = &self.access["users"][0]["user"];
        user["client-certificate-data"]
            .is_string()
            .then(|| (decoded(&user["client-certificate-data"]), decoded(&user["client-key-data"])))
    }

    /// A namespace that nobody else has.
    pub fn namespace(&'static self) -> Namespace {
        self.new_namespace(&json!({}))
    }

    /// A namespace that nobody else has, whose pods really run. See [`cluster_with_containers`].
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

    /// What was asked of the API server as that user: `GET /path`, in order. A user's own cluster tells nobody (`None`).
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

    /// Runs kubectl, which must succeed.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        text(&self.command("kubectl").args(arguments).output().expect("run kubectl"), arguments)
    }

    #[track_caller]
    fn kubectl_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.kubectl(arguments)).expect("kubectl prints JSON")
    }

    /// Where the programs are: `kubectl`, `helm3`, `helm4`.
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

    /// Runs kubectl in it, which must succeed.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let all: Vec<&str> = ["--namespace", &self.name].into_iter().chain(arguments.iter().copied()).collect();
        self.cluster.kubectl(&all)
    }

    /// Runs kubectl in it, which must succeed and print JSON.
    #[track_caller]
    pub fn kubectl_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.kubectl(arguments)).expect("kubectl prints JSON")
    }

    /// Runs helm in it, which must succeed.
    #[track_caller]
    pub fn helm(&self, helm: Helm, arguments: &[&str]) -> String {
        text(&self.try_helm(helm, arguments), arguments)
    }

    /// Runs helm in it.
    pub fn try_helm(&self, helm: Helm, arguments: &[&str]) -> Output {
        self.helm_command(helm).args(arguments).output().expect("run helm")
    }

    /// helm in it, for who wants to measure it.
    pub fn helm_command(&self, helm: Helm) -> Command {
        let mut command = self.cluster.command(helm.program());
        command.arg("--namespace").arg(&self.name);
        command
    }

    /// A token of a service account that may do what the rules say: pairs of verbs and resources, such as
    /// `("get,list", "secrets")`. Also the name that the API server knows the account by.
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
    /// In a cluster of our own it goes with the cluster.
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

    /// The name of its program among those of [`Kubernetes::programs`].
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
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} failed: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
