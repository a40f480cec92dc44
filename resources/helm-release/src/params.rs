//! `params:` of a put, parsed and validated: plain data, which knows nothing of the modules that use it.

pub(crate) mod apply;
pub(crate) mod duration;
pub(crate) mod override_value;
pub(crate) mod recovery;
pub(crate) mod rollback;
pub(crate) mod test;
pub(crate) mod wait;

use std::time::Duration;

use jetway::{Parameters, Problems, Secret, trimmed};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::kubeconfig::Kubeconfig;
use crate::source::plugin::holds_secret;
use crate::source::registry::PrivateRegistries;
use apply::ServerSideApply;
use override_value::Override;
use recovery::Recovery;
use rollback::{Rollback, RollbackOnFailure};
use test::{Test, TestPlan};
use wait::{MAX_PAUSE, Strategy, Wait};

/// The chart, its values, and the options of the put.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key of the established resource")]
pub struct Params {
    /// The chart: a directory or a `.tgz` in the inputs, `REPOSITORY/CHART`, or an address, `oci://...` or `https://...`. Not
    /// required for a put that only tests, rolls back or uninstalls.
    pub chart: Option<String>,

    /// The release, which overrides the source's: its name, or a file in the inputs that contains the name.
    pub release: Option<String>,

    /// The namespace, which overrides the source's: its name, or a file in the inputs that contains the name.
    pub namespace: Option<String>,

    /// The version of a chart from a repository or an address: a version, or a file in the inputs that contains it.
    pub version: Option<String>,

    /// Values files in the inputs, separated by white space or as a list. Later files override earlier ones.
    #[serde(default)]
    pub values: ValueFiles,

    /// Skip files of `values` that do not exist.
    #[serde(default)]
    pub skip_missing_values: bool,

    /// Single values, which override those of the files. Later entries override earlier ones.
    #[serde(default)]
    pub override_values: Vec<Override>,

    /// Create the namespace if it does not exist.
    #[serde(default)]
    pub create_namespace: bool,

    /// Wait until all deployed objects are ready.
    #[serde(default)]
    pub check_is_ready: bool,

    /// Also wait until all jobs have completed.
    #[serde(default)]
    pub wait_for_jobs: bool,

    /// Let helm wait, and roll back (or uninstall a first revision) if the deploy fails.
    #[serde(default)]
    pub atomic: bool,

    /// Delete the objects that a failed upgrade or rollback has created.
    #[serde(default)]
    pub cleanup_on_fail: bool,

    /// Reuse the values of the latest revision, and merge the new values over them.
    #[serde(default)]
    pub reuse_values: bool,

    /// Discard the values of the latest revision.
    #[serde(default)]
    pub reset_values: bool,

    /// Start from the chart's own defaults, merge the values of the latest revision over them, and then the new values.
    #[serde(default)]
    pub reset_then_reuse_values: bool,

    /// Uninstall the release. It is no error if the release does not exist.
    #[serde(default)]
    pub uninstall: bool,

    /// Uninstall the release before the deploy, if a dry run of the deploy succeeds.
    #[serde(default)]
    pub replace: bool,

    /// With `uninstall`: also delete the namespace and everything in it.
    #[serde(default)]
    pub delete_namespace: bool,

    /// Change nothing, and show what helm would do: `client` renders on the client, `server` also asks the cluster.
    pub dry_run: Option<DryRun>,

    /// Run a dry run (`client`, unless `dry_run` says otherwise) with helm's debug output, which includes values.
    #[serde(default)]
    pub debug: bool,

    /// First show the changes of the deploy, object by object. Values in Secrets are masked.
    #[serde(default)]
    pub show_diff: bool,

    /// The options of `show_diff`, as in helm's plugin `diff`: `--context N`, `--suppress KIND`, `--no-hooks`.
    pub diff_opts: Option<String>,

    /// Replace objects that cannot be updated (`--force`, which helm 4 calls `--force-replace`).
    #[serde(default)]
    pub force: bool,

    /// Let the chart override fields that another client has changed in the cluster (`kubectl scale`, an autoscaler), in deploys
    /// and rollbacks. The default is true; with `false` such a conflict fails the put. helm 4 only: with helm 3 the chart always
    /// wins.
    pub force_conflicts: Option<bool>,

    /// Whether helm 4 applies objects on the server. The default, `auto`, keeps the method of the latest revision, and is `true`
    /// for a new release.
    pub server_side_apply: Option<ServerSideApply>,

