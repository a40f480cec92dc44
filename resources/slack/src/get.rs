//! get: the ids of a message, as files for later steps.

use std::path::Path;

use anyhow::Context as _;
use jetway::{Response, Result};

use crate::version::{CHANNEL, TS, Version};

/// Writes what the version says of its message, for `thread` and `update` of later puts. No request is made.
pub(crate) fn get(version: Option<Version>, destination: &Path) -> Result<Response<Version>> {
    // What the established resource answers when there is nothing to answer.
    let version = version.filter(|version| !version.is_empty()).unwrap_or_else(|| Version::of_time("none"));
    for (name, value) in [(CHANNEL, &version.channel), (TS, &version.ts)] {
        if let Some(value) = value {
            std::fs::write(destination.join(name), value).with_context(|| format!("cannot write the file `{name}`"))?;
        }
    }
    Ok(Response::new(version))
}
