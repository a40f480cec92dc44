//! A typical git server: nginx with TLS and a password in front of `git http-backend`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::{git, process, scratch};

/// The directory of the programs on Debian.
pub const PROGRAMS: [&str; 3] = ["/usr/sbin/nginx", "/usr/sbin/fcgiwrap", "/usr/lib/git-core/git-http-backend"];

/// A CA.
pub struct Authority {
    parameters: CertificateParams,
    key: KeyPair,
    /// The certificate of the CA, in PEM format.
    pub pem: String,
}

/// A running server. It ends when it is dropped.
pub struct NginxGit {
    port: u16,
    directory: TempDir,
    _nginx: Daemon,
    _backend: Daemon,
}

impl Authority {
    /// Creates a CA that is not trusted yet.
    pub fn new() -> Self {
        // A client looks up a CA by its name, so two must not have the same name.
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let mut parameters = CertificateParams::default();
        let name = format!("authority {}", COUNTER.fetch_add(1, Ordering::Relaxed));
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("make a key");
        let pem = parameters.self_signed(&key).expect("sign an authority").pem();
        Self { parameters, key, pem }
    }

    /// A certificate for loopback, and its key.
    fn sign(&self) -> (String, String) {
        let key = KeyPair::generate().expect("make a key");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let issuer = Issuer::from_params(&self.parameters, &self.key);
        let certificate = CertificateParams::new(names).expect("names").signed_by(&key, &issuer);
        (certificate.expect("sign a certificate").pem(), key.serialize_pem())
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl NginxGit {
    /// Serves every repository below `root` to the user with this password, for reading and writing. Requests below
    /// `/moved` are redirected to `moved`.
    pub fn start(root: &Path, authority: &Authority, (user, password): (&str, &str), moved: &str) -> Self {
        let directory = scratch::directory();
        let file = |name: &str, content: &str| {
            let path = directory.path().join(name);
            fs::write(&path, content).expect("write a file of the web server");
            path
        };
        let (certificate, key) = authority.sign();
        let certificate = file("certificate.pem", &certificate);
        let key = file("key.pem", &key);
        let users = file("users", &format!("{user}:{{PLAIN}}{password}\n"));
        let socket = directory.path().join("backend.sock");
        let backend = Daemon::start(
            Command::new(PROGRAMS[1])
                .args(["-c", "4", "-s"])
                .arg(format!("unix:{}", socket.display()))
                .env_clear()
                .env("PATH", git::search_path()),
        );
        process::wait_until(Duration::from_secs(20), || socket.exists().then_some(())).expect("fcgiwrap listens");
        let (nginx, port) = Daemon::listen(|port| {
            let configuration = configuration(&Files {
                directory: directory.path(),
                root,
                certificate: &certificate,
                key: &key,
                users: &users,
                socket: &socket,
                port,
                moved,
            });
            let configuration = file("nginx.conf", &configuration);
            let mut command = Command::new(PROGRAMS[0]);
            command.arg("-p").arg(directory.path()).arg("-c").arg(configuration).arg("-e").arg("stderr");
            command
        });
        Self { port, directory, _nginx: nginx, _backend: backend }
    }

    /// The URL of a repository, with the host `localhost`.
    pub fn url(&self, repository: &str) -> String {
        format!("https://localhost:{}/{repository}", self.port)
    }

    /// The URL of a repository, with the loopback address: a different host for credentials.
    pub fn other_url(&self, repository: &str) -> String {
        format!("https://127.0.0.1:{}/{repository}", self.port)
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The requests so far: `STATUS USER METHOD PATH`, where the user is the one that the client named (`-` without one).
    pub fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.directory.path().join("access.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

struct Files<'f> {
    directory: &'f Path,
    root: &'f Path,
    certificate: &'f PathBuf,
    key: &'f PathBuf,
    users: &'f PathBuf,
    socket: &'f PathBuf,
    port: u16,
    moved: &'f str,
}

fn configuration(files: &Files<'_>) -> String {
    let Files { directory, root, certificate, key, users, socket, port, moved } = files;
    let [directory, root, certificate, key, users, socket] =
        [*directory, *root, *certificate, *key, *users, *socket].map(Path::display);
    let backend = PROGRAMS[2];
    let temporary: String = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
        .map(|kind| format!("  {kind}_temp_path {directory}/{kind};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {directory}/pid;\nerror_log {directory}/error.log;\n\
         events {{ worker_connections 64; }}\n\
         http {{\n{temporary}\
         \x20 log_format request '$status $remote_user $request_method $request_uri';\n\
         \x20 access_log {directory}/access.log request;\n\
         \x20 client_max_body_size 0;\n\
         \x20 server {{\n\
         \x20   listen 127.0.0.1:{port} ssl http2;\n\
         \x20   ssl_certificate {certificate};\n\
         \x20   ssl_certificate_key {key};\n\
         \x20   location ~ ^/moved(/.*)$ {{ return 302 {moved}$1$is_args$args; }}\n\
         \x20   location / {{\n\
         \x20     auth_basic git;\n\
         \x20     auth_basic_user_file {users};\n\
         \x20     fastcgi_pass unix:{socket};\n\
         \x20     fastcgi_param SCRIPT_FILENAME {backend};\n\
         \x20     fastcgi_param GIT_PROJECT_ROOT {root};\n\
         \x20     fastcgi_param GIT_HTTP_EXPORT_ALL 1;\n\
         \x20     fastcgi_param GIT_CONFIG_NOSYSTEM 1;\n\
         \x20     fastcgi_param HOME /nonexistent;\n\
         \x20     fastcgi_param GIT_PROTOCOL $http_git_protocol;\n\
         \x20     fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;\n\
         \x20     fastcgi_param PATH_INFO $uri;\n\
         \x20     fastcgi_param QUERY_STRING $query_string;\n\
         \x20     fastcgi_param REQUEST_METHOD $request_method;\n\
         \x20     fastcgi_param CONTENT_TYPE $content_type;\n\
         \x20     fastcgi_param CONTENT_LENGTH $content_length;\n\
         \x20     fastcgi_param REMOTE_USER $remote_user;\n\
         \x20     fastcgi_param REMOTE_ADDR $remote_addr;\n\
         \x20   }}\n  }}\n}}\n"
    )
}