    /// Take ownership of existing objects that belong to no release, or to another one.
    #[serde(default)]
    pub take_ownership: bool,

    /// A program that changes the rendered manifests: a path in the chart's directory, or else in the inputs.
    pub post_renderer: Option<String>,

    /// The text of a kubeconfig, which overrides the source's cluster.
    pub kubeconfig: Option<Secret>,

    /// A file in the inputs with a kubeconfig, which overrides the source's cluster.
    pub kubeconfig_path: Option<String>,

    /// A file in the inputs with a token for `cluster_url` of the source, which overrides the source's.
    pub token_path: Option<String>,

    /// Private registries of charts, in addition to those of the source: one, or a list.
    pub private_registry: Option<PrivateRegistries>,

    /// Also use development versions of charts.
    #[serde(default)]
    pub devel: bool,

    /// The timeout of each step of helm: seconds, or a duration as helm writes it (`5m0s`), at most a day.
    #[serde(default = "timeout")]
    pub timeout: String,

    /// What to wait for after the upgrade: a number of seconds, or helm's strategy until everything is ready.
    pub wait: Option<Wait>,

    /// Run the chart's tests, after the upgrade if there is a `chart`.
    #[schemars(extend("x-keeps-empty" = true))]
    pub test: Option<Test>,

    /// Show the output of the tests; `test.logs` has precedence.
    pub test_logs: Option<bool>,

    /// Roll back to the latest good revision when the upgrade or the tests fail. The put still fails.
    #[schemars(extend("x-keeps-empty" = true))]
    pub rollback_on_failure: Option<RollbackOnFailure>,

    /// Only roll back to an earlier revision.
    pub rollback: Option<Rollback>,

    /// Take over the lock of another operation when its record has not changed for some time (`true`: four times `timeout`, at
    /// least ten minutes). By default no lock is taken over.
    pub recover_pending: Option<Recovery>,
}

/// Whether a dry run asks the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DryRun {
    /// helm only, without the cluster.
    Client,
    /// The cluster, too: charts can look up objects there, and it must have the kinds of all objects.
    Server,
}

/// Values files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ValueFiles {
    /// Paths, separated by white space.
    Text(String),
    /// A list of paths.
    List(Vec<String>),
}

impl Default for ValueFiles {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl ValueFiles {
    /// The paths.
    pub(crate) fn files(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text.split_whitespace().collect(),
            Self::List(list) => list.iter().flat_map(|text| text.split_whitespace()).collect(),
        }
    }
}

fn timeout() -> String {
    "5m0s".to_owned()
}

/// The duration of [`timeout`].
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);

impl Parameters for Params {
    fn validate(&self, problems: &mut Problems) {
        let rolls_back = self.rollback.as_ref().is_some_and(Rollback::is_wanted);
        match &self.chart {
            Some(_) if rolls_back => problems.add("chart", "excludes `rollback`, which deploys an old revision"),
            Some(chart) if chart.trim().is_empty() => problems.add("chart", "must not be empty"),
            Some(chart) if chart.starts_with('-') => problems.add("chart", "must not begin with `-`"),
            Some(chart) if holds_secret(chart) => problems.add_with_hint(
                "chart",
                "must not contain a password or a token: helm gets it as an argument, which every process can read",
                "`repos` and `private_registry` in the source log in",
            ),
            None if !rolls_back && !self.uninstall && self.test_plan().is_none() => {
                problems.add("chart", "required, but missing");
            }
            Some(_) | None => {}
        }
        self.validate_removal(rolls_back, problems);
        self.validate_deploy(problems);
        for file in self.values.files() {
            problems.require_input("values", file);
        }
        for (key, path) in [("kubeconfig_path", &self.kubeconfig_path), ("token_path", &self.token_path)] {
            if let Some(path) = trimmed(path.as_ref()) {
                problems.require_input(key, path);
            }
        }
        if let Some(program) = trimmed(self.post_renderer.as_ref()) {
            problems.require_input("post_renderer", program);
        }
        if let Some(text) = Secret::non_empty(self.kubeconfig.as_ref())
            && let Err(problem) = Kubeconfig::parse(text.expose())
        {
            problems.add("kubeconfig", problem);
        }
        if let Some(registries) = &self.private_registry {
            registries.validate(problems);
        }
        for (index, one) in self.override_values.iter().enumerate() {
            one.validate(index, problems);
        }
        let of_values = [
            ("reuse_values", self.reuse_values),
            ("reset_values", self.reset_values),
            ("reset_then_reuse_values", self.reset_then_reuse_values),
        ];
        let mut given = of_values.into_iter().filter_map(|(key, is_given)| is_given.then_some(key));
        if let Some(first) = given.next() {
            for other in given {
                problems.add(other, format!("excludes `{first}`"));
            }
        }
        if let Err(problem) = duration::parse(&self.timeout) {
            problems.add("timeout", problem);
        }
    }

