//! How helm waits until the objects are ready.

use jetway::{Advise as _, Result, anyhow};

use crate::helm::Helm;
use crate::params::wait::Strategy;

/// The options for a strategy; `None` is helm's default.
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
        (major, _) => Err(anyhow!("`wait: watcher` needs helm 4, and this is helm {major}")
            .hint("helm 3 supports `wait: legacy` only")),
    }
}
