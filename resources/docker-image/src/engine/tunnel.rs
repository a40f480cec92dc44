//! A remote engine by ssh: forwards its socket to one in the private directory.

use std::path::PathBuf;

use jetway::{Context, Result, Service};

use crate::engine::daemon::{Waiting, wait_for};
use crate::source::docker_host::EngineAt;
use crate::source::engine_address::Address;

/// The timeout of the ssh login, in seconds.
const LOGIN: u32 = 30;

/// Opens the tunnel, and returns the path of the local socket.
pub(crate) async fn open(
    context: &Context,
    at: &EngineAt,
    destination: &str,
    port: Option<u16>,
    socket: &str,
) -> Result<(Service, PathBuf)> {
    let private = context.private_directory();
    let end = private.path()?.join("engine.sock");
    let hosts = match &at.known_hosts {
        Some(known) => private.write("known_hosts", with_line_end(known).as_bytes())?,
        None => private.write("known_hosts", b"")?,
    };
    let checking = if at.known_hosts.is_some() { "yes" } else { "accept-new" };
    if at.known_hosts.is_none() {
        context.console().warn("`docker_host` has no `known_hosts`: the host key of the server is not verified");
    }
    let mut command = context
        .command("ssh")
        .label("ssh")
        .args(["-N", "-T", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=15"])
        .args(["-F", "none", "-o", "StreamLocalBindUnlink=yes", "-o", "ControlPath=none", "-o"])
        .arg(format!("StrictHostKeyChecking={checking}"))
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", hosts.display()))
        .arg("-o")
        .arg(format!("ConnectTimeout={LOGIN}"));
    if let Some(key) = &at.private_key {
        let key = private.write("engine_key", with_line_end(key.expose()).as_bytes())?;
        command = command.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(key);
    }
    if let Some(port) = port {
        command = command.arg("-p").arg(port.to_string());
    }
    command = command.arg("-L").arg(format!("{}:{socket}", end.display())).arg("--").arg(destination);
    let mut tunnel = command.serve(&private.path()?.join("ssh.log"))?;
    let waiting = Waiting { what: "the tunnel to the container engine", seconds: LOGIN + 5, key: None };
    match wait_for(context, &mut tunnel, &waiting, async || end.exists()).await {
        Ok(()) => Ok((tunnel, end)),
        Err(error) => {
            tunnel.stop().await;
            let shown = Address::Ssh { destination: destination.to_owned(), port, socket: socket.to_owned() };
            Err(error.context(format!("cannot reach the container engine at `{shown}`")))
        }
    }
}

/// OpenSSH refuses a key without a trailing newline.
fn with_line_end(text: &str) -> String {
    format!("{}\n", text.trim_end())
}
