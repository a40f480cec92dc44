//! What a put waits for: helm's strategies, and the established resource's plain seconds.

use jetway::{Advise as _, Result, anyhow};

use crate::helm::Helm;
use crate::params::wait::Strategy;

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
