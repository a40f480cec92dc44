//! The keys of a source that name a cluster of DigitalOcean.

use jetway::{Problems, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

/// A cluster of DigitalOcean.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DigitalOcean {
    /// The ID of the cluster.
    pub cluster_id: String,
    /// A token of DigitalOcean's API with read access to the cluster.
    pub access_token: Secret,
}

impl DigitalOcean {
    pub(crate) fn validate(&self, problems: &mut Problems) {
        let is_id =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_id(self.cluster_id.trim()) {
            problems.add("digitalocean.cluster_id", "expected an id: letters, digits and `-`");
        }
        if self.access_token.expose().trim().is_empty() {
            problems.add("digitalocean.access_token", "must not be empty");
        }
    }
}
