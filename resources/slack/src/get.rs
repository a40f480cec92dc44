//! get: writes the ids of a message to files for later steps.

use std::path::Path;

use anyhow::Context as _;
use jetway::{Response, Result};

use crate::version::{CHANNEL, TS, Version};

/// Writes the version's ids to files, for `thread` and `update` of later puts. It makes no request.
pub(crate) fn get(version: Option<Version>, destination: &Path) -> Result<Response<Version>> {
    // The established resource returns this version if it is given none.
    let version = version.filter(|version| !version.is_empty()).unwrap_or_else(|| Version::of_time("none"));
    for (name, value) in [(CHANNEL, &version.channel), (TS, &version.ts)] {
        if let Some(value) = value {
            std::fs::write(destination.join(name), value).with_context(|| format!("cannot write the file `{name}`"))?;
        }
    }
    Ok(Response::new(version))
}
