//! Runs Debian's package of the distribution project's registry, with tools to fill it.

pub mod client;
pub mod detour;
pub mod hand_made;
pub mod image;
pub mod memory;
pub mod proxy;
pub mod receiver;
pub mod tar;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use self::client::Client;
use crate::certificates::{Authority, Identity};
use crate::token_server::TokenServer;
use crate::{process, scratch};

/// The user of a registry with authentication.
pub const USER: &str = "jet";

/// The password of [`USER`].
pub const PASSWORD: &str = "w4y-t0-g0-s3cret";

/// A running registry. It stops when it is dropped.
pub struct Registry {
    child: Child,
    port: u16,
    authority: Option<Authority>,
    /// Its host, if it is not `localhost`.
    address: Option<String>,
    directory: TempDir,
}

/// The configuration of a registry.
#[derive(Default)]
pub struct Manner<'t> {
    /// Requires [`USER`] and [`PASSWORD`].
    pub htpasswd: bool,
    /// With `htpasswd`: requires this user and password instead.
    pub login: Option<(&'t str, &'t str)>,
    /// The address of this machine to listen at in place of loopback, reachable from containers with their own network.
    pub address: Option<&'t str>,
    /// Serves TLS, with a certificate of its own CA for `localhost` and its address.
    pub tls: bool,
    /// Another name in its certificate.
    pub name: Option<&'t str>,
    /// Requires a client certificate of its CA, such as [`Registry::client_certificate`].
    pub client_certificates: bool,
    /// Requires a token of this server.
    pub tokens: Option<&'t TokenServer>,
}

impl Registry {
    /// Starts a registry without authentication.
    pub fn start() -> Self {
        Self::with(&Manner::default())
    }

    /// Starts a registry that containers can reach, at this address of the machine.
    pub fn start_for_containers(address: &str) -> Self {
        Self::with(&Manner { address: Some(address), ..Manner::default() })
    }

    /// Starts a registry on a port that the system picks.
    pub fn with(manner: &Manner<'_>) -> Self {
        let address = manner.address;
        let directory = scratch::directory();
        let file = |name: &str, content: &str| {
            let path = directory.path().join(name);
            fs::write(&path, content).expect("write a file of the registry");
            path.display().to_string()
        };
        let mut configuration = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: false}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n",
            directory.path().join("storage").display()
        );
        let mut authority = None;
        let mut http = format!("addr: '{}:0'", address.unwrap_or("127.0.0.1"));
        if manner.tls {
            let own = Authority::new();
            let names: Vec<&str> = ["localhost"].into_iter().chain(address).chain(manner.name).collect();
            let Identity { certificate, key } = own.server(&names);
            let (certificate, key) = (file("cert.pem", &certificate), file("key.pem", &key));
            let clients = if manner.client_certificates {
                format!(", clientcas: [{}]", file("authority.pem", own.pem()))
            } else {
                String::new()
            };
            let _ = write!(http, ", tls: {{certificate: {certificate}, key: {key}{clients}}}");
            authority = Some(own);
        }
        let _ = writeln!(configuration, "http: {{{http}}}");
        if manner.htpasswd {
            let (user, password) = manner.login.unwrap_or((USER, PASSWORD));
            let made =
                Command::new("htpasswd").args(["-Bbn", "-C", "4", user, password]).output().expect("run htpasswd");
            let users = file("htpasswd", &String::from_utf8_lossy(&made.stdout));
            let _ = writeln!(configuration, "auth: {{htpasswd: {{realm: registry, path: {users}}}}}");
        }
        if let Some(tokens) = manner.tokens {
            let bundle = file("tokens.pem", tokens.certificate());
            let _ = writeln!(
                configuration,
                "auth: {{token: {{realm: '{}', service: {}, issuer: {}, rootcertbundle: {bundle}}}}}",
                tokens.realm(),
                TokenServer::SERVICE,
                TokenServer::ISSUER
            );
        }
        let configuration = file("config.yml", &configuration);
        let log = File::create(directory.path().join("log")).expect("create the registry's log");
        let child = Command::new("docker-registry")
            .args(["serve", &configuration])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("share the registry's log"))
            .stderr(log)
            .spawn()
            .expect("start docker-registry (`make deps` installs it)");
        let mut registry = Self { child, port: 0, authority, address: address.map(str::to_owned), directory };
        let port = process::wait_until(Duration::from_secs(20), || registry.listens_on());
        registry.port = port.unwrap_or_else(|| panic!("the registry did not start:\n{}", registry.log()));
        registry
    }

    /// `localhost:PORT`.
    pub fn host(&self) -> String {
        format!("{}:{}", self.address.as_deref().unwrap_or("localhost"), self.port)
    }

    /// The reference of a repository in the registry.
    pub fn repository(&self, path: &str) -> String {
        format!("{}/{path}", self.host())
    }

    /// The CA of its certificate, in PEM form.
    pub fn authority(&self) -> &str {
        self.authority.as_ref().expect("a registry over TLS").pem()
    }

    /// A client certificate that its CA signed.
    pub fn client_certificate(&self) -> Identity {
        self.authority.as_ref().expect("a registry over TLS").client("jetway")
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client that can push to it. It does not support TLS.
    pub fn client(&self) -> Client {
        Client::new(self.port)
    }

    /// The requests that it has handled, `GET /v2/x/tags/list 200`, including those for `/v2/`.
    pub fn requests(&self) -> Vec<String> {
        let request = |line: &str| {
            // The common log format: `127.0.0.1 - - [time] "GET /v2/ HTTP/1.1" 200 2 "" "agent"`
            let mut parts = line.split('"');
            let (before, request, status) = (parts.next()?, parts.next()?, parts.next()?);
            let target = request.strip_suffix(" HTTP/1.1").or_else(|| request.strip_suffix(" HTTP/2.0"))?;
            let status = status.split_whitespace().next()?;
            before.contains(" - ").then(|| format!("{target} {status}"))
        };
        self.log().lines().filter_map(request).collect()
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Copies an image into it with skopeo; `from` has skopeo's syntax, `oci:DIR:TAG`.
    pub fn copy(&self, from: &str, path: &str, arguments: &[&str]) {
        let to = format!("docker://{}", self.repository(path));
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]).args(arguments);
        run(command.args([from, &to]));
    }

    fn listens_on(&self) -> Option<u16> {
        let log = self.log();
        let address = self.address.as_deref().unwrap_or("127.0.0.1");
        let (_, after) = log.split_once(&format!("listening on {address}:"))?;
        after.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command, and returns its output. Panics if it fails.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("run {command:?}: {error}"));
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {messages}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The directory of the registry's files.
impl AsRef<Path> for Registry {
    fn as_ref(&self) -> &Path {
        self.directory.path()
    }
}
