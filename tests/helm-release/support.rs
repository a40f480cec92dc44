//! Helpers for releases, sources and verbs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use jetway_tests::kubernetes::{Helm, Kubernetes, Namespace};
use jetway_tests::process::wait_until;
use jetway_tests::verb::{Outcome, Runner, Verb};
use jetway_tests::{git, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The chart that releases are made from.
pub(crate) fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("helm-release/chart")
}

/// `value` with the entries of `more`, which override its own.
pub(crate) fn with(mut value: Value, more: Value) -> Value {
    let (Some(entries), Value::Object(more)) = (value.as_object_mut(), more) else { panic!("objects are merged") };
    entries.extend(more);
    value
}

/// Creates a revision with helm, which may fail.
pub(crate) fn deploy(namespace: &Namespace, helm: Helm, release: &str, arguments: &[&str]) {
    let chart = chart();
    let mut all = vec!["upgrade", "--install", release, chart.to_str().expect("a path in UTF-8"), "--history-max=0"];
    all.extend(arguments);
    namespace.try_helm(helm, &all);
}

/// Copies the only record of the release until there are `count` records, with the labels that helm would set.
pub(crate) fn fill(namespace: &Namespace, count: u64) {
    let record = namespace.kubectl_json(&["get", "secret", "sh.helm.release.v1.demo.v1", "--output=json"]);
    let copies: Vec<Value> = (2..=count)
        .map(|number| {
            let labels = with(record["metadata"]["labels"].clone(), json!({ "version": number.to_string() }));
            let metadata = json!({ "name": format!("sh.helm.release.v1.demo.v{number}"), "labels": labels });
            with(record.clone(), json!({ "metadata": metadata }))
        })
        .collect();
    let directory = scratch::directory();
    let file = directory.path().join("copies.json");
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": copies });
    fs::write(&file, list.to_string()).unwrap();
    namespace.kubectl(&["create", "--filename", file.to_str().unwrap()]);
}

/// A source with a kubeconfig.
pub(crate) fn source(namespace: &Namespace) -> Value {
    json!({ "kubeconfig": namespace.cluster().kubeconfig(), "namespace": namespace.name(), "release": "demo" })
}

/// A source with an address, a certificate authority and a token.
pub(crate) fn source_with_token(cluster: &Kubernetes, namespace: &Namespace, token: &str) -> Value {
    json!({
        "cluster_url": cluster.url(), "cluster_ca": cluster.authority(), "token": token,
        "namespace": namespace.name(), "release": "demo",
    })
}

/// Inputs with the chart and these files.
pub(crate) fn inputs(files: &[(&str, &str)]) -> TempDir {
    let inputs = scratch::directory();
    let copied = std::process::Command::new("cp").arg("-r").arg(chart()).arg(inputs.path().join("chart")).status();
    assert!(copied.unwrap().success());
    for (name, content) in files {
        std::fs::write(inputs.path().join(name), content).unwrap();
    }
    inputs
}

/// Adds a hook to the chart in the inputs: a pod `before` with this annotation.
pub(crate) fn add_hook(inputs: &Path, event: &str, annotation: &str) {
    let hook = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: before\n  annotations: {{helm.sh/hook: {event}, {annotation}}}\n\
         spec: {{restartPolicy: Never, containers: [{{name: hook, image: hook}}]}}\n"
    );
    fs::write(inputs.join("chart/templates/hook.yaml"), hook).unwrap();
}

/// The annotations of a hook that fails, and of a hook that runs until it is deleted or until [`end_hook`].
pub(crate) const FAILS: &str = "jetway.test/exit-code: \"1\"";
pub(crate) const RUNS: &str = "jetway.test/ready: \"false\"";

/// Waits until the hook of [`RUNS`] runs, and ends it successfully.
#[track_caller]
pub(crate) fn end_hook(namespace: &Namespace) {
    let runs = || {
        let pods = namespace.kubectl_json(&["get", "pods", "--field-selector=metadata.name=before", "--output=json"]);
        let pod = &pods["items"][0];
        (pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null()).then_some(())
    };
    wait_until(Duration::from_mins(1), runs).expect("the hook runs");
    let patch = json!({ "status": { "phase": "Succeeded" } }).to_string();
    namespace.kubectl(&["patch", "pod", "before", "--subresource=status", "--type=merge", "--patch", &patch]);
}

/// Bytes that cannot be compressed.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let numbers = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    numbers.flatten().take(length).collect()
}

/// The helm that actually runs: the image has only its own version.
pub(crate) fn helm_that_runs(helm: Helm) -> Helm {
    if Runner::chosen() == Runner::Image { Helm::Four } else { helm }
}

/// A put that finds this version of helm as `helm` in `PATH`.
pub(crate) fn put(helm: Helm, programs: &Path, source: &Value, params: Value, inputs: &Path) -> Verb {
    // The directory is in the inputs.
    let directory = inputs.join(format!(".{}", helm.program()));
    if std::fs::create_dir(&directory).is_ok() {
        symlink(programs.join(helm.program()), directory.join("helm")).unwrap();
    }
    Verb::put("helm-release")
        .env("PATH", &format!("{}:{}", directory.display(), git::search_path()))
        .dir(inputs)
        .request(&json!({ "source": source, "params": params }))
}

