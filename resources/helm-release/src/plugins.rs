//! Plugins of helm, installed by helm into the private directory before anything else is asked of it.

use jetway::http::Url;
use jetway::{Advise as _, Problems, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::given;
use crate::target::Target;

/// A plugin of helm.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Plugin {
    /// Its address, or a directory in the inputs.
    pub url: String,
    /// Its version.
    pub version: Option<String>,
    /// Whether helm 4 verifies the signature of an archive, as it does by itself.
    pub verify: Option<bool>,
}

impl Plugin {
    /// Notes what is wrong with the plugin of that number.
    pub(crate) fn rules(&self, index: usize, problems: &mut Problems) {
        let key = format!("plugins[{index}].url");
        let url = self.url.trim();
        if url.is_empty() {
            problems.add(key, "must not be empty");
        } else if url.starts_with('-') {
            problems.add(key, "must not begin with `-`");
        } else if has_password(url) {
            problems.add(key, "must not hold a password: helm is told it in an argument, which every process can read");
        }
    }
}

/// Whether a password stands in an address.
pub(crate) fn has_password(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.password().is_some())
}

/// Installs the plugins of the source.
pub(crate) async fn install(target: &Target<'_>) -> Result<()> {
    let Target { context, source, inputs, helm, .. } = target;
    for plugin in &source.plugins {
        let (url, version) = (plugin.url.trim(), given(plugin.version.as_ref()));
        context.console().step(format_args!("installing the plugin `{url}`"));
        let is_elsewhere = url.contains("://") || version.is_some();
        let directory = if is_elsewhere { None } else { inputs.find(url)?.filter(|path| path.is_dir()) };
        let mut command = helm.command("plugin").arg("install");
        if let Some(version) = version {
            command = command.arg(format!("--version={version}"));
        }
        if let Some(verify) = plugin.verify
            && helm.major().await? >= 4
        {
            command = command.arg(format!("--verify={verify}"));
        }
        let command = match directory {
            Some(path) => command.arg("--").arg(path),
            None => command.arg("--").arg(url),
        };
        command.relay_stdout().run().await?.success().hint(
            "a plugin is a directory in the inputs, an archive (`https://....tar.gz`), or a repository, which takes git",
        )?;
    }
    Ok(())
}
