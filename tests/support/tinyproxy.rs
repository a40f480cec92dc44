//! Runs a real HTTP proxy: tinyproxy, with or without a password.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::scratch;

/// The path in Debian's package.
pub const TINYPROXY: &str = "/usr/bin/tinyproxy";

/// A running proxy. It stops when it is dropped.
pub struct Tinyproxy {
    port: u16,
    directory: TempDir,
    _proxy: Daemon,
}

impl Tinyproxy {
    /// Starts a proxy, with basic authentication if `login` is given. `more` has further lines of its configuration
    /// (`ConnectPort 22` allows only that port).
    pub fn start(login: Option<(&str, &str)>, more: &str) -> Self {
        let directory = scratch::directory();
        let login = login.map(|(user, password)| format!("BasicAuth {user} {password}\n")).unwrap_or_default();
        let (proxy, port) = Daemon::listen(|port| {
            let configuration = directory.path().join("tinyproxy.conf");
            let log = directory.path().join("log");
            let text = format!(
                "Listen 127.0.0.1\nPort {port}\nTimeout 60\nLogLevel Info\nLogFile \"{}\"\n{login}{more}\n",
                log.display()
            );
            fs::write(&configuration, text).expect("write the proxy's configuration");
            let mut command = Command::new(TINYPROXY);
            command.arg("-d").arg("-c").arg(configuration);
            command
        });
        Self { port, directory, _proxy: proxy }
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}
