//! The companion that connects ssh through an HTTP proxy (`ProxyCommand`).
//!
//! It sends `CONNECT` to the proxy (RFC 9110, section 9.3.6), and then relays bytes in both directions until the proxy
//! or ssh closes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::{Advise as _, Companion, CompanionCall, CompanionOutcome, Context, Result, Secret};
use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::transport::error_texts::NO_TUNNEL;

/// Connects through the proxy: `jetway-tunnel HOST PORT`.
pub(crate) const COMPANION: Companion = Companion { name: "jetway-tunnel", run: run_tunnel };

/// The private file with the companion's configuration, in its directory.
const CONFIG_FILE: &str = "tunnel.json";

/// The size limit of the proxy's response header, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The companion's configuration.
#[derive(Serialize, Deserialize)]
struct Proxy {
    host: String,
    port: u16,
    /// `user:password` in base64.
    login: Option<String>,
    /// The total time limit for connecting.
    seconds: u64,
}

/// Installs the companion and returns its path; `None` if there is no proxy.
pub(crate) fn install(context: &Context, access: &Access) -> Result<Option<PathBuf>> {
    let Some(tunnel) = &access.https_tunnel else { return Ok(None) };
    let Some((host, port)) = tunnel.proxy_host.as_ref().zip(tunnel.proxy_port) else { return Ok(None) };
    let password = tunnel.proxy_password.as_ref().map(Secret::expose).unwrap_or_default();
    let login = tunnel.proxy_user.as_ref().map(|user| STANDARD.encode(format!("{user}:{password}")));
    let proxy = Proxy {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port,
        login,
        // Shorter than git's time limit, so that this error is reported first.
        seconds: (access.server_timeout().as_secs() / 2).max(1),
    };
    let private = context.private_directory();
    private.write(CONFIG_FILE, serde_json::to_string(&proxy)?.as_bytes())?;
    COMPANION.install(private).map(Some)
}

/// The value of ssh's `ProxyCommand`. A shell runs it, so a `host` with shell syntax is refused.
pub(crate) fn command(companion: &Path, host: &str, port: u16) -> Result<String> {
    let is_plain = !host.is_empty()
        && !host.starts_with('-')
        && host.chars().all(|c| c.is_ascii_alphanumeric() || "._:-".contains(c));
    if !is_plain {
        return Err(anyhow!("`{host}` is not a host name"));
    }
    let companion = companion.display().to_string().replace('\'', r"'\''").replace('%', "%%");
    Ok(format!("'{companion}' {host} {port}"))
}

fn run_tunnel(call: &CompanionCall) -> Result<CompanionOutcome> {
    let file = call.directory.join(CONFIG_FILE);
    let proxy = std::fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let proxy: Proxy = serde_json::from_slice(&proxy)?;
    let mut arguments = call.arguments.iter().map(|argument| argument.to_string_lossy());
    let host = arguments.next().context("there is no host to connect to")?;
    let port = arguments.next().and_then(|port| port.parse().ok()).context("there is no port to connect to")?;
    let what = || format!("{NO_TUNNEL} `{host}:{port}` through the proxy `{}:{}`", proxy.host, proxy.port);
    let (stream, first) = proxy.connect(&host, port).with_context(what)?;
    relay(&stream, &first).with_context(|| format!("the tunnel to `{host}:{port}` broke"))?;
    Ok(CompanionOutcome::Done)
}

impl Proxy {
    /// Connects to the server; returns the stream and the bytes already received from the server.
    fn connect(&self, host: &str, port: u16) -> Result<(TcpStream, Vec<u8>)> {
        let deadline = Instant::now() + Duration::from_secs(self.seconds);
        let mut stream = self.connect_to_proxy(deadline)?;
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(login) = &self.login {
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(login);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(self.remaining(deadline)?))?;
        stream.write_all(request.as_bytes()).map_err(|error| self.connection_error(error))?;
        let (head, rest) = self.read_head(&mut stream, deadline)?;
        self.check_status(&head, &target)?;
        stream.set_read_timeout(None)?;
        stream.set_write_timeout(None)?;
        Ok((stream, rest))
    }

