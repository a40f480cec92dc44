//! Tests of the stand-in for a worker: how it runs a plan.

use jetway_tests::http_git::HttpGit;
use jetway_tests::layer::{self, Layer};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::worker::{Status, Worker};
use serde_json::json;

/// Two branches: `code` is one commit ahead of `release`.
struct Following {
    repository: Repository,
    _server: HttpGit,
    worker: Worker,
    /// The commits of `release` and `code`.
    commits: [String; 2],
}

impl Following {
    /// Starts a worker with these jobs, which are YAML; `None` if there is no image of the git type.
    fn with(jobs: &str) -> Option<Self> {
        if !layer::require(Layer::Image("git")) {
            return None;
        }
        let repository = Repository::new();
        let old = repository.commit("Begin", &[("README.md", "hello\n")]);
        repository.branch("release", &old);
        let new = repository.commit("Go on", &[("README.md", "hello again\n")]);
        let server = HttpGit::serve(repository.root());
        let resource = |name: &str, branch: &str| {
            format!("- {{name: {name}, type: git, source: {{uri: ((uri)), branch: {branch}}}}}\n")
        };
        let resources = resource("code", "main") + &resource("release", "release");
        let directory = scratch::directory();
        let file = directory.path().join("following.yml");
        std::fs::write(&file, format!("resources:\n{resources}jobs:\n{jobs}")).unwrap();
        let worker = Worker::new(&file, json!({ "uri": server.url(repository.name()) }), &[]);
        Some(Self { repository, _server: server, worker, commits: [old, new] })
    }
}

#[test]
fn chooses_versions_of_all_gets_before_the_build_starts() {
    let places = [
        "on_success: {get: before, resource: release, passed: [look]}",
        "ensure: {try: {get: before, resource: release, passed: [look]}}",
        "on_success: {do: [{in_parallel: {steps: [{get: before, resource: release, passed: [look]}]}}]}",
    ];
    for place in places {
        let jobs = format!(
            "- {{name: look, plan: [{{get: release}}]}}\n\
             - name: follow\n  plan:\n  - get: code\n  - put: release\n    params: {{repository: code}}\n  {place}\n"
        );
        let Some(following) = Following::with(&jobs) else { return };
        let [old, new] = &following.commits;
        assert!(following.worker.run("follow").is_none(), "{place}: nothing has passed `look`");
        following.worker.run("look").expect("a release").ended(Status::Succeeded);
        let build = following.worker.run("follow").expect("a release that has passed");
        build.ended(Status::Succeeded);
        assert_eq!(build.versions["release"], json!({ "ref": new }));
        assert_eq!(build.versions["before"], json!({ "ref": old }), "{place}");
    }
}

#[test]
fn put_gets_all_artifacts_or_those_in_inputs_or_in_its_params() {
    let cases = [
        ("all", Status::Succeeded),
        ("[code]", Status::Succeeded),
        ("detect", Status::Succeeded),
        ("[other]", Status::Failed),
        ("[]", Status::Failed),
    ];
    for (inputs, status) in cases {
        let jobs = format!(
            "- name: follow\n  plan:\n  - get: code\n  - {{get: other, resource: release}}\n  - put: release\n    \
             inputs: {inputs}\n    params: {{repository: code}}\n"
        );
        let Some(following) = Following::with(&jobs) else { return };
        let [old, new] = &following.commits;
        following.worker.run("follow").expect("both have versions").ended(status);
        let expected = if status == Status::Succeeded { new } else { old };
        assert_eq!(&following.repository.tip("release"), expected, "{inputs}");
    }
}
