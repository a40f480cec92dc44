//! The first examples of READMEs, as a worker runs them: hooks have `BUILD_STATUS`, `ensure` does not.

use jetway_tests::github::GitHub;
use jetway_tests::http_git::HttpGit;
use jetway_tests::layer::{self, Layer};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::slack::Webhook;
use jetway_tests::worker::{Status, Worker};
use serde_json::json;

/// The first pipeline of a README.
fn example(readme: &str) -> String {
    let (_, rest) = readme.split_once("```yaml\n").expect("an example");
    rest.split("```").next().expect("its end").to_owned()
}

fn replaced(text: &str, part: &str, by: &str) -> String {
    assert!(text.contains(part), "the example has no {part:?} any more");
    text.replace(part, by)
}

/// A worker with a pipeline and the images of its types.
fn worker(pipeline: &str, vars: serde_json::Value, kind: &str) -> Worker {
    let directory = scratch::directory();
    let file = directory.path().join("example.yml");
    std::fs::write(&file, pipeline).unwrap();
    Worker::new(&file, vars, &[]).with_image(&format!("registry.example.com/jetway-{kind}"), kind)
}

#[test]
fn each_hook_sets_the_status_of_the_build() {
    if !["git", "github-status"].into_iter().all(|kind| layer::require(Layer::Image(kind))) {
        return;
    }
    let readme = example(include_str!("../../resources/github-status/README.md"));
    let task = "  - task: test\n    file: code-base/ci/test.yml\n";
    let failing = "  - put: code-base\n    params: {repository: absent}\n";
    for (step, ended, state) in [("", Status::Succeeded, "success"), (failing, Status::Failed, "failure")] {
        let (github, repository) = (GitHub::start(), Repository::new());
        let commit = repository.commit("Begin", &[("README.md", "hello\n")]);
        github.add_commit(&commit);
        let server = HttpGit::serve(repository.root());
        let pipeline = replaced(&readme, "https://github.com/octo/app.git", &server.url(repository.name()));
        let pipeline = replaced(&pipeline, task, step);
        let endpoint = format!("    repository: octo/app\n    endpoint: {}\n", github.url());
        let pipeline = replaced(&pipeline, "    repository: octo/app\n", &endpoint);
        let worker = worker(&pipeline, json!({ "github_token": jetway_tests::github::TOKEN }), "github-status");
        worker.run("test").expect("a commit").ended(ended);
        let states: Vec<_> = github.statuses(&commit).iter().map(|status| status["state"].clone()).collect();
        assert_eq!(states, [json!(state), json!("pending")]);
    }
}

#[test]
fn message_contains_the_build() {
    if !layer::require(Layer::Image("slack")) {
        return;
    }
    let webhook = Webhook::start();
    let pipeline = example(include_str!("../../resources/slack/README.md"));
    let worker = worker(&pipeline, json!({ "slack_webhook": webhook.url() }), "slack");
    worker.run("build").expect("a job without inputs").ended(Status::Succeeded);
    let messages = webhook.messages();
    let text = messages[0]["text"].as_str().expect("text");
    assert!(text.starts_with("example/build #"), "{text}");
    assert_eq!(messages[0]["channel"], json!("#builds"));
}
