//! `params:` of a put, parsed and validated: plain data, which knows nothing of the modules that use it.

pub(crate) mod apply;
pub(crate) mod duration;
pub(crate) mod override_value;
pub(crate) mod recovery;
pub(crate) mod rollback;
pub(crate) mod test;
pub(crate) mod wait;

use std::time::Duration;

use jetway::{Parameters, Problems, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::kubeconfig::Kubeconfig;
use crate::source::plugin::holds_secret;
use crate::source::registry::PrivateRegistries;
use crate::source::text::{non_empty, non_empty_secret};
use apply::ServerSideApply;
use override_value::Override;
use recovery::Recovery;
use rollback::{Rollback, RollbackOnFailure};
use test::{Test, TestPlan};
use wait::{LONGEST_PAUSE, Strategy, Wait};

/// What to deploy.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key of the established resource")]
pub struct Params {
    /// The chart: a directory or a `.tgz` in the inputs, `REPOSITORY/CHART`, or an address, `oci://...` or `https://...`. A put
    /// that only tests or goes back needs none.
    pub chart: Option<String>,

    /// The release, in place of the source's: its name, or a file in the inputs with the name.
    pub release: Option<String>,

    /// The namespace, in place of the source's: its name, or a file in the inputs with the name.
    pub namespace: Option<String>,

    /// The version of a chart that comes from a repository or an address: itself, or a file in the inputs with it.
    pub version: Option<String>,

    /// Files of values in the inputs: one or several, separated by white space or as a list. Later ones win.
    #[serde(default)]
    pub values: ValueFiles,

    /// Leave out files of `values` that are not there.
    #[serde(default)]
    pub skip_missing_values: bool,

    /// Single values over those of the files. Later ones win.
    #[serde(default)]
    pub override_values: Vec<Override>,

    /// Make the namespace when it is not there.
    #[serde(default)]
    pub create_namespace: bool,

    /// Wait until everything that was deployed is ready.
    #[serde(default)]
    pub check_is_ready: bool,

    /// Wait until all jobs have ended, too.
    #[serde(default)]
    pub wait_for_jobs: bool,

    /// Have helm wait, and go back (or take a first release away) when it does not come up.
    #[serde(default)]
    pub atomic: bool,

    /// Remove the objects that an upgrade or rollback has created when it fails.
    #[serde(default)]
    pub cleanup_on_fail: bool,

    /// Begin with the values of the revision before, and put the new ones over them.
    #[serde(default)]
    pub reuse_values: bool,

    /// Forget the values of the revision before.
    #[serde(default)]
    pub reset_values: bool,

    /// Begin with the chart's own defaults, new ones included, put the values of the revision before over them, and the new
    /// values over those.
    #[serde(default)]
    pub reset_then_reuse_values: bool,

    /// Take the release away, with all that belongs to it. One that is not there is gone already.
    #[serde(default)]
    pub uninstall: bool,

    /// Take the release away before it is deployed anew, once a dry run of the deploy has gone well.
    #[serde(default)]
    pub replace: bool,

    /// With `uninstall`: take the namespace away, too, with everything that is in it.
    #[serde(default)]
    pub delete_namespace: bool,

    /// Change nothing, and show what helm would do: as `client` without asking the cluster for more than what is there, as `server`
    /// with its help.
    pub dry_run: Option<DryRun>,

    /// A dry run (`client`, unless `dry_run` says otherwise) in which helm says more, values included.
    #[serde(default)]
    pub debug: bool,

    /// Show first what would change, object by object, without what Secrets hold.
    #[serde(default)]
    pub show_diff: bool,

    /// How that is shown, in the words of helm's plugin `diff`: `--context N`, `--suppress KIND`, `--no-hooks`.
    pub diff_opts: Option<String>,

    /// Replace objects that cannot be changed (`--force`, which helm 4 calls `--force-replace`).
    #[serde(default)]
    pub force: bool,

    /// Let the chart win over fields that somebody else has changed in the cluster (`kubectl scale`, an autoscaler), in deploys and
    /// rollbacks; true when not given. With `false` such a conflict fails the put. Helm 4 only: with helm 3 the chart always wins.
    pub force_conflicts: Option<bool>,

    /// Whether helm 4 applies objects on the server. `auto`, its default, is as the revision before, and `true` for a new release.
    pub server_side_apply: Option<ServerSideApply>,

    /// Take over objects that are in the cluster but belong to no release, or to another one.
    #[serde(default)]
    pub take_ownership: bool,

    /// A program that changes what is deployed: in the chart's directory, or else in the inputs. Helm hands it the manifests.
    pub post_renderer: Option<String>,

    /// A whole kubeconfig, as text, for another cluster than the source's.
    pub kubeconfig: Option<Secret>,

    /// A file in the inputs with such a kubeconfig.
    pub kubeconfig_path: Option<String>,

    /// A file in the inputs with a token to log in to `cluster_url` of the source with, in place of the source's.
    pub token_path: Option<String>,

    /// Private registries of charts, besides those of the source: one, or a list.
    pub private_registry: Option<PrivateRegistries>,

    /// Take versions of charts that are still in development, too.
    #[serde(default)]
    pub devel: bool,

    /// How long helm waits for each single step: seconds, or a duration as helm writes it (`5m0s`), a day at most.
    #[serde(default = "timeout")]
    pub timeout: String,

    /// What to wait for: seconds after the upgrade, or how helm waits until everything is ready.
    pub wait: Option<Wait>,

    /// Test the release by its chart's tests, after the upgrade when there is a `chart`.
    #[schemars(extend("x-keeps-empty" = true))]
    pub test: Option<Test>,

    /// Show what the tests say; `test.logs` counts before it.
    pub test_logs: Option<bool>,

    /// Go back to the newest good revision when the upgrade or the tests fail. The put fails all the same.
    #[schemars(extend("x-keeps-empty" = true))]
    pub rollback_on_failure: Option<RollbackOnFailure>,

    /// Go back to a revision, and do nothing else.
    pub rollback: Option<Rollback>,

    /// Take over the lock of another operation whose record has not changed for a while (`true`: four times `timeout`, ten minutes
    /// at least). Without it no lock is ever taken over.
    pub recover_pending: Option<Recovery>,
}

/// Who takes part in a dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DryRun {
    /// Helm by itself.
    Client,
    /// The cluster, too: charts can look things up there, and it must know the kinds of the objects.
    Server,
}

