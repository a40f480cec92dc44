//! Servers, judges and clients that this project did not write: `counterparts/make.sh` builds them from Go modules and npm packages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The directory that holds a counterpart's program; waits for a build that is under way.
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

/// The program of a counterpart.
///
/// # Panics
/// When it was not built, which [`Layer::Counterpart`](crate::layer::Layer::Counterpart) tells beforehand.
pub fn program(name: &str) -> PathBuf {
    directory(name).unwrap_or_else(|reason| panic!("{reason}")).join(name)
}
