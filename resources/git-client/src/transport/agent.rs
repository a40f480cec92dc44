//! An ssh agent that holds the source's key, to be forwarded to the server (`forward_agent`).
//!
//! A companion runs OpenSSH's agent, and stops it when the verb ends. If the verb is killed, the pipe between the verb
//! and the companion closes, so the companion stops the agent then too.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Background, Companion, CompanionCall, CompanionOutcome, Context, Result};

use crate::transport::askpass::Askpass;
use crate::transport::keys::Key;

/// Runs an agent until its standard input ends: `jetway-ssh-agent SOCKET`.
pub(crate) const COMPANION: Companion = Companion { name: "jetway-ssh-agent", run: run_agent };

/// The time limit for the agent to listen, and to add a key.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// A running agent. It stops when this value is dropped.
pub(crate) struct Agent {
    socket: PathBuf,
    _running: Background,
}

impl Agent {
    /// Starts an agent and gives it the key.
    pub(crate) async fn start(context: &Context, key: &Key, askpass: Option<&Askpass>) -> Result<Self> {
        let private = context.private_directory();
        let socket = private.path()?.join("agent");
        let companion = COMPANION.install(private)?;
        let command =
            context.command(companion).label("ssh-agent").arg(&socket).silence_limit(TIME_LIMIT, HINT).quiet();
        let running = command.start().await.context("cannot start an ssh agent")?;
        let agent = Self { socket, _running: running };
        let mut add = context
            .command("ssh-add")
            .arg("-q")
            .arg(&key.file)
            .env("SSH_AUTH_SOCK", &agent.socket)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .silence_limit(TIME_LIMIT, HINT)
            .quiet();
        if let Some(askpass) = askpass {
            add = add.env("SSH_ASKPASS", &askpass.repository);
        }
        let added = add.run().await?.success();
        added
            .context("cannot add the key to the ssh agent")
            .hint("check `private_key` and `private_key_passphrase`")?;
        Ok(agent)
    }

    /// The socket that the agent listens on.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

const HINT: &str = "the machine may be overloaded";

fn run_agent(call: &CompanionCall) -> Result<CompanionOutcome> {
    let socket = call.arguments.first().context("there is no socket to listen on")?;
    let mut agent = Command::new("ssh-agent");
    agent.arg("-D").arg("-a").arg(socket).stdin(Stdio::null()).stdout(Stdio::null());
    let mut agent =
        agent.spawn().context("cannot run `ssh-agent`").hint("install the OpenSSH client, which contains it")?;
    let outcome = wait_until_listening(&mut agent, Path::new(socket)).and_then(|()| {
        use std::io::Write as _;
        let mut output = std::io::stdout();
        output.write_all(b"listening\n").and_then(|()| output.flush())?;
        // The verb never writes to this pipe. It closes when the verb ends.
        std::io::stdin().read_to_end(&mut Vec::new())?;
        Ok(())
    });
    let _ = agent.kill();
    let _ = agent.wait();
    outcome.map(|()| CompanionOutcome::Done)
}

/// Waits until the agent accepts connections.
fn wait_until_listening(agent: &mut Child, socket: &Path) -> Result<()> {
    let deadline = Instant::now() + TIME_LIMIT;
    while UnixStream::connect(socket).is_err() {
        if let Some(status) = agent.try_wait()? {
            return Err(anyhow!("`ssh-agent` exited immediately ({status})"));
        }
        if Instant::now() >= deadline {
            return Err(anyhow!("`ssh-agent` did not start to listen within {} s", TIME_LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
