//! `ci/pipeline.yml`: this repository's own pipeline. Its types, resources and task files are the real ones; the programs that
//! its tasks run (`make`, `docker`, `apt-get`) are small scripts in the image of the tasks.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use jetway_tests::engine::{self, BASE, docker};
use jetway_tests::github::{self, GitHub};
use jetway_tests::layer::{self, Layer};
use jetway_tests::registry::{Manner, PASSWORD, Registry, USER, run};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::slack::Webhook;
use jetway_tests::ssh_git::SshGit;
use jetway_tests::worker::{Status, Worker};
use serde_json::{Value, json};

/// `make` in the image of the tasks: `unit` and `test` fail if the commit says so, and `release` prints its arguments.
const MAKE: &str = r#"#!/bin/sh
case $1 in
unit | test) ! grep -qx "fails $1" outcome ;;
deps) ;;
release)
  test -s "$JETWAY_SIGNING_KEY" && test -s "$DOCKER_CONFIG/config.json" || exit 1
  mkdir -p "$JETWAY_RELEASE"
  echo "$*" >"$JETWAY_RELEASE/arguments"
  echo "releasing: $*" ;;
esac
"#;

/// `docker save --output FILE IMAGE` in the image of the tasks: writes an archive of an image.
const DOCKER: &str = "#!/bin/sh\ncp /image.tar \"$3\"\n";

struct World {
    code: Repository,
    ssh: SshGit,
    registry: Registry,
    github: GitHub,
    webhook: Webhook,
}

impl World {
    /// Starts the servers, with the image of the tasks in the registry; `None` if they are not available here.
    fn start() -> Option<Self> {
        let images = ["git", "registry-image", "github-status", "slack"];
        let all = images.into_iter().all(|kind| layer::require(Layer::Image(kind)));
        if !all || !engine::require() || ![Layer::Ssh, Layer::Program("skopeo")].into_iter().all(layer::require) {
            return None;
        }
        let registry = Registry::with(&Manner { htpasswd: true, tls: true, ..Manner::default() });
        let world = Self {
            code: Repository::named("jetway"),
            ssh: SshGit::start(),
            registry,
            github: GitHub::start_tls(),
            webhook: Webhook::start(),
        };
        world.make_builder();
        Some(world)
    }

    fn make_builder(&self) {
        let context = scratch::directory();
        let image = "jetway-tests/builder:latest";
        let scripts =
            [("make", MAKE), ("docker", DOCKER), ("apt-get", "#!/bin/sh\n"), ("bash", "#!/bin/sh\nexec sh \"$@\"\n")];
        for (name, script) in scripts {
            let file = context.path().join(name);
            fs::write(&file, script).expect("write a script");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("make it executable");
        }
        docker(&["save", "--output", context.path().join("image.tar").to_str().expect("UTF-8"), BASE]);
        let recipe = format!("FROM {BASE}\nCOPY image.tar /image.tar\nCOPY make docker apt-get bash /bin/\n");
        fs::write(context.path().join("Dockerfile"), recipe).expect("write a Dockerfile");
        let mut build = Command::new("docker");
        build.env("DOCKER_BUILDKIT", "0").args(["build", "--quiet", "--tag", image]).arg(context.path());
        run(&mut build);
        let login = format!("{USER}:{PASSWORD}");
        self.registry.copy(&format!("docker-daemon:{image}"), "builder:latest", &["--dest-creds", &login]);
        docker(&["rmi", "--force", image]);
    }

    fn worker(&self) -> Worker {
        let file = root().join("ci/pipeline.yml");
        let worker = Worker::new(&file, self.vars(), &[self.registry.authority(), self.github.authority()]);
        ["git", "registry-image", "github-status", "slack"]
            .into_iter()
            .fold(worker, |worker, kind| worker.with_image(&self.registry.repository(&format!("jetway-{kind}")), kind))
    }

