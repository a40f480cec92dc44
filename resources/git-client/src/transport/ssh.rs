//! The companion that git runs instead of ssh. It runs ssh with a configuration and a key.
//!
//! git runs `GIT_SSH_COMMAND` without a shell only if it is a plain path without arguments. So the companion adds the
//! arguments. It finds the destination in git's arguments, and chooses the key for it.

mod destination;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow};
use jetway::{Companion, CompanionCall, CompanionOutcome, Context, Result};
use serde::{Deserialize, Serialize};

use self::destination::Destination;
use crate::access::Access;
use crate::source::address::Address;
use crate::source::remote::Remote;
use crate::source::ssh_command;
use crate::source::submodule_credentials::SSH_PORT;
use crate::transport::agent::Agent;
use crate::transport::keys::{Key, Keys};
use crate::transport::tunnel;

/// Replaces itself with `ssh -F CONFIG ...`.
pub(crate) const COMPANION: Companion = Companion { name: "jetway-ssh", run: become_ssh };

/// The private file with the ssh configuration for all connections.
const SSH_CONFIG: &str = "ssh_config";

/// The private file with the companion's configuration, in its directory.
const CONFIG_FILE: &str = "ssh.json";

/// The companion's configuration.
#[derive(Debug, Serialize, Deserialize)]
struct SshConfig {
    configuration: PathBuf,
    /// The default identity.
    identity: Identity,
    /// The identities of submodules with their own keys, by the submodule's address.
    others: Vec<(String, Identity)>,
    forward: Option<Forward>,
    /// The tunnel companion, if the source has an `https_tunnel`.
    tunnel: Option<PathBuf>,
    /// The parsed `core.sshCommand` of the source. Its options take precedence.
    command: Vec<String>,
}

/// The key and the user for a server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Identity {
    /// The key file. If `None`, ssh uses its default keys and agent.
    key: Option<PathBuf>,
    /// The user, if the address has none.
    user: Option<String>,
}

/// The host that an ssh agent is forwarded to. If `socket` is `None`, it is the agent of `SSH_AUTH_SOCK`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Forward {
    host: String,
    port: u16,
    socket: Option<PathBuf>,
}

/// The paths of the installed ssh companions.
#[derive(Debug)]
pub(crate) struct Ssh {
    /// For the repository, and for submodules without their own keys.
    pub(crate) repository: PathBuf,
    /// For submodules with their own keys, and for the submodules in them, by their `url` in `.gitmodules`.
    submodules: Vec<(String, PathBuf)>,
}

impl Ssh {
    /// The companion for the submodule with this `url` in `.gitmodules`, if it has its own key.
    pub(crate) fn for_submodule(&self, url: &str) -> Option<&Path> {
        self.submodules.iter().find(|(known, _)| known == url).map(|(_, companion)| companion.as_path())
    }
}

/// Installs the companions; `None` if the source does not configure ssh, which then uses the machine's configuration.
pub(crate) fn install(
    context: &Context,
    access: &Access,
    remote: &Remote,
    keys: &Keys,
    agent: Option<&Agent>,
) -> Result<Option<Ssh>> {
    let tunnel = tunnel::install(context, access)?;
    let is_unconfigured =
        keys.all().next().is_none() && access.known_hosts().is_none() && tunnel.is_none() && !access.forward_agent;
    if is_unconfigured {
        return Ok(None);
    }
    let private = context.private_directory();
    let configuration = private.write(SSH_CONFIG, configuration(context, access)?.as_bytes())?;
    let identity = |key: &Key| Identity { key: Some(key.file.clone()), user: key.user.clone() };
    let mut config = SshConfig {
        configuration,
        identity: match &keys.main {
            Some(key) => identity(key),
            None => Identity { key: None, user: access.private_key_user.clone() },
        },
        others: keys.submodules.iter().map(|(url, key)| (url.clone(), identity(key))).collect(),
        forward: access.forward_agent.then(|| forward(remote, agent)).flatten(),
        tunnel,
        command: match ssh_command::of_settings(&access.git_config) {
            Some((_, command)) => command.map_err(|problem| anyhow!("`core.sshCommand` in `git_config` {problem}"))?,
            None => vec!["ssh".to_owned()],
        },
    };
    let write = |directory: &Path, config: &SshConfig| {
        private.write(directory.join(CONFIG_FILE), serde_json::to_string(config)?.as_bytes())
    };
    write(&private.path()?, &config)?;
    let repository = COMPANION.install(private)?;
    let mut submodules = Vec::new();
    for (index, (url, key)) in keys.submodules.iter().enumerate() {
        let name = format!("submodule-{index}");
        config.identity = identity(key);
        write(&private.directory(&name)?, &config)?;
        submodules.push((url.clone(), COMPANION.install_in(private, &name)?));
    }
    Ok(Some(Ssh { repository, submodules }))
}

