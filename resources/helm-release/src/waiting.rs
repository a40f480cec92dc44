//! What a put waits for: helm's strategies, and the established resource's plain seconds.

use std::time::Duration;

use jetway::{Advise as _, Problems, Result, anyhow};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::helm::Helm;
use crate::params::Params;

/// The longest plain wait, in seconds: an hour.
const LONGEST: u64 = 3600;

/// What is waited for after an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Wait {
    /// So many seconds.
    Seconds(u64),
    /// What helm makes of it.
    By(Strategy),
}

/// How helm finds out that everything is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// It does not.
    None,
    /// By looking again and again, as helm 3 does.
    Legacy,
    /// By following changes, custom resources included: helm 4's own way.
    Watcher,
}

impl Params {
    /// The strategy by which helm waits after an upgrade, `None` for its own; `Some(Strategy::None)` when it does not wait.
    pub(crate) fn strategy(&self) -> Option<Strategy> {
        let waits = self.check_is_ready || self.wait_for_jobs;
        self.given_strategy().or((!waits).then_some(Strategy::None))
    }

    /// The strategy that is given by its name.
    pub(crate) fn given_strategy(&self) -> Option<Strategy> {
        match self.wait {
            Some(Wait::By(strategy)) => Some(strategy),
            _ => None,
        }
    }

    /// Notes what is wrong with `wait`.
    pub(crate) fn waiting_rules(&self, problems: &mut Problems) {
        if matches!(self.wait, Some(Wait::Seconds(seconds)) if seconds > LONGEST) {
            problems.add("wait", format!("expected {LONGEST} seconds at most"));
        }
        if self.given_strategy() == Some(Strategy::None) && (self.check_is_ready || self.wait_for_jobs) {
            problems.add("wait", "`none` excludes `check_is_ready` and `wait_for_jobs`");
        }
    }

    /// The plain wait after an upgrade.
    pub(crate) fn pause(&self) -> Option<Duration> {
        match self.wait {
            Some(Wait::Seconds(seconds @ 1..)) => Some(Duration::from_secs(seconds)),
            _ => None,
        }
    }
}

/// The options for helm to wait by that strategy; `None` is its own one.
pub(crate) async fn options(helm: &Helm<'_>, strategy: Option<Strategy>) -> Result<Vec<&'static str>> {
    let word = match strategy {
        None => return Ok(vec!["--wait"]),
        Some(Strategy::None) => return Ok(Vec::new()),
        Some(Strategy::Legacy) => "--wait=legacy",
        Some(Strategy::Watcher) => "--wait=watcher",
    };
    match (helm.major().await?, strategy) {
        (4.., _) => Ok(vec![word]),
        (_, Some(Strategy::Legacy)) => Ok(vec!["--wait"]),
        (major, _) => Err(anyhow!("`wait: watcher` is nothing that helm {major} can do")
            .hint("helm 3 waits in one way, `legacy`; watching came with helm 4")),
    }
}
