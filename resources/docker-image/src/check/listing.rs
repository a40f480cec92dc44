//! Asking a registry for its tags, and for much at once.

use anyhow::anyhow;
use jetway::{Advise as _, Result};

use crate::registry::Registry;

/// How many requests run at once: enough to hide the way to the server, few enough to be no burden to it.
pub(super) const AT_ONCE: usize = 8;

/// The repository's tags.
pub(super) async fn tags_of(registry: &Registry<'_>) -> Result<Vec<String>> {
    let repository = registry.repository();
    registry.tags().await?.ok_or_else(|| {
        anyhow!("`{}` knows no repository `{}`", repository.registry(), repository.path())
            .hint("a registry may also hide one that must not be read")
    })
}
