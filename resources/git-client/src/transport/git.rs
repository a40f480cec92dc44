//! Runs the git program.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Command, Context, Finished, Result};

use crate::access::{Access, Hints};
use crate::source::address::Address;
use crate::source::remote::Remote;
use crate::transport::agent::Agent;
use crate::transport::askpass::{self, Askpass};
use crate::transport::defaults;
use crate::transport::error_texts::{Meaning, means};
use crate::transport::keys::Keys;
use crate::transport::lfs::Lfs;
use crate::transport::ls_refs::{self, RemoteRef, UnusableResponse};
use crate::transport::refusal::{NoDefaultBranch, Refusal, ServerError};
use crate::transport::retry::{self, Effect, Traces};
use crate::transport::settings;
use crate::transport::ssh::{self, Ssh};
use crate::transport::trust;

/// The silence limit of a push is longer by this factor, since the server may run hooks.
const PUSH_SILENCE_FACTOR: u32 = 10;

/// The variables that make git use another repository than the one in its working directory.
const REPOSITORY_VARIABLES: [&str; 8] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// The git program with the environment that this server needs.
pub struct Git<'c> {
    context: &'c Context,
    remote: Remote,
    environment: Vec<(OsString, OsString)>,
    settings: Vec<(String, String)>,
    lfs: Lfs,
    server_timeout: Duration,
    is_debugged: bool,
    rewrites_addresses: bool,
    has_ca_certs: bool,
    /// The errors of ssh that mean a missing `private_key`.
    missing_key_errors: &'static [Meaning],
    traces: Option<Traces>,
    hints: Hints,
    askpass: Option<Askpass>,
    ssh: Option<Ssh>,
    /// The agent stops when this is dropped.
    _agent: Option<Agent>,
}

impl<'c> Git<'c> {
    /// Prepares credentials and settings. Starts an ssh agent if the source forwards one.
    pub async fn new(context: &'c Context, access: &Access, step_debug: bool) -> Result<Self> {
        let remote = access.remote();
        let mut environment: Vec<(OsString, OsString)> = Vec::new();
        let mut set = |name: &str, value: &OsStr| environment.push((name.into(), value.to_owned()));
        set("GIT_TERMINAL_PROMPT", OsStr::new("0"));
        // This program recognises git's error messages by their English text.
        set("LC_ALL", OsStr::new("C"));
        set("GIT_CONFIG_SYSTEM", defaults::install(context)?.as_os_str());
        let mut pairs: Vec<(String, String)> = [
            ("advice.detachedHead", "false"),
            // Disable maintenance: it would run in the background after the verb, for a repository that is deleted
            // soon.
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        let keys = Keys::write(context, access)?;
        let askpass = askpass::install(context, access, &remote, &keys)?;
        if let Some(askpass) = &askpass {
            set("GIT_ASKPASS", askpass.repository.as_os_str());
            set("SSH_ASKPASS", askpass.repository.as_os_str());
            set("SSH_ASKPASS_REQUIRE", OsStr::new("force"));
            // Do not read or write the machine's credential stores.
            pairs.push(("credential.helper".to_owned(), String::new()));
        }
        let agent = match &keys.main {
            Some(key) if access.forward_agent => Some(Agent::start(context, key, askpass.as_ref()).await?),
            _ => None,
        };
        let ssh = ssh::install(context, access, &remote, &keys, agent.as_ref())?;
        if let Some(ssh) = &ssh {
            set("GIT_SSH_COMMAND", OsStr::new(&as_command(&ssh.repository)));
            set("GIT_SSH_VARIANT", OsStr::new("ssh"));
        }
        settings::warn_of_ineffective(&access.git_config, askpass.is_some(), ssh.is_some(), context.console());
        if !remote.address.starts_with("https://") {
            // git-lfs would use `HTTP/2` from the defaults without TLS, which servers do not support.
            pairs.push(("http.version".to_owned(), "HTTP/1.1".to_owned()));
        }
        if let Some(file) = trust::install(context, &access.ca_certs)? {
            pairs.push(("http.sslCAInfo".to_owned(), file.display().to_string()));
        }
        if access.skip_ssl_verification {
            pairs.push(("http.sslVerify".to_owned(), "false".to_owned()));
        }
        let is_debugged = access.debug || step_debug;
        if is_debugged {
            for variable in ["GIT_TRACE", "GIT_TRACE_SETUP", "GIT_CURL_VERBOSE"] {
                set(variable, OsStr::new("1"));
            }
        }
        // Last, so that the pipeline's settings take precedence.
        if let Some(file) = settings::install(context, &access.git_config)? {
            pairs.push(("include.path".to_owned(), file.display().to_string()));
        }
        let is_ssh = Address::parse(&remote.address).is_some_and(|address| address.is_ssh());
        let missing_key_errors: &[Meaning] = match access.known_hosts() {
            _ if keys.main.is_some() || !is_ssh => &[],
            Some(_) => &[Meaning::NoKey],
            None => &[Meaning::NoKey, Meaning::UnknownHostKey],
        };
        // A local path needs no trace.
        let traces =
            Address::parse(&remote.address).filter(|_| !is_debugged).map(|_| Traces::new(context)).transpose()?;
        // `git remote-http` ignores rewrite rules; only the git program applies them.
        let rewrites_addresses = settings::rewrite_addresses(&access.git_config);
        Ok(Self {
            context,
            remote,
            environment,
            settings: pairs,
            lfs: Lfs::Files,
            server_timeout: access.server_timeout(),
            is_debugged,
            rewrites_addresses,
            has_ca_certs: !access.ca_certs.is_empty(),
            missing_key_errors,
            traces,
            hints: access.hints,
            askpass,
            ssh,
            _agent: agent,
        })
    }

    /// Sets whether checkouts download git-lfs files.
    #[must_use]
    pub fn with_lfs(self, lfs: Lfs) -> Self {
        Self { lfs, ..self }
    }

    /// Turns off fsync, for a new repository that is not needed after a crash of the machine. (git does not sync the
    /// files of a work tree either.)
    #[must_use]
    pub fn without_fsync(mut self) -> Self {
        self.settings.insert(0, ("core.fsync".to_owned(), "none".to_owned()));
        self
    }

    /// The context of the verb.
    pub fn context(&self) -> &'c Context {
        self.context
    }

