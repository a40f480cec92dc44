//! With how little verbs do: no right, no file system to write to, no variable.

use jetway_tests::github::{self, GitHub};
use jetway_tests::http_git::HttpGit;
use jetway_tests::jira::{Edition, Jira};
use jetway_tests::kubernetes::cluster;
use jetway_tests::layer::{self, Layer};
use jetway_tests::registry::Registry;
use jetway_tests::repository::Repository;
use jetway_tests::slack::Webhook;
use jetway_tests::verb::{Outcome, Runner, Verb};
use jetway_tests::{engine, scratch};
use serde_json::{Value, json};

/// Workers usually run containers as root. A check and a put must also run as another user, without capabilities and on a read-only
/// file system.
#[test]
fn a_check_and_a_put_need_no_right() {
    let run_unprivileged = |verb: Verb| {
        let arguments =
            ["--user=65534:65534", "--cap-drop=ALL", "--read-only", "--tmpfs=/scratch", "--env=TMPDIR=/scratch"];
        verb.runner(Runner::Image).docker_arguments(arguments).run()
    };
    let required = |kind: &str| layer::require(Layer::Image(kind));
    if required("git") {
        let repository = Repository::new();
        let tip = repository.commit("Begin", &[("README.md", "hello\n")]);
        let server = HttpGit::serve(repository.root());
        let source = json!({ "uri": server.url(repository.name()), "branch": "main" });
        assert_eq!(
            run_unprivileged(Verb::check("git").request(&json!({ "source": source }))).json(),
            json!([{ "ref": tip }])
        );
    }
    if required("github-pr") {
        let github = GitHub::start();
        let hash = github::commit(5);
        github.put_pull(github::PullRequest::new(5, &hash));
        let source = json!({
            "repository": github::REPOSITORY, "access_token": github::TOKEN, "v3_endpoint": github.url(),
        });
        let check = run_unprivileged(Verb::check("github-pr").request(&json!({ "source": source })));
        assert_eq!(check.json()[0]["commit"], hash);
        let inputs = scratch::directory();
        std::fs::create_dir_all(inputs.path().join("pr/.git")).unwrap();
        std::fs::write(inputs.path().join("pr/.git/HEAD"), &hash).unwrap();
        let put = Verb::put("github-pr").dir(inputs.path());
        let params = json!({ "path": "pr", "status": "success" });
        run_unprivileged(put.request(&json!({ "source": source, "params": params }))).succeeded();
    }
    if required("github-status") {
        let github = GitHub::start();
        let (hash, source) = (
            github::commit(1),
            json!({
                "repository": github::REPOSITORY, "access_token": github::TOKEN, "endpoint": github.url(),
            }),
        );
        let params = json!({ "commit": hash, "state": "success" });
        let inputs = scratch::directory();
        let put = Verb::put("github-status").dir(inputs.path());
        run_unprivileged(put.request(&json!({ "source": source, "params": params }))).succeeded();
        let check = run_unprivileged(Verb::check("github-status").request(&json!({ "source": source })));
        assert_eq!(check.json()[0]["commit"], hash);
    }
    if required("jira") {
        let jira = Jira::start(Edition::Cloud);
        let key = jira.create_in(5, "hello", "Done");
        let inputs = scratch::directory();
        let request = json!({ "source": jira.source(), "params": { "issue": key, "comment": "hello" } });
        run_unprivileged(Verb::put("jira").dir(inputs.path()).request(&request)).succeeded();
        let mut source = jira.source();
        (source["project"], source["status"]) = (json!("OPS"), json!("Done"));
        let check = run_unprivileged(Verb::check("jira").request(&json!({ "source": source })));
        assert_eq!(check.json()[0]["issue"], json!(key));
    }
    if required("slack") {
        let webhook = Webhook::start();
        let inputs = scratch::directory();
        let request = json!({ "source": { "url": webhook.url() }, "params": { "text": "hello" } });
        run_unprivileged(Verb::put("slack").dir(inputs.path()).request(&request)).succeeded();
        assert_eq!(webhook.messages().len(), 1);
    }
    if required("registry-image") && engine::require() && layer::require(Layer::Program("skopeo")) {
        let registry = Registry::start();
        registry.copy(&format!("docker-daemon:{}", engine::BASE), "team/app:1", &[]);
        for kind in ["registry-image", "docker-image"] {
            let source = json!({ "repository": registry.repository("team/app"), "tag": "1" });
            let check = run_unprivileged(Verb::check(kind).request(&json!({ "source": source })));
            assert!(check.json()[0]["digest"].as_str().unwrap().starts_with("sha256:"));
        }
    }
}

