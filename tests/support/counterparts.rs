//! Third-party servers, clients and validators, which `counterparts/make.sh` builds from Go modules and npm packages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The directory with a counterpart's program. Waits for a build that is in progress.
pub fn directory(name: &str) -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("support/counterparts/make.sh");
    let waited = Command::new(script)
        .args(["wait", name])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("counterparts/make.sh: {error}"))?;
    if !waited.status.success() {
        return Err(String::from_utf8_lossy(&waited.stderr).trim().replace('\n', "; "));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&waited.stdout).trim()))
}

/// The path of a counterpart's program.
///
/// # Panics
/// If it was not built. Check [`Layer::Counterpart`](crate::layer::Layer::Counterpart) first.
pub fn program(name: &str) -> PathBuf {
    directory(name).unwrap_or_else(|reason| panic!("{reason}")).join(name)
}
