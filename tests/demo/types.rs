//! The other resource types, a verb or two of each: their binaries, against servers that are started here. No engine is needed.

use jetway_tests::github::{self, GitHub};
use jetway_tests::jira::{self, Edition, Jira};
use jetway_tests::kubernetes::{Kubernetes, cluster};
use jetway_tests::registry::{self, Registry};
use jetway_tests::scratch;
use jetway_tests::slack::{BOT, SlackApi};
use jetway_tests::verb::Verb;
use serde_json::json;

use crate::stage;
use crate::story::{Server, Step, Story};
use crate::transcript::counted;

/// Tells the chapter.
pub(crate) fn tell(story: &mut Story) {
    story.chapter("docker-image, registry-image, github-status, jira, slack");
    story.step("docker-image: put a file system, without an engine; registry-image: check and get it", images);
    story.step("github-status: put a status", sets_a_status);
    story.step("jira: put opens a ticket; check and get it when it is approved", waits_for_a_ticket);
    story.step("slack: put a message", sends_a_message);
}

/// Tells the chapter that needs a Kubernetes, where there is one.
pub(crate) fn tell_helm(story: &mut Story) {
    story.chapter("helm-release");
    let cluster = story.step("Kubernetes and helm are built", |step| {
        let cluster = stage::announcing_the_wait(step, cluster);
        if cluster.is_none() {
            step.say("They are not: the steps that need them are left out.");
        }
        cluster
    });
    if let Some(Some(cluster)) = cluster {
        story.step("helm-release: put a chart, check, get", |step| deploys(step, cluster));
    }
}

impl Server for Registry {
    fn forget(&self) {}

    fn saw(&self) -> String {
        format!("the registry saw {} so far", counted(self.requests().len(), "request"))
    }
}

impl Server for GitHub {
    fn forget(&self) {}

    fn saw(&self) -> String {
        format!("GitHub saw {}", counted(self.requests().len(), "request"))
    }
}

impl Server for Jira {
    fn forget(&self) {}

    fn saw(&self) -> String {
        format!("Jira saw {} so far", counted(self.requests().len(), "request"))
    }
}

impl Server for SlackApi {
    fn forget(&self) {}

    fn saw(&self) -> String {
        format!("Slack has {}", counted(self.messages().len(), "message"))
    }
}

impl Server for &Kubernetes {
    fn forget(&self) {}

    fn saw(&self) -> String {
        "a real API server was asked".to_owned()
    }
}

fn images(step: &mut Step<'_>) {
    let registry = Registry::start();
    let inputs = scratch::directory();
    let files = scratch::directory();
    std::fs::write(files.path().join("hello"), "hello\n").expect("write a file");
    let archive = inputs.path().join("rootfs.tar");
    registry::run(
        std::process::Command::new("tar")
            .arg("--create")
            .arg("--file")
            .arg(&archive)
            .arg("--directory")
            .arg(files.path())
            .arg("."),
    );
    let source = json!({ "repository": registry.repository("team/app"), "tag": "1" });
    let request = json!({ "source": source, "params": { "import_file": "rootfs.tar" } });
    let put = step.verb("out build", Verb::put("docker-image").dir(inputs.path()), &request, &registry);
    let digest = &put.response["version"]["digest"];
    step.expect("the put names a digest", digest.as_str().is_some_and(|digest| digest.starts_with("sha256:")));
    let check = step.verb("check", Verb::check("registry-image"), &json!({ "source": source }), &registry);
    let version = json!({ "tag": "1", "digest": digest });
    step.same("a check finds it", &check.response, &json!([version]));
    let target = scratch::directory();
    let request = json!({ "source": source, "version": version });
    step.verb("in image", Verb::get("registry-image").dir(target.path()), &request, &registry);
    let unpacked = std::fs::read_to_string(target.path().join("rootfs/hello")).unwrap_or_default();
    step.same("a get has its files", &unpacked, &"hello\n".to_owned());
}

fn sets_a_status(step: &mut Step<'_>) {
    let github = GitHub::start();
    step.secrets().keep(github::TOKEN);
    let commit = github::commit(1);
    let inputs = scratch::directory();
    let source = json!({ "repository": github::REPOSITORY, "access_token": github::TOKEN, "endpoint": github.url(), "branch": "main" });
    let params = json!({ "commit": commit, "context": "unit-tests", "state": "success" });
    let request = json!({ "source": source, "params": params });
    let put = step.verb("out build", Verb::put("github-status").dir(inputs.path()), &request, &github);
    step.same("the version is the commit's", &put.response["version"]["commit"], &json!(commit));
    step.same("GitHub has it", &github.statuses(&commit)[0]["state"], &json!("success"));
}

