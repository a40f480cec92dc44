//! The world that a pipeline delivers to: all that is outside of Concourse.

use std::path::Path;

use jetway_tests::engine::{self, BASE};
use jetway_tests::github::{self, GitHub};
use jetway_tests::layer::{self, Layer};
use jetway_tests::registry::{Manner, Registry};
use jetway_tests::repository::Repository;
use jetway_tests::slack::{BOT, SlackApi};
use jetway_tests::ssh_git::SshGit;
use jetway_tests::worker::Worker;
use serde_json::{Value, json};

/// A service account's key, as a registry of Google's takes it for a password.
const KEY: &str = r#"{"type": "service_account", "private_key_id": "0f1e2d3c4b5a"}"#;

/// The types that a worker has fetched before: their images are large, and how images are fetched the small ones show.
const FETCHED: [&str; 2] = ["git", "docker-image"];

/// Types that are fetched from the registry, and those of the worker itself.
const OTHERS: [&str; 3] = ["github-status", "slack", "registry-image"];

/// Everything that the pipelines talk to.
pub(crate) struct World {
    pub(crate) code: Repository,
    pub(crate) ssh: SshGit,
    pub(crate) registry: Registry,
    pub(crate) github: GitHub,
    pub(crate) slack: SlackApi,
}

impl World {
    /// All servers, with nothing in them but what the build starts from; `None` when they cannot be here.
    pub(crate) fn start() -> Option<Self> {
        let images = FETCHED.iter().chain(&OTHERS).all(|kind| layer::require(Layer::Image(kind)));
        if !images || !engine::require() || !layer::require(Layer::Ssh) || !layer::require(Layer::Program("skopeo")) {
            return None;
        }
        let address = engine::bridge_address();
        let registry = Registry::with(&Manner {
            htpasswd: true,
            login: Some(("_json_key", KEY)),
            tls: true,
            address: Some(&address),
            ..Manner::default()
        });
        let world = Self {
            code: Repository::named("app"),
            ssh: SshGit::start(),
            registry,
            github: GitHub::start_tls(),
            slack: SlackApi::start(),
        };
        world.fill("base", BASE);
        for kind in ["github-status", "slack"] {
            world.fill(&format!("jetway-{kind}"), &layer::image_name(kind));
        }
        Some(world)
    }

    /// Copies an image of this machine's engine to the registry.
    fn fill(&self, path: &str, image: &str) {
        let login = format!("_json_key:{KEY}");
        self.registry.copy(&format!("docker-daemon:{image}"), &format!("{path}:latest"), &["--dest-creds", &login]);
    }

    /// A worker with a pipeline of `tests/pipelines`.
    pub(crate) fn worker(&self, pipeline: &str) -> Worker {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(pipeline);
        let worker = Worker::new(&file, self.vars(), &[self.registry.authority(), self.github.authority()]);
        FETCHED
            .iter()
            .fold(worker, |worker, kind| worker.with_image(&self.registry.repository(&format!("jetway-{kind}")), kind))
    }

    fn vars(&self) -> Value {
        json!({
            "code": {
                "uri": self.ssh.url(self.code.path()), "deploy_key": self.ssh.deploy_key().private,
                "known_hosts": self.ssh.known_hosts(),
            },
            "registry": { "host": self.registry.host(), "key": KEY },
            "github": {
                "repository": github::REPOSITORY, "token": github::TOKEN, "endpoint": self.github.url(), "deciders": ["grace"],
            },
            "slack": { "token": BOT, "api_url": self.slack.url() },
        })
    }

    /// Pushes a commit to `develop`: the application says `word`, and its tests want `hello`.
    pub(crate) fn push(&self, word: &str) -> String {
        let recipe = format!("FROM {}\nCOPY app /app\nRUN chmod 0755 /app/test.sh\n", self.registry.repository("base"));
        let hash = self
            .code
            .change(&format!("Say {word}"))
            .on("develop")
            .write("Dockerfile", recipe)
            .write("app/say.sh", format!("echo {word}\n"))
            .write("app/test.sh", "#!/bin/sh\ntest \"$(sh /app/say.sh)\" = hello\n")
            .write("ci/unit-tests.yml", "platform: linux\nrun: {path: /app/test.sh}\n")
            .commit();
        self.github.set_ref("develop", &hash);
        hash
    }

    /// The digest of an image in the registry, as another program sees it.
    pub(crate) fn digest(&self, path: &str, tag: &str) -> String {
        let image = format!("docker://{}:{tag}", self.registry.repository(path));
        let login = format!("_json_key:{KEY}");
        let mut command = std::process::Command::new("skopeo");
        command.args(["inspect", "--tls-verify=false", "--creds", &login, "--format", "{{.Digest}}", &image]);
        jetway_tests::registry::run(&mut command).trim().to_owned()
    }

    /// The states of a commit's statuses, newest first: `unit-tests success`.
    pub(crate) fn statuses(&self, hash: &str) -> Vec<String> {
        let word = |status: &Value| {
            [&status["context"], &status["state"]].map(|value| value.as_str().unwrap().to_owned()).join(" ")
        };
        self.github.statuses(hash).iter().map(word).collect()
    }
}
