//! The companion that git runs instead of ssh: ssh itself, with a configuration of our own.
//!
//! git can be told of another ssh by path (`GIT_SSH`), which it runs without a shell, but not of arguments for it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use jetway::{Companion, CompanionAnswer, CompanionCall, Context, Result};

use crate::private_key::normalised;
use crate::source::Source;

/// Becomes `ssh -F CONFIG ...`.
pub(crate) const COMPANION: Companion = Companion { name: "jetway-ssh", run: become_ssh };

const CONFIGURATION: &str = "ssh_config";
const KEY: &str = "private_key";

/// Installs the companion when there is a key; returns its path. Without one, ssh is left as the machine has it.
pub(crate) fn install(context: &Context, source: &Source) -> Result<Option<PathBuf>> {
    let Some(key) = source.private_key.as_ref().filter(|key| !key.is_empty()) else { return Ok(None) };
    let private = context.private_directory();
    let key = private.write(KEY, normalised(key.expose()).as_bytes())?;
    let mut configuration = format!(
        "IdentityFile \"{}\"\nIdentitiesOnly yes\nIdentityAgent none\nStrictHostKeyChecking no\n\
         UserKnownHostsFile /dev/null\nLogLevel ERROR\nConnectTimeout {}\nServerAliveInterval 15\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\n",
        key.display(),
        source.network_timeout,
    );
    if let Some(user) = source.private_key_user.as_deref().filter(|user| !user.is_empty()) {
        let _ = writeln!(configuration, "User \"{user}\"");
    }
    private.write(CONFIGURATION, configuration.as_bytes())?;
    COMPANION.install(private).map(Some)
}

fn become_ssh(call: &CompanionCall) -> Result<CompanionAnswer> {
    let configuration = call.directory.join(CONFIGURATION);
    // Without its configuration ssh would fall back to the machine's keys.
    std::fs::metadata(&configuration).with_context(|| format!("cannot find `{}`", configuration.display()))?;
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(configuration).args(call.arguments.iter().map(AsRef::<OsStr>::as_ref));
    Ok(CompanionAnswer::Become(ssh))
}
