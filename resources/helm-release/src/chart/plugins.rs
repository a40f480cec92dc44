//! Installs plugins of helm into the private directory, before any other command of helm runs.

use jetway::{Advise as _, Result, trimmed};

use crate::target::Target;

/// Installs the plugins of the source.
pub(crate) async fn install(target: &Target<'_>) -> Result<()> {
    let Target { context, source, inputs, helm, .. } = target;
    for plugin in &source.plugins {
        let (url, version) = (plugin.url.trim(), trimmed(plugin.version.as_ref()));
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
            "a plugin is a directory in the inputs, an archive (`https://....tar.gz`), or a git repository, \
             which needs the git program",
        )?;
    }
    Ok(())
}
