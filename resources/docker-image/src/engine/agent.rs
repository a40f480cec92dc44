//! ssh agents for builds: OpenSSH's own, each with one key, which the Dockerfile never sees.

use std::path::PathBuf;

use anyhow::Context as _;
use jetway::{Context, Result, Secret, Service};

use crate::engine::daemon::{Waiting, wait_for};

/// How long an agent may take to start, in seconds.
const START: u32 = 10;

/// Starts an agent with a key, and returns its socket. `number` makes the socket's name unique.
pub(crate) async fn start(context: &Context, number: usize, key: &Secret) -> Result<(Service, PathBuf)> {
    let private = context.private_directory();
    let socket = private.path()?.join(format!("agent-{number}"));
    let log = private.path()?.join(format!("agent-{number}.log"));
    let mut agent = context.command("ssh-agent").arg("-D").arg("-a").arg(&socket).serve(&log)?;
    let waiting = Waiting { what: "the ssh agent", seconds: START, key: None };
    let started = async {
        wait_for(context, &mut agent, &waiting, async || socket.exists()).await?;
        // OpenSSH refuses a key without a trailing newline.
        let text = format!("{}\n", key.expose().trim_end());
        // Without a terminal and an askpass program, ssh-add refuses a key with a passphrase.
        let add = context.command("ssh-add").args(["-q", "-"]).input(text).env("SSH_AUTH_SOCK", &socket);
        add.env("SSH_ASKPASS_REQUIRE", "never").quiet().run().await?.success()
    };
    match started.await {
        Ok(_) => Ok((agent, socket)),
        Err(error) => {
            agent.stop().await;
            Err(error).context("cannot add a key of `ssh` to the ssh agent")
        }
    }
}
