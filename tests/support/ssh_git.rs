//! A git server over ssh: Debian's `sshd`, running as the test's user with generated keys.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;

use crate::{git, process, scratch};

/// The path of Debian's sshd. It re-executes itself for each connection, so it requires an absolute path.
pub const SSHD: &str = "/usr/sbin/sshd";

/// A key pair.
pub struct KeyPair {
    /// The private key, for a pipeline's `private_key`.
    pub private: String,
    /// The public key, one line.
    pub public: String,
}

/// A running server. It stops, with its connections, when it is dropped.
///
/// The connections are accepted here, and each is passed to an `sshd` in inetd mode. So no other process can take the port, and
/// connections can be counted and stalled.
pub struct SshGit {
    address: SocketAddr,
    directory: TempDir,
    deploy_key: KeyPair,
    host_key: String,
    user: String,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    stopped: AtomicBool,
    stalls: AtomicBool,
    connections: AtomicUsize,
    children: Mutex<Vec<Child>>,
    stalled: Mutex<Vec<TcpStream>>,
}

impl SshGit {
    /// Starts a server that accepts [`deploy_key`](Self::deploy_key). It serves every repository by its absolute path.
    pub fn start() -> Self {
        make_privilege_separation_directory();
        let directory = scratch::directory();
        let host = key_pair("ed25519", None);
        let deploy_key = key_pair("ed25519", None);
        let file = |name: &str, content: &str| {
            let path = directory.path().join(name);
            fs::write(&path, content).expect("write a file of the ssh server");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("protect a file of the ssh server");
            path
        };
        let host_key_file = file("host_key", &host.private);
        let authorized = file("authorized_keys", &format!("{}\n", deploy_key.public));
        let configuration = file("sshd_config", &configuration(&host_key_file, &authorized));
        let log = file("log", "");

        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind a port on loopback");
        let address = listener.local_addr().expect("the listener's address");
        let state = Arc::<State>::default();
        let served = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("ssh-git".to_owned())
            .spawn(move || accept(&listener, &configuration, &log, &served))
            .expect("start the server's thread");
        Self { address, directory, deploy_key, host_key: host.public, user: user(), state, thread: Some(thread) }
    }

    /// The ssh URL of a repository.
    pub fn url(&self, repository: &Path) -> String {
        format!("ssh://{}@{}{}", self.user, self.address, repository.display())
    }

    /// The accepted key.
    pub fn deploy_key(&self) -> &KeyPair {
        &self.deploy_key
    }

    /// Accepts another key.
    pub fn authorize(&self, public: &str) {
        let path = self.directory.path().join("authorized_keys");
        let mut keys = fs::read_to_string(&path).expect("read the authorized keys");
        keys.push_str(public.trim_end());
        keys.push('\n');
        fs::write(path, keys).expect("write the authorized keys");
    }

    /// The server's line for a `known_hosts` file.
    pub fn known_hosts(&self) -> String {
        format!("[{}]:{} {}", self.address.ip(), self.address.port(), self.host_key)
    }

    /// The server's port on loopback.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The user that clients log in as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The number of accepted connections.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Stalls all connections from now on, new and open ones, if `stalls` is set.
    pub fn stall(&self, stalls: bool) {
        self.state.stalls.store(stalls, Ordering::SeqCst);
    }

    /// The server's log, for the message of a failed test.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for SshGit {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread, which waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for child in self.state.children.lock().expect("no connection panicked").iter_mut() {
            // The PID of a child that was reaped may belong to another process, so it is not killed.
            if matches!(child.try_wait(), Ok(None)) {
                for process in process::descendants(child.id()) {
                    process.kill();
                }
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

/// Generates a key pair: `ed25519`, `rsa` or `ecdsa`, with or without a passphrase.
pub fn key_pair(kind: &str, passphrase: Option<&str>) -> KeyPair {
    generate(kind, &["-N", passphrase.unwrap_or_default()])
}

fn generate(kind: &str, options: &[&str]) -> KeyPair {
    let directory = scratch::directory();
    let file = directory.path().join("key");
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-C", "fixture"])
        .args(options)
        .arg("-f")
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .expect("start ssh-keygen");
    assert!(output.status.success(), "ssh-keygen failed: {}", String::from_utf8_lossy(&output.stderr));
    KeyPair {
        private: fs::read_to_string(&file).expect("read the private key"),
        public: fs::read_to_string(file.with_extension("pub")).expect("read the public key").trim_end().to_owned(),
    }
}

/// Generates an `rsa` or `ecdsa` key pair whose private key is in a format of `ssh-keygen -m`: `PEM` or `PKCS8`.
pub fn pem_private_key(kind: &str, format: &str) -> KeyPair {
    generate(kind, &["-m", format, "-N", ""])
}

fn configuration(host_key: &Path, authorized_keys: &Path) -> String {
    let (host_key, authorized_keys) = (host_key.display(), authorized_keys.display());
    // StrictModes rejects the parent directories of a temporary file. PAM requires more of a login than is available here.
    format!(
        "HostKey {host_key}\n\
         AuthorizedKeysFile {authorized_keys}\n\
         AuthenticationMethods publickey\n\
         PermitRootLogin yes\n\
         StrictModes no\n\
         UsePAM no\n\
         PidFile none\n\
         PrintMotd no\n\
         PermitUserRC no\n\
         AcceptEnv GIT_PROTOCOL\n\
         SetEnv GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1\n\
         LogLevel VERBOSE\n"
    )
}

/// sshd as root requires its empty privilege separation directory, which only a service manager creates.
fn make_privilege_separation_directory() {
    let directory = PathBuf::from("/run/sshd");
    if rustix::process::getuid().is_root() && !directory.exists() {
        fs::create_dir_all(&directory).expect("create /run/sshd");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("open /run/sshd");
    }
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("start id");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn accept(listener: &TcpListener, configuration: &Path, log: &Path, state: &State) {
    for stream in listener.incoming() {
        if state.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        state.connections.fetch_add(1, Ordering::SeqCst);
        if state.stalls.load(Ordering::SeqCst) {
            state.stalled.lock().expect("no connection panicked").push(stream);
            continue;
        }
        let _ = stream.set_nodelay(true);
        let Ok(output) = stream.try_clone() else { continue };
        let child = Command::new(SSHD)
            .arg("-i")
            .arg("-f")
            .arg(configuration)
            .arg("-E")
            .arg(log)
            .env_clear()
            .env("PATH", git::search_path())
            .stdin(OwnedFd::from(stream))
            .stdout(OwnedFd::from(output))
            .stderr(Stdio::null())
            .spawn();
        let mut children = state.children.lock().expect("no connection panicked");
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        children.extend(child);
    }
}
