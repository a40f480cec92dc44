//! The environment of the delivery pipelines (`tests/pipelines`): all systems except Concourse.

use std::path::Path;

use crate::engine::{self, BASE};
use crate::github::{self, GitHub};
use crate::jira::{self, Edition, Jira};
use crate::kubernetes::{Helm, Namespace, cluster};
use crate::layer::{self, Layer};
use crate::nginx_git::{Authority, NginxGit};
use crate::registry::{Manner, Registry};
use crate::repository::Repository;
use crate::slack::{BOT, Message, SlackApi, Webhook};
use crate::ssh_git::SshGit;
use crate::worker::Worker;
use serde_json::{Value, json};

/// A service account's key, which Google's registries accept as a password.
const KEY: &str = r#"{"type": "service_account", "private_key_id": "0f1e2d3c4b5a"}"#;

/// The login of the web server that serves the charts.
const CHARTS_USER: (&str, &str) = ("ci-charts", "correct horse battery staple");

/// The application's chart.
const CHART: [(&str, &str); 4] = [
    ("app/Chart.yaml", include_str!("../pipelines/chart/Chart.yaml")),
    ("app/values.yaml", include_str!("../pipelines/chart/values.yaml")),
    ("app/templates/deployment.yaml", include_str!("../pipelines/chart/templates/deployment.yaml")),
    ("app/templates/test.yaml", include_str!("../pipelines/chart/templates/test.yaml")),
];

/// The types that the worker has cached already. Their images are large, and the small ones are enough to test fetching.
const FETCHED: [&str; 3] = ["git", "docker-image", "helm-release"];

/// The types that are fetched from the registry, and the worker's base types.
const OTHERS: [&str; 5] = ["github-pr", "github-status", "jira", "slack", "registry-image"];

/// All systems that the pipelines talk to.
pub struct World {
    /// The application's repository.
    pub code: Repository,
    ssh: SshGit,
    registry: Registry,
    /// The statuses of commits, and the deployments to production.
    pub github: GitHub,
    /// The tickets.
    pub jira: Jira,
    /// The messages of the bot of `delivery.yml`.
    pub slack: SlackApi,
    /// The messages of the webhook of `legacy.yml`.
    pub webhook: Webhook,
    /// The staging namespace.
    pub staging: Namespace,
    /// The production namespace.
    pub production: Namespace,
    charts: Repository,
    web: NginxGit,
    /// The application's repository over https, with the token as the password.
    code_web: NginxGit,
    /// Only the worker trusts this CA.
    web_authority: Authority,
    /// The time limit of a deploy, in seconds.
    pub deploy_timeout: u64,
}

impl World {
    /// Starts all servers, with only the inputs of the build; `None` if they are not available here.
    pub fn start() -> Option<Self> {
        let images = FETCHED.iter().chain(&OTHERS).all(|kind| layer::require(Layer::Image(kind)));
        let servers = [Layer::Ssh, Layer::WebServer, Layer::Program("skopeo")];
        if !images || !engine::require() || !servers.into_iter().all(layer::require) {
            return None;
        }
        let cluster = cluster()?;
        let address = engine::bridge_address();
        let registry = Registry::with(&Manner {
            htpasswd: true,
            login: Some(("_json_key", KEY)),
            tls: true,
            address: Some(&address),
            ..Manner::default()
        });
        let (code, charts, web_authority) = (Repository::named("app"), Repository::named("charts"), Authority::new());
        let world = Self {
            code_web: NginxGit::start(code.root(), &web_authority, ("x-access-token", github::TOKEN), ""),
            code,
            ssh: SshGit::start(),
            registry,
            github: GitHub::start_tls(),
            jira: Jira::start_tls(Edition::Cloud),
            slack: SlackApi::start(),
            webhook: Webhook::start(),
            staging: cluster.namespace(),
            production: cluster.namespace(),
            web: NginxGit::start(charts.root(), &web_authority, CHARTS_USER, ""),
            charts,
            web_authority,
            deploy_timeout: 40,
        };
        world.charts.commit("A chart", &CHART);
        let of_types = ["github-pr", "github-status", "jira", "slack"]
            .map(|kind| (format!("jetway-{kind}"), layer::image_name(kind)));
        let registry = &world.registry;
        std::thread::scope(|scope| {
            scope.spawn(|| push_from_engine(registry, "base", BASE));
            for (path, image) in &of_types {
                scope.spawn(|| push_from_engine(registry, path, image));
            }
        });
        Some(world)
    }

