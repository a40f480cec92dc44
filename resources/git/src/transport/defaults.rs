//! The settings that git has here where neither the machine, the user, the repository nor the pipeline says anything else.
//!
//! They are written into a file that takes the place of the system's configuration, the weakest one, and that includes the
//! system's own. So a verb does the same in the image, in a script and on anybody's machine.

use std::fmt::Write as _;
use std::path::PathBuf;

use jetway::{Context, Result};

/// The private file.
const FILE: &str = "system_config";

/// The sections of git-config(1). Pipelines written for the established resource rely on each of these.
const DEFAULTS: &str = "\
# A put that rebases or merges makes commits; without an identity git would refuse to.
[user]
	name = git
	email = git@localhost
[pull]
	rebase = false
# Submodules and remotes in a directory of the same task are ordinary here.
[protocol \"file\"]
	allow = always
[http]
	version = HTTP/2
# Inputs come from other containers, and so from other users as this one numbers them.
[safe]
	directory = *
";

/// Writes the file; returns the value of `GIT_CONFIG_SYSTEM` for children.
pub(crate) fn install(context: &Context) -> Result<PathBuf> {
    let own = context.variable("GIT_CONFIG_SYSTEM").map(PathBuf::from);
    let own = own.or_else(|| git2::Config::find_system().ok());
    let mut text = DEFAULTS.to_owned();
    // Whoever does without the system's configuration does so here, too.
    if let Some(own) = own.filter(|_| context.variable("GIT_CONFIG_NOSYSTEM").is_none_or(|value| is_false(&value))) {
        let path = own.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
        // Writing to a string cannot fail.
        let _ = write!(text, "[include]\n\tpath = \"{path}\"\n");
    }
    context.private_directory().write(FILE, text.as_bytes())
}

/// Whether git reads a variable's value as false.
fn is_false(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
}
