//! Installs a post-renderer. helm 3 accepts the path of a program. helm 4 accepts only plugins, so the program is
//! wrapped in a plugin.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Result};
use serde_json::json;

use super::Chart;
use crate::target::Target;
use crate::yaml;

/// The name of the plugin.
const PLUGIN: &str = "jetway-post-renderer";

/// Installs the program for helm, and returns the value of `--post-renderer`.
pub(crate) async fn install(target: &Target<'_>, chart: &Chart, program: &str) -> Result<String> {
    let path = find(target, chart, program)?;
    if target.helm.major().await? < 4 {
        return Ok(path.display().to_string());
    }
    let plugin = json!({
        "apiVersion": "v1", "type": "postrenderer/v1", "name": PLUGIN, "version": "1.0.0", "runtime": "subprocess",
        "runtimeConfig": { "platformCommand": [{ "command": "$HELM_PLUGIN_DIR/run" }] },
    });
    let directory = target.helm.plugin_directory(PLUGIN)?;
    let write = |name: &str, text: String| -> Result<()> {
        let file = directory.join(name);
        fs::write(&file, text)
            .and_then(|()| fs::set_permissions(&file, Permissions::from_mode(0o700)))
            .with_context(|| format!("cannot write `{}`", file.display()))
    };
    write("plugin.yaml", yaml::document(&plugin))?;
    // A link, so that the program finds the other files in its directory.
    match std::os::unix::fs::symlink(&path, directory.join("run")) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("cannot link `{}`", path.display()))?;
        }
        _ => {}
    }
    Ok(PLUGIN.to_owned())
}

/// Finds the program in the chart's directory, as the established resource does, or else in the inputs.
fn find(target: &Target<'_>, chart: &Chart, program: &str) -> Result<PathBuf> {
    let beside = match chart {
        Chart::Directory(directory) => target.inputs.resolve(&directory.join(program))?,
        _ => None,
    };
    let found = match beside {
        Some(path) => Some(path),
        None => target.inputs.find(program)?,
    };
    let is_program = |path: &Path| {
        fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    let error = match found {
        Some(path) if is_program(&path) => return Ok(path),
        Some(_) => anyhow!("the post-renderer `{program}` is not an executable file")
            .hint("`chmod +x` makes a script executable"),
        None => anyhow!("there is no post-renderer `{program}` in the chart or in the inputs"),
    };
    Err(error)
}