/// A program that logs its arguments, its environment and the modes of files among the arguments, and then runs helm
/// (the image's own in an image). Returns the directory of the program, and the log.
pub(crate) fn watched(helm: Helm, programs: &Path, directory: &Path) -> (PathBuf, PathBuf) {
    let (ours, log) = (directory.join(".watched"), directory.join(".log"));
    fs::create_dir(&ours).unwrap();
    let (program, real) = (ours.join(helm.program()), programs.join(helm.program()));
    let script = format!(
        "#!/bin/sh\n{{ tr '\\0' '\\n' </proc/$$/cmdline; env; for one; do [ -f \"$one\" ] && stat -c '%a %n' \"$one\"; done; }} >>{}\n\
         [ -x {real} ] && exec {real} \"$@\"\nexec /usr/local/bin/helm \"$@\"\n",
        log.display(),
        real = real.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    (ours, log)
}

/// The user-supplied values of the release `demo`.
pub(crate) fn values_of(namespace: &Namespace, helm: Helm) -> Value {
    serde_json::from_str(&namespace.helm(helm, &["get", "values", "demo", "--output=json"])).unwrap()
}

pub(crate) fn check(source: &Value, version: Value) -> Outcome {
    Verb::check("helm-release").request(&json!({ "source": source, "version": version })).run()
}

/// Runs a get, and returns the directory that it has filled.
pub(crate) fn get(source: &Value, version: Value) -> (Outcome, TempDir) {
    let directory = scratch::directory();
    let request = json!({ "source": source, "version": version });
    (Verb::get("helm-release").dir(directory.path()).request(&request).run(), directory)
}

/// The versions of these revisions of the release `demo`.
pub(crate) fn revisions(numbers: impl IntoIterator<Item = u64>) -> Value {
    numbers.into_iter().map(|number| json!({ "release": "demo", "revision": number.to_string() })).collect()
}

/// The output on standard error, without colours, ports and temporary paths.
pub(crate) fn messages(outcome: &Outcome) -> String {
    let rendered = outcome.view().render();
    let (_, messages) = rendered.split_once("----- stderr -----\n").expect("a rendered outcome");
    messages.to_owned()
}

/// Cases that delete a namespace read-lock it: the API server deletes one only while all API groups are available. The case that adds
/// an unavailable group write-locks it.
static API_GROUPS: RwLock<()> = RwLock::new(());

/// Keeps all API groups available.
pub(crate) fn with_all_api_groups() -> RwLockReadGuard<'static, ()> {
    API_GROUPS.read().unwrap_or_else(PoisonError::into_inner)
}

/// An API group whose service does not exist, until it is dropped.
pub(crate) struct UnavailableApi {
    cluster: &'static Kubernetes,
    name: String,
    _lock: RwLockWriteGuard<'static, ()>,
}

impl UnavailableApi {
    pub(crate) fn add(namespace: &Namespace) -> Self {
        let lock = API_GROUPS.write().unwrap_or_else(PoisonError::into_inner);
        let group = format!("{}.jetway.test", namespace.name());
        let unavailable = Self { cluster: namespace.cluster(), name: format!("v1beta1.{group}"), _lock: lock };
        let service = json!({ "name": "gone", "namespace": namespace.name() });
        let api = json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": { "name": unavailable.name },
            "spec": {
                "group": group, "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                "insecureSkipTLSVerify": true, "service": service,
            },
        });
        let directory = scratch::directory();
        let file = directory.path().join("api.json");
        fs::write(&file, api.to_string()).unwrap();
        unavailable.cluster.kubectl(&["create", "--filename", file.to_str().unwrap()]);
        let (condition, object) = ("--for=condition=Available=False", format!("apiservice/{}", unavailable.name));
        unavailable.cluster.kubectl(&["wait", condition, &object, "--timeout=60s"]);
        unavailable
    }
}

impl Drop for UnavailableApi {
    fn drop(&mut self) {
        self.cluster.kubectl(&["delete", "apiservice", &self.name]);
    }
}

/// The statuses of the revisions in the namespace, read from helm's records.
pub(crate) fn statuses(namespace: &Namespace) -> Vec<String> {
    let list = namespace.kubectl_json(&["get", "secrets", "--selector=owner=helm,name=demo", "--output=json"]);
    let label = |item: &Value, name: &str| item["metadata"]["labels"][name].as_str().unwrap_or_default().to_owned();
    let items = list["items"].as_array().expect("a list");
    let mut revisions: Vec<(u64, String)> =
        items.iter().map(|item| (label(item, "version").parse().expect("a number"), label(item, "status"))).collect();
    revisions.sort();
    revisions.into_iter().map(|(_, status)| status).collect()
}

/// Waits until the latest revision has the number and the status.
#[track_caller]
pub(crate) fn wait_for_status(namespace: &Namespace, count: usize, status: &str) {
    let found = || {
        let statuses = statuses(namespace);
        (statuses.len() == count && statuses.last().is_some_and(|last| last == status)).then_some(())
    };
    wait_until(Duration::from_mins(1), found)
        .unwrap_or_else(|| panic!("revision {count} is not `{status}`: {:?}", statuses(namespace)));
}