    /// The remote repository.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Builds a git command with a subcommand.
    pub fn command(&self, subcommand: &str) -> Command {
        self.command_with(subcommand, &[])
    }

    /// Builds a git command with further settings, which precede those of the pipeline.
    fn command_with(&self, subcommand: &str, settings: &[(&str, &str)]) -> Command {
        self.tool_with("git", settings).label(format!("git {subcommand}")).arg(subcommand)
    }

    /// Builds a command for a program that runs git.
    pub fn tool(&self, program: &str) -> Command {
        self.tool_with(program, &[])
    }

    fn tool_with(&self, program: &str, settings: &[(&str, &str)]) -> Command {
        let mut command = self.context.command(program);
        if self.is_debugged {
            command = command.show_all();
        }
        for (name, value) in &self.environment {
            command = command.env(name, value);
        }
        let lfs = self.lfs.settings(self.server_timeout.as_secs());
        let lfs = lfs.iter().map(|(name, value)| (*name, value.as_str()));
        let others = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut count = 0_usize;
        // The pipeline's settings come last and take precedence.
        for (name, value) in lfs.chain(settings.iter().copied()).chain(others) {
            command = command.env(format!("GIT_CONFIG_KEY_{count}"), name);
            command = command.env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command = command.env("GIT_CONFIG_COUNT", count.to_string());
        if self.has_ca_certs {
            // The variable would override the setting `http.sslCAInfo`.
            command = command.env_remove("GIT_SSL_CAINFO");
        }
        // The file of defaults includes the system configuration if it is enabled.
        command = command.env_remove("GIT_CONFIG_NOSYSTEM");
        // A surrounding hook or script may have set these variables.
        for name in REPOSITORY_VARIABLES {
            command = command.env_remove(name);
        }
        command
    }

    /// Builds a git command that reads from the server. It is retried after transient errors.
    pub fn network(&self, subcommand: &str) -> Command {
        self.network_with(subcommand, &[])
    }

    /// Like `network`, with further settings.
    pub fn network_with(&self, subcommand: &str, settings: &[(&str, &str)]) -> Command {
        let command = self.with_limit(self.command_with(subcommand, settings));
        retry::prepare(self.context, command, self.traces.as_ref(), Effect::None)
    }

    /// Like `network`, but without retries: for a fetch that has a fallback.
    pub fn network_once(&self, subcommand: &str) -> Command {
        self.with_limit(self.command(subcommand))
    }

    fn with_limit(&self, command: Command) -> Command {
        let (name, value) = Lfs::progress_variable();
        command.silence_limit(self.server_timeout, self.hints.silence).env(name, value)
    }

    /// Adds the credentials for submodules to a command, and the key of the submodule at `url` if it has one.
    pub fn for_submodule(&self, url: Option<&str>, mut command: Command) -> Command {
        if let Some(askpass) = &self.askpass {
            command = command.env("GIT_ASKPASS", &askpass.submodules);
        }
        match url.and_then(|url| self.ssh.as_ref()?.for_submodule(url)) {
            Some(companion) => command.env("GIT_SSH_COMMAND", as_command(companion)),
            None => command,
        }
    }

    /// Whether the submodule with this `url` in `.gitmodules` has its own key.
    pub fn has_key_for(&self, url: &str) -> bool {
        self.ssh.as_ref().is_some_and(|ssh| ssh.for_submodule(url).is_some())
    }

    /// Builds a push. It is retried only if the server has certainly not changed anything.
    pub fn push(&self) -> Command {
        let push = self.with_push_limit(self.command("push"));
        retry::prepare(self.context, push, self.traces.as_ref(), Effect::Change)
    }

    /// Builds a command for a program that uploads to the server, with the silence limit of a push.
    pub fn push_tool(&self, program: &str) -> Command {
        self.with_push_limit(self.tool(program))
    }

    fn with_push_limit(&self, command: Command) -> Command {
        let (name, value) = Lfs::progress_variable();
        command.silence_limit(self.server_timeout * PUSH_SILENCE_FACTOR, self.hints.silence).env(name, value)
    }

    /// Asks the server for the hash at the tip of `branch`, or of its default branch. If there is no such branch, falls
    /// back to a tag of that name, as `git clone --branch` does.
    pub async fn remote_tip(&self, branch: Option<&str>) -> Result<String> {
        let wanted = match branch {
            Some(branch) => ["heads", "tags"].map(|kind| format!("refs/{kind}/{branch}")).to_vec(),
            None => vec!["HEAD".to_owned()],
        };
        let mut refs = self.remote_refs(&wanted, branch).await?;
        // The server returns every ref that begins with a prefix: ignore longer names.
        let tip = wanted.iter().find_map(|name| refs.iter().position(|found| found.name == *name));
        let tip = tip.map(|position| refs.swap_remove(position));
        tip.map(|tip| tip.peeled.unwrap_or(tip.hash)).ok_or_else(|| self.no_such_branch(branch))
    }

    /// Lists the server's refs whose full names begin with one of `prefixes`. `branch` is for error messages.
    pub async fn remote_refs(&self, prefixes: &[String], branch: Option<&str>) -> Result<Vec<RemoteRef>> {
        if self.remote.is_http() && !self.rewrites_addresses {
            let transport = self
                .network("remote-http")
                // Use the address as the name of the remote, so that no remote of the current directory is used.
                .args([&self.remote.address, &self.remote.address])
                .label("git ls-remote")
                .input(ls_refs::CONNECT)
                .reply(ls_refs::request(prefixes))
                .quiet()
                .run()
                .await?;
            match ls_refs::parse_response(&transport.stdout) {
                Ok(refs) => return Ok(refs),
                // `git ls-remote` would fail for the same reason.
                Err(UnusableResponse) if ServerError::caused(&transport) => {
                    self.explain(transport, branch).with_context(|| self.cannot("read"))?;
                }
                Err(UnusableResponse) => {}
            }
        }
        // git matches a pattern anywhere in a name (`refs/remotes/x/refs/heads/main` too), so the result is filtered
        // below.
        let patterns = prefixes.iter().map(|prefix| format!("{prefix}*"));
        // git applies patterns on the client. Only these options reduce what the server sends.
        let kinds = [("--heads", "refs/heads/"), ("--tags", "refs/tags/")];
        let begin_with = |kind: &str| prefixes.iter().any(|prefix| prefix.starts_with(kind));
        let are_all = prefixes.iter().all(|prefix| kinds.iter().any(|(_, kind)| prefix.starts_with(kind)));
        let kinds = kinds.iter().filter(|(_, kind)| are_all && begin_with(kind)).map(|(option, _)| option);
        let listing = self.network("ls-remote").arg("--symref").args(kinds).args(["--", &self.remote.address]);
        let listing = listing.args(patterns).quiet().run().await?;
        let listing = self.explain(listing, branch).with_context(|| self.cannot("read"))?;
        let refs = ls_refs::parse_listing(&listing.text());
        Ok(refs.into_iter().filter(|found| prefixes.iter().any(|prefix| found.name.starts_with(prefix))).collect())
    }

    /// Asks the server for the target of its HEAD.
    pub async fn default_head(&self) -> Result<DefaultHead> {
        let refs = self.remote_refs(&["HEAD".to_owned()], None).await?;
        let head = refs.into_iter().find(|found| found.name == "HEAD").ok_or_else(|| self.no_such_branch(None))?;
        let branch = head.symref_target.as_deref().and_then(|name| name.strip_prefix("refs/heads/"));
        Ok(branch.map_or(DefaultHead::Commit(head.hash), |branch| DefaultHead::Branch(branch.to_owned())))
    }

    /// Turns a failed command into an error with a hint.
    pub fn explain(&self, finished: Finished, branch: Option<&str>) -> Result<Finished> {
        if finished.is_success() {
            return Ok(finished);
        }
        if Refusal::of(&finished) == Some(Refusal::UnknownRef) {
            return Err(self.no_such_branch(branch));
        }
        let messages = finished.stderr.to_lowercase();
        let any = |meaning| means(&messages, meaning);
        if !ServerError::caused(&finished) {
            return Err(finished.failure());
        }
        let error = jetway::Error::new(ServerError(finished.failure()));
        Err(if any(Meaning::RedirectedLogin) {
            error.hint(self.hints.redirect)
        } else if any(Meaning::Login) {
            error.hint(self.hints.login)
        } else if self.missing_key_errors.iter().any(|meaning| any(*meaning)) {
            error.hint("set `private_key` in the source: an ssh address needs it")
        } else if any(Meaning::KeyRefused) {
            error.hint("check `private_key`, and that its public key has access to this repository")
        } else if any(Meaning::ChangedHostKey) {
            error.hint("the server's host key does not match `known_hosts`; replace the line only with a key from a source you trust")
        } else if any(Meaning::CertificateName) {
            error.hint("the server's certificate is for another host name; use a name from the certificate in `uri`")
        } else if any(Meaning::Certificate) {
            // With GnuTLS, git's message does not say whether the certificate has expired or is not trusted.
            error.hint(
                "the server's certificate has expired or is not trusted; to trust it, add its CA certificate to `ca_certs`",
            )
        } else {
            error
        })
    }

    /// The first line of an error: `cannot VERB ADDRESS`.
    pub fn cannot(&self, verb: &str) -> String {
        format!("cannot {verb} `{}`", self.remote.address)
    }

    /// The error for a missing branch, or a missing default branch.
    pub fn no_such_branch(&self, branch: Option<&str>) -> jetway::Error {
        match branch {
            Some(branch) => {
                let error = anyhow!("there is no branch `{branch}` in `{}`", self.remote.address);
                jetway::Error::new(ServerError(error))
            }
            None => jetway::Error::new(NoDefaultBranch(self.remote.address.clone())),
        }
    }
}

/// The target of a server's HEAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultHead {
    /// A branch, the default one.
    Branch(String),
    /// A commit: HEAD is detached, or the server does not name the branch.
    Commit(String),
}

/// Quotes the path of a program for `GIT_SSH_COMMAND`.
///
/// The variable overrides a `core.sshCommand` that a task may have set in the repository of a put. git runs a plain
/// path directly, and uses a shell only if the path needs quotes.
fn as_command(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
    if is_plain { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
