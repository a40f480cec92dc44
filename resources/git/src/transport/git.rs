//! The git program, as this resource type calls it.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Command, Context, Finished, Result};

use crate::source::Source;
use crate::source::address::Address;
use crate::source::remote::Remote;
use crate::transport::agent::Agent;
use crate::transport::askpass::{self, Askpass};
use crate::transport::defaults;
use crate::transport::keys::Keys;
use crate::transport::lfs::Lfs;
use crate::transport::ls_refs::{self, RemoteRef, Unanswered};
use crate::transport::refusal::{FromServer, NoDefaultBranch, Refusal};
use crate::transport::retry::{self, Effect, Traces};
use crate::transport::settings;
use crate::transport::ssh::{self, Ssh};
use crate::transport::trust;

/// How much longer than for other answers a push is waited for: hooks run on the server meanwhile.
const PUSH_PATIENCE: u32 = 10;

/// The variables that make git work on another repository than the one it is started in.
const OTHER_REPOSITORY: [&str; 8] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

const SILENCE_HINT: &str = "`network_timeout` in the source sets how long a server may stay silent";

/// The git program with the environment that this source needs.
pub(crate) struct Git<'c> {
    context: &'c Context,
    remote: Remote,
    environment: Vec<(OsString, OsString)>,
    settings: Vec<(String, String)>,
    lfs: Lfs,
    silence: Duration,
    is_debugged: bool,
    rewrites_addresses: bool,
    has_authorities: bool,
    /// What ssh says, in lower case, because the source has no key for it.
    signs_of_missing_key: &'static [&'static str],
    traces: Option<Traces>,
    askpass: Option<Askpass>,
    ssh: Option<Ssh>,
    /// Held for its end.
    _agent: Option<Agent>,
}

impl<'c> Git<'c> {
    /// Prepares credentials and settings. Nothing runs yet, but an ssh agent where one is to be forwarded.
    pub(crate) async fn new(context: &'c Context, source: &Source, step_debug: bool) -> Result<Self> {
        source.warn(context.console());
        let remote = source.remote();
        let mut environment: Vec<(OsString, OsString)> = Vec::new();
        let mut set = |name: &str, value: &OsStr| environment.push((name.into(), value.to_owned()));
        set("GIT_TERMINAL_PROMPT", OsStr::new("0"));
        // What git says is read by people, and its refusals also by this program.
        set("LC_ALL", OsStr::new("C"));
        set("GIT_CONFIG_SYSTEM", defaults::install(context)?.as_os_str());
        let mut pairs: Vec<(String, String)> = [
            ("advice.detachedHead", "false"),
            // Nothing may go on in the background after the verb, nor be tidied up for a repository that is thrown away.
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        let keys = Keys::write(context, source)?;
        let askpass = askpass::install(context, source, &remote, &keys)?;
        if let Some(askpass) = &askpass {
            set("GIT_ASKPASS", askpass.repository.as_os_str());
            set("SSH_ASKPASS", askpass.repository.as_os_str());
            set("SSH_ASKPASS_REQUIRE", OsStr::new("force"));
            // Nothing of ours may end up in a credential store of the machine, nor be taken from there.
            pairs.push(("credential.helper".to_owned(), String::new()));
        }
        let agent = match &keys.main {
            Some(key) if source.forward_agent => Some(Agent::start(context, key, askpass.as_ref()).await?),
            _ => None,
        };
        let ssh = ssh::install(context, source, &remote, &keys, agent.as_ref())?;
        if let Some(ssh) = &ssh {
            set("GIT_SSH_COMMAND", OsStr::new(&as_command(&ssh.repository)));
            set("GIT_SSH_VARIANT", OsStr::new("ssh"));
        }
        settings::warn_of_unused(&source.git_config, askpass.is_some(), ssh.is_some(), context.console());
        if !remote.address.starts_with("https://") {
            // git-lfs takes the image's `HTTP/2` at its word, and there is none without TLS.
            pairs.push(("http.version".to_owned(), "HTTP/1.1".to_owned()));
        }
        if let Some(file) = trust::install(context, &source.ca_certs)? {
            pairs.push(("http.sslCAInfo".to_owned(), file.display().to_string()));
        }
        if source.skip_ssl_verification {
            pairs.push(("http.sslVerify".to_owned(), "false".to_owned()));
        }
        let is_debugged = source.debug || step_debug;
        if is_debugged {
            for variable in ["GIT_TRACE", "GIT_TRACE_SETUP", "GIT_CURL_VERBOSE"] {
                set(variable, OsStr::new("1"));
            }
        }
        // Last, so that what the pipeline says counts.
        if let Some(file) = settings::install(context, &source.git_config)? {
            pairs.push(("include.path".to_owned(), file.display().to_string()));
        }
        let is_ssh = Address::parse(&remote.address).is_some_and(|address| address.is_ssh());
        let signs_of_missing_key: &[&str] = match source.known_hosts() {
            _ if keys.main.is_some() || !is_ssh => &[],
            Some(_) => &["permission denied ("],
            None => &["permission denied (", "host key verification failed"],
        };
        // A path of this machine is no server.
        let traces =
            Address::parse(&remote.address).filter(|_| !is_debugged).map(|_| Traces::new(context)).transpose()?;
        // Only the whole program knows these rules; its transports do not.
        let rewrites_addresses = settings::rewrite_addresses(&source.git_config);
        Ok(Self {
            context,
            remote,
            environment,
            settings: pairs,
            lfs: Lfs::Files,
            silence: source.silence(),
            is_debugged,
            rewrites_addresses,
            has_authorities: !source.ca_certs.is_empty(),
            signs_of_missing_key,
            traces,
            askpass,
            ssh,
            _agent: agent,
        })
    }

    /// The same with or without files of git-lfs.
    pub(crate) fn with_lfs(self, lfs: Lfs) -> Self {
        Self { lfs, ..self }
    }

    /// The surroundings.
    pub(crate) fn context(&self) -> &'c Context {
        self.context
    }