    fn hidden_secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = self.override_values.iter().flat_map(Override::secrets).collect();
        if let Some(Ok(kubeconfig)) =
            Secret::non_empty(self.kubeconfig.as_ref()).map(|text| Kubeconfig::parse(text.expose()))
        {
            secrets.extend(kubeconfig.secrets());
        }
        secrets
    }
}

impl Params {
    /// The tests to run; `None` for no tests.
    pub(crate) fn test_plan(&self) -> Option<TestPlan> {
        self.test.as_ref()?.plan(self.step_timeout(), self.test_logs)
    }

    /// The timeout of each step of helm.
    pub(crate) fn step_timeout(&self) -> Duration {
        duration::parse(&self.timeout).unwrap_or(DEFAULT_TIMEOUT)
    }

    /// The kind of dry run; `None` for a real deploy.
    pub(crate) fn dry_run_kind(&self) -> Option<DryRun> {
        self.dry_run.or(self.debug.then_some(DryRun::Client))
    }

    /// The strategy by which helm waits after an upgrade: `None` for helm's default, `Some(Strategy::None)` if it does not wait.
    pub(crate) fn upgrade_strategy(&self) -> Option<Strategy> {
        let waits = self.check_is_ready || self.wait_for_jobs;
        self.given_strategy().or((!waits).then_some(Strategy::None))
    }

    /// The strategy that `wait` names.
    pub(crate) fn given_strategy(&self) -> Option<Strategy> {
        match self.wait {
            Some(Wait::By(strategy)) => Some(strategy),
            _ => None,
        }
    }

    /// The pause after an upgrade that `wait` gives in seconds.
    pub(crate) fn pause(&self) -> Option<Duration> {
        match self.wait {
            Some(Wait::Seconds(seconds @ 1..)) => Some(Duration::from_secs(seconds)),
            _ => None,
        }
    }

    fn validate_wait(&self, problems: &mut Problems) {
        if matches!(self.wait, Some(Wait::Seconds(seconds)) if seconds > MAX_PAUSE) {
            problems.add("wait", format!("expected {MAX_PAUSE} seconds at most"));
        }
        if self.given_strategy() == Some(Strategy::None) && (self.check_is_ready || self.wait_for_jobs) {
            problems.add("wait", "`none` excludes `check_is_ready` and `wait_for_jobs`");
        }
    }

    fn validate_removal(&self, rolls_back: bool, problems: &mut Problems) {
        for (key, is_given) in
            [("replace", self.replace), ("test", self.test_plan().is_some()), ("rollback", rolls_back)]
        {
            if self.uninstall && is_given {
                problems.add(key, "excludes `uninstall`, which removes the release");
            }
        }
        if self.replace && self.chart.is_none() {
            problems.add("replace", "requires `chart`, which replaces the release");
        }
        if self.delete_namespace && !self.uninstall {
            problems.add("delete_namespace", "requires `uninstall`");
        }
        if self.dry_run_kind().is_some() && self.chart.is_none() && self.test_plan().is_some() {
            problems.add("test", "excludes a dry run without a `chart`: helm has no dry run of tests");
        }
        if self.dry_run_kind().is_some() && rolls_back {
            problems.add("rollback", "excludes a dry run: helm's dry run of a rollback shows no changes");
        }
    }

    fn validate_deploy(&self, problems: &mut Problems) {
        self.validate_wait(problems);
        if self.force && self.server_side_apply == Some(ServerSideApply::Flag(true)) {
            problems.add("server_side_apply", "excludes `force`, with which helm replaces objects from the client");
        }
        if let Some(test) = &self.test {
            test.validate("test", problems);
        }
        if let Some(rules) = &self.rollback_on_failure {
            rules.validate(problems);
            if self.atomic && rules.is_wanted() {
                problems.add("rollback_on_failure", "excludes `atomic`, with which helm itself rolls back");
            }
        }
        if let Some(recovery) = &self.recover_pending {
            recovery.validate(problems);
        }
    }
}