    /// A worker for a pipeline of `tests/pipelines`.
    pub fn worker(&self, pipeline: &str) -> Worker {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(pipeline);
        let authorities =
            [self.registry.authority(), self.github.authority(), self.jira.authority(), &self.web_authority.pem];
        let worker = Worker::new(&file, self.vars(), &authorities);
        FETCHED
            .iter()
            .fold(worker, |worker, kind| worker.with_image(&self.registry.repository(&format!("jetway-{kind}")), kind))
    }

    fn vars(&self) -> Value {
        json!({
            "code": {
                "uri": self.ssh.url(self.code.path()), "deploy_key": self.ssh.deploy_key().private,
                "known_hosts": self.ssh.known_hosts(), "web": self.code_web.url(self.code.name()),
            },
            "charts": {
                "uri": self.web.url(self.charts.name()), "username": CHARTS_USER.0, "password": CHARTS_USER.1,
            },
            "cluster": {
                "kubeconfig": self.staging.cluster().kubeconfig(),
                "url": self.staging.cluster().url(),
                "authority": self.staging.cluster().authority(),
                "token": self.deployer(),
                "staging": self.staging.name(), "production": self.production.name(),
            },
            "deploy": { "timeout": self.deploy_timeout.to_string(), "pause": "100ms" },
            "registry": { "host": self.registry.host(), "key": KEY },
            "github": {
                "repository": github::REPOSITORY, "token": github::TOKEN, "endpoint": self.github.url(), "deciders": ["grace"],
            },
            "jira": {
                "url": self.jira.url(), "email": jira::EMAIL, "api_token": jira::API_TOKEN, "project": jira::PROJECT,
            },
            "slack": { "token": BOT, "api_url": self.slack.url(), "webhook": self.webhook.url() },
        })
    }

    /// A token with all permissions in staging.
    fn deployer(&self) -> String {
        let account = format!("--serviceaccount={}:deployer", self.staging.name());
        self.staging.kubectl(&["create", "serviceaccount", "deployer"]);
        self.staging.kubectl(&["create", "rolebinding", "deployer", "--clusterrole=cluster-admin", &account]);
        self.staging.kubectl(&["create", "token", "deployer"]).trim().to_owned()
    }

    /// Pushes a commit to `develop`: the application prints `word`, and its tests expect `hello`.
    pub fn push(&self, word: &str) -> String {
        self.push_for_staging(word, "")
    }

    /// Pushes a commit that also sets the values of staging, which runs two pods.
    pub fn push_for_staging(&self, word: &str, values: &str) -> String {
        let recipe = format!("FROM {}\nCOPY app /app\nRUN chmod 0755 /app/test.sh\n", self.registry.repository("base"));
        let hash = self
            .code
            .change(&format!("Say {word}"))
            .on("develop")
            .write("Dockerfile", recipe)
            .write("app/say.sh", format!("echo {word}\n"))
            .write("app/test.sh", "#!/bin/sh\ntest \"$(sh /app/say.sh)\" = hello\n")
            .write("ci/unit-tests.yml", "platform: linux\nrun: {path: /app/test.sh}\n")
            .write("deploy/staging.yaml", format!("replicas: 2\n{values}"))
            .write("deploy/production.yaml", "replicas: 3\n")
            .commit();
        self.github.set_ref("develop", &hash);
        hash
    }

    /// Pushes a commit on top of `develop` to a pull request, which is opened if there is none.
    pub fn push_to_pull_request(&self, number: u64, word: &str) -> String {
        let change = self.code.change(&format!("Say {word}")).on("temporary").from("develop");
        let hash = change.write("app/say.sh", format!("echo {word}\n")).commit();
        self.code.git(&["update-ref", &format!("refs/pull/{number}/head"), &hash]);
        self.code.delete_branch("temporary");
        let mut pull = github::PullRequest::new(number, &hash);
        "develop".clone_into(&mut pull.base);
        self.github.put_pull(pull);
        hash
    }