/// The text of the ssh configuration: host key verification and timeouts.
fn configuration(context: &Context, access: &Access) -> Result<String> {
    let mut text = match access.known_hosts() {
        Some(lines) => {
            let file = context.private_directory().write("known_hosts", lines.as_bytes())?;
            format!(
                "StrictHostKeyChecking yes\nUserKnownHostsFile \"{}\"\nGlobalKnownHostsFile /dev/null\n\
                 UpdateHostKeys no\n",
                file.display().to_string().replace('%', "%%")
            )
        }
        None => "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n".to_owned(),
    };
    let _ = write!(
        text,
        "LogLevel ERROR\nConnectTimeout {}\nServerAliveInterval 15\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\n",
        access.network_timeout,
    );
    Ok(text)
}

/// Forwards the agent only to the host of `uri`, because root on a host with a forwarded agent can use its keys.
fn forward(remote: &Remote, agent: Option<&Agent>) -> Option<Forward> {
    let address = Address::parse(&remote.address).filter(Address::is_ssh)?;
    let socket = agent.map(|agent| agent.socket().to_owned());
    Some(Forward { host: address.host.to_owned(), port: address.port.unwrap_or(SSH_PORT), socket })
}

fn become_ssh(call: &CompanionCall) -> Result<CompanionOutcome> {
    let file = call.directory.join(CONFIG_FILE);
    // Fail if the file is missing: otherwise ssh would use the machine's keys.
    let config = std::fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let config: SshConfig = serde_json::from_slice(&config)?;
    let destination = Destination::of(&call.arguments);
    let (program, options) = config.command.split_first().ok_or_else(|| anyhow!("there is no program to run"))?;
    let mut ssh = Command::new(program);
    // If an option is given twice, ssh uses the first one.
    ssh.args(options).arg("-F").arg(&config.configuration);
    for option in config.options(destination.as_ref())? {
        ssh.arg("-o").arg(option);
    }
    ssh.args(call.arguments.iter().map(AsRef::<OsStr>::as_ref));
    // ssh runs `ProxyCommand` with this shell.
    ssh.env("SHELL", "/bin/sh");
    Ok(CompanionOutcome::Exec(ssh))
}

impl SshConfig {
    /// The options for one connection, in the format of `ssh -o`.
    fn options(&self, destination: Option<&Destination>) -> Result<Vec<OsString>> {
        let mut options: Vec<OsString> = Vec::new();
        let mut set = |name: &str, value: &OsStr| {
            let mut option = OsString::from(format!("{name}="));
            option.push(value);
            options.push(option);
        };
        let other = destination.and_then(|to| self.others.iter().find(|(url, _)| to.is_repository_at(url)));
        let identity = other.map_or(&self.identity, |(_, identity)| identity);
        let is_forwarded = |forward: &&Forward| {
            destination.is_some_and(|to| {
                forward.host.eq_ignore_ascii_case(&to.host) && forward.port == to.port.unwrap_or(SSH_PORT)
            })
        };
        let forward = self.forward.as_ref().filter(is_forwarded);
        if forward.is_some() {
            set("ForwardAgent", OsStr::new("yes"));
        }
        let socket = forward.and_then(|forward| forward.socket.as_deref());
        if let Some(key) = &identity.key {
            set("IdentityFile", &quoted(key));
            set("IdentitiesOnly", OsStr::new("yes"));
            if socket.is_none() {
                set("IdentityAgent", OsStr::new("none"));
            }
        }
        if let Some(socket) = socket {
            set("IdentityAgent", &quoted(socket));
        }
        // The option would override a user in the address.
        if let Some(user) = identity.user.as_ref().filter(|_| destination.is_some_and(|to| to.user.is_none())) {
            set("User", OsStr::new(user));
        }
        if let Some(tunnel) = &self.tunnel {
            let to = destination.ok_or_else(|| anyhow!("cannot find a host in the arguments of ssh"))?;
            set("ProxyCommand", OsStr::new(&tunnel::command(tunnel, &to.host, to.port.unwrap_or(SSH_PORT))?));
        }
        Ok(options)
    }
}

/// Quotes a path for an ssh option, and escapes `%`, which ssh would expand.
fn quoted(path: &Path) -> OsString {
    OsString::from(format!("\"{}\"", path.display().to_string().replace('%', "%%")))
}
