//! The helm-release resource: a check of a release with ten revisions, beside one curl and beside `helm history`; a put beside
//! the `helm upgrade` that it runs.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jetway_tests::kubernetes::{Helm, Namespace, cluster};
use jetway_tests::verb::{Container, Verb};
use jetway_tests::{git, scratch};
use serde_json::json;
use tempfile::TempDir;

use crate::measure::{Case, Limits, Measured, Run, in_turns};

/// How many revisions the release has.
const REVISIONS: usize = 10;

/// Measures a check, the curl that asks the API server the same, and helm's own answer; a put and helm's own upgrade. Nothing where
/// there is no cluster.
pub(crate) fn measure(runs: usize) -> Vec<Measured> {
    let Some(cluster) = cluster() else { return Vec::new() };
    let namespace = cluster.namespace();
    let chart = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("helm-release/chart");
    for _ in 0..REVISIONS {
        namespace.helm(Helm::Four, &["upgrade", "--install", "demo", chart.to_str().expect("a path in UTF-8")]);
    }
    let (token, _) = namespace.account("reader", &[("get,list", "secrets")]);
    let directory = scratch::directory();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("write a file");
        path
    };
    let authority = write("ca.crt", &cluster.authority());
    let source = json!({
        "cluster_url": cluster.url(), "cluster_ca": cluster.authority(), "token": token, "release": "demo",
        "namespace": namespace.name(),
    });
    let input = write("request.json", &json!({ "source": source }).to_string());
    let url = format!(
        "{}/api/v1/namespaces/{}/secrets?labelSelector=owner%3Dhelm%2Cname%3Ddemo&limit=500",
        cluster.url(),
        namespace.name()
    );
    let curl = Case {
        name: "curl",
        floor: None,
        limits: Limits::default(),
        succeeds: true,
        prepare: Box::new(|| {
            let mut command = Command::new("curl");
            command.env_clear().env("PATH", git::search_path());
            command.args(["--silent", "--show-error", "--fail", "--cacert"]).arg(&authority);
            command.args(["--header", "Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"]);
            command.arg("--header").arg(format!("Authorization: Bearer {token}")).arg(&url);
            Run::raw(command)
        }),
    };
    let history = Case {
        name: "helm history",
        floor: None,
        limits: Limits::default(),
        succeeds: true,
        prepare: Box::new(|| {
            let mut command = namespace.helm_command(Helm::Four);
            command.args(["history", "demo", "--max", "20"]);
            Run::raw(command)
        }),
    };
    let check = Case {
        name: "check",
        floor: Some("curl"),
        limits: Limits {
            ratio: Some(1.5),
            over: Some(Duration::from_millis(15)),
            children: Some(0),
            peak_rss: Some(30 * 1024 * 1024),
            ..Limits::default()
        },
        succeeds: true,
        prepare: Box::new(|| Run::verb(&Verb::check("helm-release"), &input, Container::new())),
    };
    let programs = Programs::new(&namespace, &chart);
    let (upgrade, put) = programs.cases(&namespace);
    in_turns(runs, vec![curl, history, check, upgrade, put])
}

/// What a put and helm's own upgrade need. Each has a release of its own, which gets one revision more by each run; ten are kept.
struct Programs {
    directory: TempDir,
    inputs: TempDir,
}

impl Programs {
    fn new(namespace: &Namespace, chart: &Path) -> Self {
        let (directory, inputs) = (scratch::directory(), scratch::directory());
        let (chart, target) = (chart.display().to_string(), inputs.path().display().to_string());
        namespace.helm(Helm::Four, &["package", &chart, "--version=1.2.3", "--destination", &target]);
        let helm = namespace.cluster().programs().join(Helm::Four.program());
        symlink(helm, directory.path().join("helm")).expect("link helm");
        let source = json!({
            "kubeconfig": namespace.cluster().kubeconfig(), "release": "by-put", "namespace": namespace.name(),
        });
        let request = json!({ "source": source, "params": { "chart": "demo-1.2.3.tgz" } });
        std::fs::write(directory.path().join("put.json"), request.to_string()).expect("write a file");
        Self { directory, inputs }
    }

    fn cases<'a>(&'a self, namespace: &'a Namespace) -> (Case<'a>, Case<'a>) {
        let upgrade = Case {
            name: "helm upgrade",
            floor: None,
            limits: Limits::default(),
            succeeds: true,
            prepare: Box::new(|| {
                let mut command = namespace.helm_command(Helm::Four);
                command.args(["upgrade", "--install", "by-helm"]).arg(self.inputs.path().join("demo-1.2.3.tgz"));
                Run::raw(command)
            }),
        };
        let put = Case {
            name: "put",
            floor: Some("helm upgrade"),
            limits: Limits { over: Some(Duration::from_millis(150)), ..Limits::default() },
            succeeds: true,
            prepare: Box::new(|| {
                let verb = Verb::put("helm-release").dir(self.inputs.path());
                let run = Run::verb(&verb, self.directory.path().join("put.json"), Container::new());
                run.env("PATH", format!("{}:{}", self.directory.path().display(), git::search_path()))
            }),
        };
        (upgrade, put)
    }
}
