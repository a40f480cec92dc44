//! Lists tags, and limits concurrent requests.

use anyhow::anyhow;
use jetway::{Advise as _, Result};

use crate::registry::Registry;

/// How many requests run concurrently: enough to hide latency, few enough to spare the server.
pub(super) const AT_ONCE: usize = 8;

/// The repository's tags.
pub(super) async fn tags_of(registry: &Registry<'_>) -> Result<Vec<String>> {
    let repository = registry.repository();
    registry.tags().await?.ok_or_else(|| {
        anyhow!("`{}` has no repository `{}`", repository.registry(), repository.path())
            .hint("the registry may also hide a repository that these credentials cannot read")
    })
}
