//! Default git settings, which the machine, the user, the repository and the pipeline can override.
//!
//! They are written to a file that git reads instead of the system configuration, which has the lowest precedence. The
//! file includes the system configuration. So a verb behaves the same in the image and on any machine.

use std::fmt::Write as _;
use std::path::PathBuf;

use jetway::{Context, Result};

/// The private file with the defaults.
const FILE: &str = "system_config";

/// The defaults, in the format of git-config(1). Pipelines for the established resource rely on each of them.
const DEFAULTS: &str = "\
# A put that rebases or merges creates commits, for which git needs an identity.
[user]
	name = git
	email = git@localhost
[pull]
	rebase = false
# Tasks use submodules and remotes in local directories.
[protocol \"file\"]
	allow = always
[http]
	version = HTTP/2
# Inputs come from other containers, and may belong to other user ids.
[safe]
	directory = *
";

/// Writes the file; returns its path, the value of `GIT_CONFIG_SYSTEM` for child processes.
pub(crate) fn install(context: &Context) -> Result<PathBuf> {
    let own = context.variable("GIT_CONFIG_SYSTEM").map(PathBuf::from);
    let own = own.or_else(|| git2::Config::find_system().ok());
    let mut text = DEFAULTS.to_owned();
    // `GIT_CONFIG_NOSYSTEM` still disables the system configuration.
    if let Some(own) = own.filter(|_| context.variable("GIT_CONFIG_NOSYSTEM").is_none_or(|value| is_false(&value))) {
        let path = own.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
        // Writing to a string cannot fail.
        let _ = write!(text, "[include]\n\tpath = \"{path}\"\n");
    }
    context.private_directory().write(FILE, text.as_bytes())
}

/// Whether git treats the value of a variable as false.
fn is_false(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
}