/// Runs a verb that has not a single variable, not even those that every worker sets, and that can write to nothing but `/tmp`
/// and its own directory.
fn bare(verb: Verb, request: &Value) -> Outcome {
    verb.runner(Runner::Image).without_environment().docker_arguments(["--read-only"]).request(request).run()
}

/// A directory for a get that has one file in it afterwards, with what that file holds.
fn got(verb: Verb, request: &Value, file: &str) -> String {
    let directory = scratch::directory();
    let answer = bare(verb.dir(directory.path()), request).json();
    assert_eq!(answer["version"], request["version"]);
    std::fs::read_to_string(directory.path().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn git_needs_no_variable() {
    if !layer::require(Layer::Image("git")) {
        return;
    }
    let repository = Repository::new();
    let old = repository.commit("Begin", &[("README.md", "hello\n")]);
    repository.branch("release", &old);
    let tip = repository.commit("Go on", &[("README.md", "hello again\n")]);
    let server = HttpGit::serve(repository.root());
    let source = |branch: &str| json!({ "uri": server.url(repository.name()), "branch": branch });
    let check = bare(Verb::check("git"), &json!({ "source": source("main") }));
    assert_eq!(check.json(), json!([{ "ref": tip }]));
    let inputs = scratch::directory();
    let get = json!({ "source": source("main"), "version": { "ref": tip } });
    bare(Verb::get("git").dir(inputs.path()), &get).succeeded();
    assert_eq!(std::fs::read_to_string(inputs.path().join("README.md")).unwrap(), "hello again\n");
    let put = json!({ "source": source("release"), "params": { "repository": "." } });
    assert_eq!(bare(Verb::put("git").dir(inputs.path()), &put).json()["version"], json!({ "ref": tip }));
    assert_eq!(repository.tip("release"), tip);
}

#[test]
fn images_need_no_variable() {
    let are_here = ["registry-image", "docker-image"].iter().all(|kind| layer::require(Layer::Image(kind)));
    if !are_here || !engine::require() || !layer::require(Layer::Program("skopeo")) {
        return;
    }
    let registry = Registry::start();
    registry.copy(&format!("docker-daemon:{}", engine::BASE), "team/app:1", &[]);
    for kind in ["registry-image", "docker-image"] {
        let source = |tag: &str| json!({ "repository": registry.repository("team/app"), "tag": tag });
        let check = bare(Verb::check(kind), &json!({ "source": source("1") })).json();
        let digest = check[0]["digest"].as_str().unwrap();
        let inputs = scratch::directory();
        let (params, put) = if kind == "docker-image" {
            (json!({ "save": true }), json!({ "load": "." }))
        } else {
            (json!({ "format": "oci" }), json!({ "image": "image.tar" }))
        };
        let get = json!({ "source": source("1"), "version": check[0], "params": params });
        bare(Verb::get(kind).dir(inputs.path()), &get).succeeded();
        assert_eq!(std::fs::read_to_string(inputs.path().join("digest")).unwrap().trim(), digest);
        let put = json!({ "source": source(kind), "params": put });
        let version = bare(Verb::put(kind).dir(inputs.path()), &put).json()["version"].take();
        assert!(version["digest"].as_str().unwrap().starts_with("sha256:"), "{version}");
        assert_eq!(bare(Verb::check(kind), &json!({ "source": source(kind) })).json()[0]["digest"], version["digest"]);
    }
}

#[test]
fn jira_needs_no_variable() {
    if !layer::require(Layer::Image("jira")) {
        return;
    }
    let jira = Jira::start(Edition::DataCenter);
    let key = jira.create_in(5, "hello", "Done");
    let mut source = jira.source();
    let inputs = scratch::directory();
    let put = json!({ "source": source, "params": { "issue": key, "comment": "hello" } });
    bare(Verb::put("jira").dir(inputs.path()), &put).succeeded();
    (source["project"], source["status"]) = (json!("OPS"), json!("Done"));
    let check = bare(Verb::check("jira"), &json!({ "source": source })).json();
    let get = json!({ "source": source, "version": check[0] });
    assert_eq!(got(Verb::get("jira"), &get, "key"), key);
}

#[test]
fn github_pr_needs_no_variable() {
    if !layer::require(Layer::Image("github-pr")) {
        return;
    }
    let repository = Repository::new();
    repository.commit("Begin", &[("README.md", "hello\n")]);
    repository.branch("topic", "main");
    let head = repository.commit_on("topic", "Go on", &[("README.md", "hello again\n")]);
    repository.git(&["update-ref", "refs/pull/5/head", &head]);
    let (server, github) = (HttpGit::serve(repository.root()), GitHub::start());
    github.put_pull(github::PullRequest::new(5, &head));
    let source = json!({
        "repository": github::REPOSITORY, "access_token": github::TOKEN, "v3_endpoint": github.url(),
        "uri": server.url(repository.name()),
    });
    let version = bare(Verb::check("github-pr"), &json!({ "source": source })).json()[0].clone();
    let get = json!({ "source": source, "version": version });
    let inputs = scratch::directory();
    let directory = inputs.path().join("pr");
    std::fs::create_dir(&directory).unwrap();
    assert_eq!(bare(Verb::get("github-pr").dir(&directory), &get).json()["version"], version);
    assert_eq!(std::fs::read_to_string(directory.join("README.md")).unwrap(), "hello again\n");
    let put = json!({ "source": source, "params": { "path": "pr", "status": "success" } });
    bare(Verb::put("github-pr").dir(inputs.path()), &put).succeeded();
    assert_eq!(github.statuses(&head).len(), 1);
}

#[test]
fn github_status_needs_no_variable() {
    if !layer::require(Layer::Image("github-status")) {
        return;
    }
    let github = GitHub::start();
    let hash = github::commit(1);
    let source = json!({ "repository": github::REPOSITORY, "access_token": github::TOKEN, "endpoint": github.url() });
    let inputs = scratch::directory();
    let put = json!({ "source": source, "params": { "commit": hash, "state": "success" } });
    bare(Verb::put("github-status").dir(inputs.path()), &put).succeeded();
    let check = bare(Verb::check("github-status"), &json!({ "source": source })).json();
    assert_eq!(check[0]["commit"], hash);
    let get = json!({ "source": source, "version": check[0] });
    assert_eq!(got(Verb::get("github-status"), &get, "commit").trim(), hash);
}

#[test]
fn helm_release_needs_no_variable() {
    if !layer::require(Layer::Image("helm-release")) {
        return;
    }
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let source = json!({ "kubeconfig": cluster.kubeconfig(), "namespace": namespace.name(), "release": "demo" });
    let inputs = scratch::directory();
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/helm-release/chart");
    let copied = std::process::Command::new("cp").args(["-r", chart]).arg(inputs.path()).status();
    assert!(copied.unwrap().success());
    let put = json!({ "source": source, "params": { "chart": "chart" } });
    let version = json!({ "release": "demo", "revision": "1" });
    assert_eq!(bare(Verb::put("helm-release").dir(inputs.path()), &put).json()["version"], version);
    assert_eq!(bare(Verb::check("helm-release"), &json!({ "source": source })).json(), json!([version]));
    let get = json!({ "source": source, "version": version });
    assert_eq!(got(Verb::get("helm-release"), &get, "chart/version").trim(), "1.2.3");
}

#[test]
fn slack_needs_no_variable() {
    if !layer::require(Layer::Image("slack")) {
        return;
    }
    let webhook = Webhook::start();
    let source = json!({ "url": webhook.url() });
    let inputs = scratch::directory();
    let put = json!({ "source": source, "params": { "text": "hello" } });
    let version = bare(Verb::put("slack").dir(inputs.path()), &put).json()["version"].take();
    assert_eq!(webhook.messages().len(), 1);
    bare(Verb::check("slack"), &json!({ "source": source })).succeeded();
    let directory = scratch::directory();
    let get = json!({ "source": source, "version": version });
    bare(Verb::get("slack").dir(directory.path()), &get).succeeded();
}