    /// The images of the application's ready pods.
    pub fn running(namespace: &Namespace) -> Vec<String> {
        let pods =
            namespace.kubectl_json(&["get", "pods", "--selector=app.kubernetes.io/instance=app", "--output=json"]);
        let ready = |pod: &&Value| {
            let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
            pod["metadata"]["deletionTimestamp"].is_null()
                && conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
        };
        let image = |pod: &Value| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
        pods["items"].as_array().unwrap().iter().filter(ready).map(image).collect()
    }

    /// The reference of the application's image with this digest.
    pub fn application(&self, digest: &Value) -> String {
        format!("{}@{}", self.registry.repository("team/app"), digest.as_str().unwrap())
    }

    /// The statuses of the revisions in a namespace, oldest first; empty if nothing was deployed.
    pub fn revisions(namespace: &Namespace) -> Vec<String> {
        let output = namespace.try_helm(Helm::Four, &["history", "app", "--output=json"]);
        let all = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
        all.as_array().into_iter().flatten().map(|one| one["status"].as_str().unwrap().to_owned()).collect()
    }

    /// The commits that were deployed to production, with the statuses of each deployment, oldest first.
    pub fn deployments(&self) -> Vec<(String, Vec<String>)> {
        let words = |deployment: &Value| {
            let statuses = deployment["statuses"].as_array().unwrap().iter();
            statuses.map(|status| status["state"].as_str().unwrap().to_owned()).collect()
        };
        let all = self.github.deployments();
        all.iter().map(|one| (one["sha"].as_str().unwrap().to_owned(), words(one))).collect()
    }

    /// The tickets with their statuses, oldest first: `OPS-1 Done`.
    pub fn tickets(&self) -> Vec<String> {
        self.jira.keys().iter().map(|key| format!("{key} {}", self.jira.status(key))).collect()
    }

    /// The texts of Slack's messages with their reactions; replies are indented.
    pub fn heard(&self) -> Vec<String> {
        let line = |message: Message| {
            let indent = if message.body.contains_key("thread_ts") { "  " } else { "" };
            let text = format!("{indent}{}", message.body["text"].as_str().unwrap().trim_end());
            message.reactions.iter().fold(text, |text, emoji| format!("{text} :{emoji}:"))
        };
        self.slack.messages().into_iter().map(line).collect()
    }

    /// The head commit of the charts' repository.
    pub fn tip_of_charts(&self) -> String {
        self.charts.tip("main")
    }

    /// The users that fetched the charts, one per successful request.
    pub fn readers_of_charts(&self) -> Vec<String> {
        let user = |line: String| {
            let mut words = line.split(' ');
            (words.next() == Some("200")).then(|| words.next().unwrap_or_default().to_owned())
        };
        self.web.requests().into_iter().filter_map(user).collect()
    }

    /// Whether the text contains a secret of the pipelines.
    pub fn betrays(text: &str) -> bool {
        ["0f1e2d3c4b5a", "PRIVATE KEY", CHARTS_USER.1, jira::API_TOKEN].iter().any(|secret| text.contains(secret))
    }

    /// The digest of an image in the registry, read with another program.
    pub fn digest(&self, path: &str, tag: &str) -> String {
        let image = format!("docker://{}:{tag}", self.registry.repository(path));
        let login = format!("_json_key:{KEY}");
        let mut command = std::process::Command::new("skopeo");
        command.args(["inspect", "--tls-verify=false", "--creds", &login, "--format", "{{.Digest}}", &image]);
        crate::registry::run(&mut command).trim().to_owned()
    }

    /// The states of a commit's statuses, newest first: `unit-tests success`.
    pub fn statuses(&self, hash: &str) -> Vec<String> {
        let word = |status: &Value| {
            [&status["context"], &status["state"]].map(|value| value.as_str().unwrap().to_owned()).join(" ")
        };
        self.github.statuses(hash).iter().map(word).collect()
    }
}

/// Copies an image of this machine's engine to the registry.
fn push_from_engine(registry: &Registry, path: &str, image: &str) {
    let login = format!("_json_key:{KEY}");
    registry.copy(&format!("docker-daemon:{image}"), &format!("{path}:latest"), &["--dest-creds", &login]);
}