fn waits_for_a_ticket(step: &mut Step<'_>) {
    let jira = Jira::start(Edition::Cloud);
    step.secrets().keep_password(jira::EMAIL, jira::API_TOKEN);
    let inputs = scratch::directory();
    let source = json!({
        "url": jira.url(), "email": jira::EMAIL, "api_token": jira::API_TOKEN, "project": jira::PROJECT,
    });
    let create = json!({ "issuetype": "Change", "summary": "Bring build $BUILD_NAME to production" });
    let request = json!({ "source": source, "params": { "create": create, "link": true } });
    let put = step.verb("out build", Verb::put("jira").dir(inputs.path()), &request, &jira);
    let key = put.response["version"]["issue"].as_str().unwrap_or_default().to_owned();
    step.expect("Jira has the ticket", jira.keys().contains(&key));
    let mut gate = source;
    gate["status"] = json!("Approved");
    let request = json!({ "source": gate });
    let check = step.verb("check", Verb::check("jira"), &request, &jira);
    step.same("it is no version yet", &check.response, &json!([]));
    step.say("Somebody approves it.");
    jira.move_to(60, &key, "Approved");
    let check = step.verb("check", Verb::check("jira"), &request, &jira);
    let version = json!({ "issue": key, "status": "Approved", "changed": jira::at(60) });
    step.same("it is a version now", &check.response, &json!([version]));
    let target = scratch::directory();
    let request = json!({ "source": gate, "version": version });
    step.verb("in approved", Verb::get("jira").dir(target.path()), &request, &jira);
    let summary = std::fs::read_to_string(target.path().join("summary")).unwrap_or_default();
    step.same("a get has its fields", &summary, &"Bring build 42 to production".to_owned());
}

fn sends_a_message(step: &mut Step<'_>) {
    let slack = SlackApi::start();
    step.secrets().keep(BOT);
    let inputs = scratch::directory();
    let source = json!({ "token": BOT, "api_url": slack.url(), "channel": "#builds" });
    let params = json!({ "text": "Build $BUILD_NAME is on staging", "reactions": ["white_check_mark"] });
    let request = json!({ "source": source, "params": params });
    step.verb("out build", Verb::put("slack").dir(inputs.path()), &request, &slack);
    let message = slack.messages().pop().expect("a message");
    step.show("text", message.body["text"].as_str().unwrap_or_default());
    step.expect("it has its emoji", message.reactions.contains("white_check_mark"));
}

fn deploys(step: &mut Step<'_>, cluster: &'static Kubernetes) {
    let namespace = cluster.namespace();
    let inputs = scratch::directory();
    let chart = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/chart");
    registry::run(std::process::Command::new("cp").arg("--recursive").arg(&chart).arg(inputs.path().join("chart")));
    std::os::unix::fs::symlink(cluster.programs().join("helm4"), inputs.path().join("helm")).expect("link helm");
    let path = format!("{}:{}", inputs.path().display(), jetway_tests::git::search_path());
    step.secrets().keep(&cluster.kubeconfig());
    let source = json!({ "kubeconfig": cluster.kubeconfig(), "namespace": namespace.name(), "release": "app" });
    let params = json!({
        "chart": "chart", "override_values": [{ "key": "image.digest", "value": "sha256:0" }], "check_is_ready": true, "test": true,
    });
    let request = json!({ "source": source, "params": params });
    let verb = Verb::put("helm-release").env("PATH", &path).dir(inputs.path());
    let put = step.verb("out build", verb, &request, &cluster);
    let version = json!({ "release": "app", "revision": "1" });
    step.same("the put names the revision", &put.response["version"], &version);
    let check = step.verb("check", Verb::check("helm-release"), &json!({ "source": source }), &cluster);
    step.same("a check finds it", &check.response, &json!([version]));
    let target = scratch::directory();
    let request = json!({ "source": source, "version": version });
    step.verb("in release", Verb::get("helm-release").dir(target.path()), &request, &cluster);
    step.expect("a get has its manifest", target.path().join("manifest.yaml").is_file());
}
