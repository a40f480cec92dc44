//! The companion that git runs instead of ssh: ssh itself, with a configuration and an identity of our choice.
//!
//! git can be told of another ssh by path (`GIT_SSH_COMMAND`), which it runs without a shell, but not of arguments for
//! it. The companion reads from git's own arguments where the connection goes to, and so which key is for it.

mod destination;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow};
use jetway::{Companion, CompanionAnswer, CompanionCall, Context, Result};
use serde::{Deserialize, Serialize};

use self::destination::Destination;
use crate::source::Source;
use crate::source::address::Address;
use crate::source::remote::Remote;
use crate::source::ssh_command;
use crate::source::submodule_credentials::SSH_PORT;
use crate::transport::agent::Agent;
use crate::transport::keys::{Key, Keys};
use crate::transport::tunnel;

/// Becomes `ssh -F CONFIG ...`.
pub(crate) const COMPANION: Companion = Companion { name: "jetway-ssh", run: become_ssh };

/// What is the same for all connections.
const CONFIGURATION: &str = "ssh_config";

/// What the companion knows, in a private file beside it.
const KNOWLEDGE: &str = "ssh.json";

/// What the companion knows.
#[derive(Debug, Serialize, Deserialize)]
struct Knowledge {
    configuration: PathBuf,
    /// Who we are where nothing else is said.
    identity: Identity,
    /// Who we are to some repositories, by their addresses.
    others: Vec<(String, Identity)>,
    forward: Option<Forward>,
    /// The program that connections go through.
    tunnel: Option<PathBuf>,
    /// `core.sshCommand` of the source: ssh, and options that count more than ours.
    command: Vec<String>,
}

/// Who we are to a server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Identity {
    /// The key; without one ssh looks for keys and an agent as it does by itself.
    key: Option<PathBuf>,
    /// The user where the address names none.
    user: Option<String>,
}

/// Where the agent may be used from, and which one: that of the environment when there is no socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Forward {
    host: String,
    port: u16,
    socket: Option<PathBuf>,
}

/// The companions, where ssh is not left as the machine has it.
#[derive(Debug)]
pub(crate) struct Ssh {
    /// For the repository, and for what has no key of its own.
    pub(crate) repository: PathBuf,
    /// For submodules with keys of their own, by the address in `.gitmodules`, and for what is below them.
    submodules: Vec<(String, PathBuf)>,
}

impl Ssh {
    /// The companion for the submodule that has this address in `.gitmodules`, when it has a key of its own.
    pub(crate) fn for_submodule(&self, url: &str) -> Option<&Path> {
        self.submodules.iter().find(|(known, _)| known == url).map(|(_, companion)| companion.as_path())
    }
}

/// Installs the companions when a source says anything of ssh. Else ssh is left as the machine has it.
pub(crate) fn install(
    context: &Context,
    source: &Source,
    remote: &Remote,
    keys: &Keys,
    agent: Option<&Agent>,
) -> Result<Option<Ssh>> {
    let tunnel = tunnel::install(context, source)?;
    let says_nothing =
        keys.all().next().is_none() && source.known_hosts().is_none() && tunnel.is_none() && !source.forward_agent;
    if says_nothing {
        return Ok(None);
    }
    let private = context.private_directory();
    let configuration = private.write(CONFIGURATION, configuration(context, source)?.as_bytes())?;
    let identity = |key: &Key| Identity { key: Some(key.file.clone()), user: key.user.clone() };
    let mut knowledge = Knowledge {
        configuration,
        identity: match &keys.main {
            Some(key) => identity(key),
            None => Identity { key: None, user: source.private_key_user.clone() },
        },
        others: keys.submodules.iter().map(|(url, key)| (url.clone(), identity(key))).collect(),
        forward: source.forward_agent.then(|| forward(remote, agent)).flatten(),
        tunnel,
        command: match ssh_command::of_settings(&source.git_config) {
            Some((_, command)) => command.map_err(|problem| anyhow!("`core.sshCommand` in `git_config` {problem}"))?,
            None => vec!["ssh".to_owned()],
        },
    };
    let write = |directory: &Path, knowledge: &Knowledge| {
        private.write(directory.join(KNOWLEDGE), serde_json::to_string(knowledge)?.as_bytes())
    };
    write(&private.path()?, &knowledge)?;
    let repository = COMPANION.install(private)?;
    let mut submodules = Vec::new();
    for (index, (url, key)) in keys.submodules.iter().enumerate() {
        let name = format!("submodule-{index}");
        knowledge.identity = identity(key);
        write(&private.directory(&name)?, &knowledge)?;
        submodules.push((url.clone(), COMPANION.install_in(private, &name)?));
    }
    Ok(Some(Ssh { repository, submodules }))
}

/// The text of the configuration file: whom we trust, and how long we wait.
fn configuration(context: &Context, source: &Source) -> Result<String> {
    let mut text = match source.known_hosts() {
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
        source.network_timeout,
    );
    Ok(text)
}

/// An agent is for the host of `uri` alone: whoever is root at a host that it is forwarded to can use it.
fn forward(remote: &Remote, agent: Option<&Agent>) -> Option<Forward> {
    let address = Address::parse(&remote.address).filter(Address::is_ssh)?;
    let socket = agent.map(|agent| agent.socket().to_owned());
    Some(Forward { host: address.host.to_owned(), port: address.port.unwrap_or(SSH_PORT), socket })
}

fn become_ssh(call: &CompanionCall) -> Result<CompanionAnswer> {
    let file = call.directory.join(KNOWLEDGE);
    // Without what it is to know ssh would fall back to the machine's keys.
    let knowledge = std::fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let knowledge: Knowledge = serde_json::from_slice(&knowledge)?;
    let destination = Destination::of(&call.arguments);
    let (program, options) = knowledge.command.split_first().ok_or_else(|| anyhow!("there is no program to run"))?;
    let mut ssh = Command::new(program);
    // Of an option that is given twice, ssh takes the first one.
    ssh.args(options).arg("-F").arg(&knowledge.configuration);
    for option in knowledge.options(destination.as_ref())? {
        ssh.arg("-o").arg(option);
    }
    ssh.args(call.arguments.iter().map(AsRef::<OsStr>::as_ref));
    // The tunnel's command line is run by this one.
    ssh.env("SHELL", "/bin/sh");
    Ok(CompanionAnswer::Become(ssh))
}

impl Knowledge {
    /// The options for one connection, as `ssh -o` takes them.
    fn options(&self, destination: Option<&Destination>) -> Result<Vec<OsString>> {
        let mut options: Vec<OsString> = Vec::new();
        let mut set = |name: &str, value: &OsStr| {
            let mut option = OsString::from(format!("{name}="));
            option.push(value);
            options.push(option);
        };
        let other = destination.and_then(|to| self.others.iter().find(|(url, _)| to.is(url)));
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
        // It would count more than a user in the address.
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

/// A path as the value of an option: in quotes, and with nothing in it that ssh would expand.
fn quoted(path: &Path) -> OsString {
    OsString::from(format!("\"{}\"", path.display().to_string().replace('%', "%%")))
}