    /// The remote repository.
    pub(crate) fn remote(&self) -> &Remote {
        &self.remote
    }

    /// A git command with a sub-command, not run yet.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        self.tool("git").label(format!("git {subcommand}")).arg(subcommand)
    }

    /// A program that calls git itself, not run yet.
    pub(crate) fn tool(&self, program: &str) -> Command {
        let mut command = self.context.command(program);
        if self.is_debugged {
            command = command.show_all();
        }
        for (name, value) in &self.environment {
            command = command.env(name, value);
        }
        let lfs = self.lfs.settings(self.silence.as_secs());
        let lfs = lfs.iter().map(|(name, value)| (*name, value.as_str()));
        let others = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut count = 0_usize;
        // The pipeline's own come last, and so win.
        for (name, value) in lfs.chain(others) {
            command = command.env(format!("GIT_CONFIG_KEY_{count}"), name);
            command = command.env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command = command.env("GIT_CONFIG_COUNT", count.to_string());
        if self.has_authorities {
            // It would count more than the setting.
            command = command.env_remove("GIT_SSL_CAINFO");
        }
        // Our file includes the system's configuration, where that is wanted.
        command = command.env_remove("GIT_CONFIG_NOSYSTEM");
        // Left over from a hook or a script around us, they would make git work on another repository.
        for name in OTHER_REPOSITORY {
            command = command.env_remove(name);
        }
        command
    }

    /// A git command that waits for the server and changes nothing there, not run yet. It is run again when the server or
    /// the way to it is in trouble that passes.
    pub(crate) fn network(&self, subcommand: &str) -> Command {
        retry::prepare(self.context, self.network_once(subcommand), self.traces.as_ref(), Effect::None)
    }

    /// The same for what is asked for in another way when it fails.
    pub(crate) fn network_once(&self, subcommand: &str) -> Command {
        let (name, value) = Lfs::sign_of_life();
        self.command(subcommand).silence_limit(self.silence, SILENCE_HINT).env(name, value)
    }

    /// The command with the credentials that are for submodules, and the key that is for the one at `url`, when it has its
    /// own.
    pub(crate) fn for_submodule(&self, url: Option<&str>, mut command: Command) -> Command {
        if let Some(askpass) = &self.askpass {
            command = command.env("GIT_ASKPASS", &askpass.submodules);
        }
        match url.and_then(|url| self.ssh.as_ref()?.for_submodule(url)) {
            Some(companion) => command.env("GIT_SSH_COMMAND", as_command(companion)),
            None => command,
        }
    }

    /// Whether the submodule that has this address in `.gitmodules` has a key of its own.
    pub(crate) fn has_key_for(&self, url: &str) -> bool {
        self.ssh.as_ref().is_some_and(|ssh| ssh.for_submodule(url).is_some())
    }

    /// A push, not run yet. It is run again only when the server has certainly done nothing.
    pub(crate) fn push(&self) -> Command {
        let push = self.sending(self.command("push"));
        retry::prepare(self.context, push, self.traces.as_ref(), Effect::Change)
    }

    /// A program that sends something to the server, and waits as a push does, not run yet.
    pub(crate) fn push_tool(&self, program: &str) -> Command {
        self.sending(self.tool(program))
    }

    fn sending(&self, command: Command) -> Command {
        let (name, value) = Lfs::sign_of_life();
        command.silence_limit(self.silence * PUSH_PATIENCE, SILENCE_HINT).env(name, value)
    }

    /// Asks the server for the hash of the tip of `branch`, or of its default branch. A tag of that name is taken where there is
    /// no such branch, as `git clone --branch` does.
    pub(crate) async fn remote_tip(&self, branch: Option<&str>) -> Result<String> {
        let wanted = match branch {
            Some(branch) => ["heads", "tags"].map(|kind| format!("refs/{kind}/{branch}")).to_vec(),
            None => vec!["HEAD".to_owned()],
        };
        let mut refs = self.remote_refs(&wanted, branch).await?;
        // A longer name that begins alike is no answer.
        let tip = wanted.iter().find_map(|name| refs.iter().position(|found| found.name == *name));
        let tip = tip.map(|position| refs.swap_remove(position));
        tip.map(|tip| tip.peeled.unwrap_or(tip.hash)).ok_or_else(|| self.no_such_branch(branch))
    }

    /// Asks the server for its refs whose full names begin with one of `prefixes`. `branch` is what errors name.
    pub(crate) async fn remote_refs(&self, prefixes: &[String], branch: Option<&str>) -> Result<Vec<RemoteRef>> {
        if self.remote.is_http() && !self.rewrites_addresses {
            let transport = self
                .network("remote-http")
                // As its own name: a remote that the directory around us happens to have has nothing to do with it.
                .args([&self.remote.address, &self.remote.address])
                .label("git ls-remote")
                .input(ls_refs::CONNECT)
                .reply(ls_refs::question(prefixes))
                .quiet()
                .run()
                .await?;
            match ls_refs::refs_of(&transport.stdout) {
                Ok(refs) => return Ok(refs),
                // The way to the server is the same for the longer question.
                Err(Unanswered) if FromServer::is_why(&transport) => {
                    self.explain(transport, branch).with_context(|| self.cannot("read"))?;
                }
                Err(Unanswered) => {}
            }
        }
        // For git a pattern may begin anywhere in a name: `refs/remotes/x/refs/heads/main` would match too.
        let patterns = prefixes.iter().map(|prefix| format!("{prefix}*"));
        // It picks by them on this side. These options are all that it asks the server by.
        let kinds = [("--heads", "refs/heads/"), ("--tags", "refs/tags/")];
        let begin_with = |kind: &str| prefixes.iter().any(|prefix| prefix.starts_with(kind));
        let are_all = prefixes.iter().all(|prefix| kinds.iter().any(|(_, kind)| prefix.starts_with(kind)));
        let kinds = kinds.iter().filter(|(_, kind)| are_all && begin_with(kind)).map(|(option, _)| option);
        let listing = self.network("ls-remote").arg("--symref").args(kinds).args(["--", &self.remote.address]);
        let listing = listing.args(patterns).quiet().run().await?;
        let listing = self.explain(listing, branch).with_context(|| self.cannot("read"))?;
        let refs = ls_refs::refs_of_listing(&listing.text());
        Ok(refs.into_iter().filter(|found| prefixes.iter().any(|prefix| found.name.starts_with(prefix))).collect())
    }

    /// Asks the server what its HEAD is.
    pub(crate) async fn default_head(&self) -> Result<DefaultHead> {
        let refs = self.remote_refs(&["HEAD".to_owned()], None).await?;
        let head = refs.into_iter().find(|found| found.name == "HEAD").ok_or_else(|| self.no_such_branch(None))?;
        let branch = head.stands_for.as_deref().and_then(|name| name.strip_prefix("refs/heads/"));
        Ok(branch.map_or(DefaultHead::Commit(head.hash), |branch| DefaultHead::Branch(branch.to_owned())))
    }

    /// The finished command, or an error that says in a user's words what the server's refusal means.
    pub(crate) fn explain(&self, finished: Finished, branch: Option<&str>) -> Result<Finished> {
        if finished.is_success() {
            return Ok(finished);
        }
        if Refusal::of(&finished) == Some(Refusal::UnknownRef) {
            return Err(self.no_such_branch(branch));
        }
        let said = finished.stderr.to_lowercase();
        let any = |needles: &[&str]| needles.iter().any(|needle| said.contains(needle));
        if !FromServer::is_why(&finished) {
            return Err(finished.failure());
        }
        let error = jetway::Error::new(FromServer(finished.failure()));
        Err(if said.contains("unable to read askpass response") && said.contains("could not read username") {
            error.hint(
                "the server redirected git to another address, which gets no credentials; set `uri` to that address",
            )
        } else if any(&["authentication failed", "could not read username", "could not read password"]) {
            error.hint("check `username` and `password`; a hosting service may require a token instead of the password")
        } else if any(self.signs_of_missing_key) {
            error.hint("set `private_key` in the source: an ssh address needs it")
        } else if said.contains("permission denied (publickey") {
            error.hint("check `private_key`, and that its public key has access to this repository")
        } else if any(&["host key verification failed", "remote host identification has changed"]) {
            error.hint("the server's host key does not match `known_hosts`; replace the line only with a key from a source you trust")
        } else if any(&["does not match target host name", "certificate subject name matches"]) {
            error.hint("the server's certificate is for another host name; use a name from the certificate in `uri`")
        } else if said.contains("certificate") {
            // With GnuTLS git does not say which of the two it is.
            error.hint(
                "the server's certificate has expired or is not trusted; to trust it, add its CA certificate to `ca_certs`",
            )
        } else {
            error
        })
    }

    /// The words for an error's first line.
    pub(crate) fn cannot(&self, verb: &str) -> String {
        format!("cannot {verb} `{}`", self.remote.address)
    }

    /// There is no such branch, or no default branch.
    pub(crate) fn no_such_branch(&self, branch: Option<&str>) -> jetway::Error {
        match branch {
            Some(branch) => {
                let error = anyhow!("there is no branch `{branch}` in `{}`", self.remote.address);
                jetway::Error::new(FromServer(error))
            }
            None => jetway::Error::new(NoDefaultBranch(self.remote.address.clone())),
        }
    }
}

/// What a server's HEAD is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DefaultHead {
    /// A branch, the default one.
    Branch(String),
    /// A commit, which is the tip of no branch that the server would name.
    Commit(String),
}

/// A program's path as the value of `GIT_SSH_COMMAND`.
///
/// The variable goes before `core.sshCommand`, which a task may have left in a put's repository. A plain path is run as it
/// is; only one with other characters, which need quotes, goes through a shell.
fn as_command(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
    if is_plain { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