/// Files of values.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ValueFiles {
    /// Separated by white space.
    Text(String),
    /// One by one.
    List(Vec<String>),
}

impl Default for ValueFiles {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl ValueFiles {
    /// The files, one by one.
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
    fn rules(&self, problems: &mut Problems) {
        let goes_back = self.rollback.as_ref().is_some_and(Rollback::is_wanted);
        match &self.chart {
            Some(_) if goes_back => problems.add("chart", "excludes `rollback`, which brings up an old revision"),
            Some(chart) if chart.trim().is_empty() => problems.add("chart", "must not be empty"),
            Some(chart) if chart.starts_with('-') => problems.add("chart", "must not begin with `-`"),
            Some(chart) if holds_secret(chart) => problems.add_with_hint(
                "chart",
                "must not hold a password or a token: helm is told it in an argument, which every process can read",
                "`repos` and `private_registry` in the source log in",
            ),
            None if !goes_back && !self.uninstall && self.test_plan().is_none() => {
                problems.add("chart", "required, but missing");
            }
            Some(_) | None => {}
        }
        self.removal_rules(goes_back, problems);
        self.deploy_rules(problems);
        for file in self.values.files() {
            problems.require_input("values", file);
        }
        for (key, path) in [("kubeconfig_path", &self.kubeconfig_path), ("token_path", &self.token_path)] {
            if let Some(path) = non_empty(path.as_ref()) {
                problems.require_input(key, path);
            }
        }
        if let Some(program) = non_empty(self.post_renderer.as_ref()) {
            problems.require_input("post_renderer", program);
        }
        if let Some(text) = non_empty_secret(self.kubeconfig.as_ref())
            && let Err(problem) = Kubeconfig::parse(text.expose())
        {
            problems.add("kubeconfig", problem);
        }
        if let Some(registries) = &self.private_registry {
            registries.rules(problems);
        }
        for (index, one) in self.override_values.iter().enumerate() {
            one.rules(index, problems);
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
            non_empty_secret(self.kubeconfig.as_ref()).map(|text| Kubeconfig::parse(text.expose()))
        {
            secrets.extend(kubeconfig.secrets());
        }
        secrets
    }
}

impl Params {
    /// The tests to run, if any.
    pub(crate) fn test_plan(&self) -> Option<TestPlan> {
        self.test.as_ref()?.plan(self.step_timeout(), self.test_logs)
    }

    /// How long each step may take.
    pub(crate) fn step_timeout(&self) -> Duration {
        duration::parse(&self.timeout).unwrap_or(DEFAULT_TIMEOUT)
    }

    /// Who takes part in a dry run, when it is to be one.
    pub(crate) fn dry(&self) -> Option<DryRun> {
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

    fn waiting_rules(&self, problems: &mut Problems) {
        if matches!(self.wait, Some(Wait::Seconds(seconds)) if seconds > LONGEST_PAUSE) {
            problems.add("wait", format!("expected {LONGEST_PAUSE} seconds at most"));
        }
        if self.given_strategy() == Some(Strategy::None) && (self.check_is_ready || self.wait_for_jobs) {
            problems.add("wait", "`none` excludes `check_is_ready` and `wait_for_jobs`");
        }
    }

    fn removal_rules(&self, goes_back: bool, problems: &mut Problems) {
        for (key, is_given) in
            [("replace", self.replace), ("test", self.test_plan().is_some()), ("rollback", goes_back)]
        {
            if self.uninstall && is_given {
                problems.add(key, "excludes `uninstall`, after which nothing is there");
            }
        }
        if self.replace && self.chart.is_none() {
            problems.add("replace", "takes a `chart`, to be deployed in the place of what is there");
        }
        if self.delete_namespace && !self.uninstall {
            problems.add("delete_namespace", "takes `uninstall`: without it, the namespace would be deployed into");
        }
        if self.dry().is_some() && self.chart.is_none() && self.test_plan().is_some() {
            problems.add("test", "excludes a dry run without a `chart`: there is nothing to pretend, tests are run");
        }
        if self.dry().is_some() && goes_back {
            problems.add("rollback", "excludes a dry run: helm's says nothing of what would change");
        }
    }

    fn deploy_rules(&self, problems: &mut Problems) {
        self.waiting_rules(problems);
        if self.force && self.server_side_apply == Some(ServerSideApply::Wanted(true)) {
            problems.add("server_side_apply", "excludes `force`, by which helm replaces objects from the client");
        }
        if let Some(test) = &self.test {
            test.rules("test", problems);
        }
        if let Some(rules) = &self.rollback_on_failure {
            rules.rules(problems);
            if self.atomic && rules.is_wanted() {
                problems.add("rollback_on_failure", "excludes `atomic`, by which helm itself goes back");
            }
        }
        if let Some(recovery) = &self.recover_pending {
            recovery.rules(problems);
        }
    }
}