    fn vars(&self) -> Value {
        json!({
            "repository": {
                "uri": self.ssh.url(self.code.path()), "deploy_key": self.ssh.deploy_key().private,
                "name": github::REPOSITORY, "token": github::TOKEN, "api": self.github.url(),
            },
            "registry": { "host": self.registry.host(), "username": USER, "password": PASSWORD, "signing_key": "a key" },
            "slack": { "webhook": self.webhook.url() },
            "builder": { "repository": self.registry.repository("builder"), "username": USER, "password": PASSWORD },
        })
    }

    /// Pushes a commit with the task files of this repository. `outcome` says what fails in it.
    fn push(&self, outcome: &str) -> String {
        let manifest = "[workspace.package]\nversion = \"1.4.0\"\n";
        let tasks = ["ci/unit.yml", "ci/test.yml", "ci/release.yml"];
        let change = self.code.change("A commit").on("main").write("outcome", outcome).write("Cargo.toml", manifest);
        let read = |path: &str| fs::read_to_string(root().join(path)).expect("read a task's file");
        let hash = tasks.into_iter().fold(change, |change, path| change.write(path, read(path))).commit();
        self.github.set_ref("main", &hash);
        hash
    }

    /// The states of a commit's statuses, oldest first.
    fn statuses(&self, hash: &str) -> Vec<String> {
        let word =
            |status: &Value| format!("{} {}", status["context"].as_str().unwrap(), status["state"].as_str().unwrap());
        self.github.statuses(hash).iter().rev().map(word).collect()
    }

    /// The texts of the messages in the chat.
    fn heard(&self) -> Vec<String> {
        self.webhook.messages().iter().map(Value::to_string).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's root")
}

#[test]
fn tests_a_commit_pushes_its_images_and_releases_a_tag() {
    let Some(world) = World::start() else { return };
    let worker = world.worker();
    let commit = world.push("");
    worker.run("unit").expect("a commit").ended(Status::Succeeded);
    let build = worker.run("test").expect("a commit that has passed `unit`");
    build.ended(Status::Succeeded);
    let statuses = ["unit pending", "unit success", "test pending", "test success"];
    assert_eq!(world.statuses(&commit), statuses);
    for kind in ["git", "docker-image", "registry-image", "helm-release", "github-pr", "github-status", "jira", "slack"]
    {
        assert_eq!(build.versions[&format!("{kind}-image")]["tag"], "dev", "{:?}", build.versions);
    }
    assert!(worker.run("release").is_none(), "there is no tag yet");

    world.code.tag("v1.3.0", &commit);
    world.code.tag("v1.4.0", &commit);
    world.code.tag("v2.0.0-rc.1", &commit);
    let build = worker.run("release").expect("a tag");
    build.ended(Status::Succeeded);
    assert_eq!(build.versions["release-tag"]["ref"], "v1.4.0", "{:?}", build.versions);
    let request = format!("releasing: release VERSION=1.4.0 REGISTRY={} PUSH=1\n", world.registry.host());
    assert!(build.log.contains(&request), "{}", build.log);
    let heard = world.heard();
    assert!(heard.len() == 1 && heard[0].contains("Jetway 1.4.0 is released."), "{heard:?}");
}

#[test]
fn failed_tests_set_a_status_and_send_a_message() {
    let Some(world) = World::start() else { return };
    let worker = world.worker();
    let commit = world.push("fails test");
    worker.run("unit").expect("a commit").ended(Status::Succeeded);
    worker.run("test").expect("a commit that has passed `unit`").ended(Status::Failed);
    assert_eq!(world.statuses(&commit)[2..], ["test pending", "test failure"]);
    assert_eq!(world.heard().len(), 1, "{:?}", world.heard());

    let commit = world.push("fails unit");
    worker.run("unit").expect("a commit").ended(Status::Failed);
    assert_eq!(world.statuses(&commit), ["unit pending", "unit failure"]);
}
