//! The engine's build options: limits, network, and use of the cache.

use jetway::trimmed;
use serde_json::json;

use crate::engine::Query;
use crate::params::put::PutParams;
use crate::params::steps::{Limit, Network};
use crate::source::size::bytes;

/// The options as a query. They were validated with the params.
pub(super) fn query(params: &PutParams) -> Query {
    let mut query = Query::new();
    let switches = [("nocache", params.no_cache), ("pull", params.pull), ("squash", params.squash)];
    query.extend(switches.into_iter().filter(|(_, is_on)| *is_on).map(|(key, _)| (key, "1".to_owned())));
    if let Some(network) = params.network {
        let network = match network {
            Network::Default => "default",
            Network::None => "none",
            Network::Host => "host",
        };
        query.push(("networkmode", network.to_owned()));
    }
    for (name, address) in &params.extra_hosts {
        query.push(("extrahosts", format!("{}:{}", name.trim(), address.trim())));
    }
    for (key, size) in [("shmsize", &params.shm_size), ("memory", &params.memory)] {
        if let Some(size) = trimmed(size.as_deref()).and_then(bytes) {
            query.push((key, size.to_string()));
        }
    }
    if !params.ulimits.is_empty() {
        let limit = |(name, limit): (&String, &Limit)| {
            let (soft, hard) = limit.range();
            json!({ "Name": name, "Soft": soft, "Hard": hard })
        };
        let limits: Vec<_> = params.ulimits.iter().map(limit).collect();
        query.push(("ulimits", json!(limits).to_string()));
    }
    query
}