    /// Connects to the first address of the proxy that accepts the connection.
    fn connect_to_proxy(&self, deadline: Instant) -> Result<TcpStream> {
        let addresses = (self.host.as_str(), self.port).to_socket_addrs();
        let addresses = addresses.map_err(|_| anyhow!("cannot resolve the host name of the proxy"))?;
        let mut last = anyhow!("the host name of the proxy has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, self.remaining(deadline)?) {
                Ok(stream) => return Ok(stream),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    last = anyhow!("the proxy refused the connection");
                }
                Err(error) => last = self.connection_error(error),
            }
        }
        Err(last)
    }

    /// Reads the response header; returns it and the bytes after it, which belong to the tunnel.
    fn read_head(&self, stream: &mut TcpStream, deadline: Instant) -> Result<(String, Vec<u8>)> {
        let mut read = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            stream.set_read_timeout(Some(self.remaining(deadline)?))?;
            let length = match stream.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.connection_error(error)),
            };
            read.extend_from_slice(buffer.get(..length).unwrap_or_default());
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = read.split_off(end + 4);
                return Ok((String::from_utf8_lossy(&read).into_owned(), rest));
            }
            let is_http = read.iter().zip(b"HTTP/1.").all(|(found, expected)| found == expected);
            if !is_http {
                return Err(anyhow!("the proxy did not send an HTTP response"));
            }
            if length == 0 {
                return Err(anyhow!("the proxy closed the connection without a response"));
            }
            if read.len() > MAX_HEAD_BYTES {
                return Err(anyhow!("the header of the proxy's response is longer than {} KiB", MAX_HEAD_BYTES / 1024));
            }
        }
    }

    /// Turns a response that refuses the tunnel into an error with a hint.
    fn check_status(&self, head: &str, target: &str) -> Result<()> {
        let line = head.lines().next().unwrap_or_default();
        let mut words = line.splitn(3, ' ');
        let version = words.next().unwrap_or_default();
        let status = words.next().unwrap_or_default();
        if !version.starts_with("HTTP/1.") || status.len() != 3 || !status.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(anyhow!("the proxy did not send an HTTP response"));
        }
        if status.starts_with('2') {
            return Ok(());
        }
        let reason: String = words.next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(100).collect();
        let answered = anyhow!(format!("the proxy answered {status} {reason}").trim_end().to_owned());
        Err(match status {
            // tinyproxy answers 401 instead of 407.
            "401" | "407" if self.login.is_some() => {
                answered.hint("check `proxy_user` and `proxy_password` of `https_tunnel`")
            }
            "401" | "407" => answered.hint("the proxy requires `proxy_user` and `proxy_password` in `https_tunnel`"),
            "403" | "405" => answered.hint(format!("the proxy must allow CONNECT to `{target}`")),
            _ => answered,
        })
    }

    /// The remaining time until the deadline.
    fn remaining(&self, deadline: Instant) -> Result<Duration> {
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() { Err(self.time_out_error()) } else { Ok(remaining) }
    }

    fn connection_error(&self, error: io::Error) -> jetway::Error {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.time_out_error(),
            _ => jetway::Error::new(error).context("the connection to the proxy failed"),
        }
    }

    fn time_out_error(&self) -> jetway::Error {
        anyhow!("the proxy did not connect within {} s", self.seconds)
            .hint("the limit is half of `network_timeout` in the source")
    }
}

/// Relays bytes in both directions until the server closes the connection. When ssh exits first, it kills this program.
fn relay(stream: &TcpStream, first: &[u8]) -> Result<()> {
    let mut output = File::from(duplicate(io::stdout())?);
    let mut input = File::from(duplicate(io::stdin())?);
    output.write_all(first)?;
    let mut to_server = stream.try_clone()?;
    std::thread::spawn(move || {
        // Ignore errors: the other direction notices a lost server. Close only the writing side, since the server may
        // still send.
        let _ = copy(&mut input, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    copy(&mut &*stream, &mut output).context("cannot forward data from the server")
}

/// Copies each piece as soon as it arrives. (`io::copy` may use `splice`, which delays small pieces.)
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(buffer.get(..length).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn duplicate(stream: impl AsFd) -> io::Result<OwnedFd> {
    stream.as_fd().try_clone_to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_accepts_only_plain_hosts() {
        let companion = Path::new("/tmp/a'b%/jetway-tunnel");
        assert_eq!(command(companion, "h.example", 22).unwrap(), r"'/tmp/a'\''b%%/jetway-tunnel' h.example 22");
        assert!(command(companion, "::1", 22).is_ok());
        for host in ["", "-x", "a b", "$(id)", "a;b", "a'b", "`id`", "a%h", "a\nb"] {
            assert!(command(companion, host, 22).is_err(), "{host}");
        }
    }
}
