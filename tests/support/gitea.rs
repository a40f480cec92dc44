//! A real Gitea server: git over HTTP and ssh, deploy keys, protected branches, LFS, commit statuses and a registry.
//!
//! One server runs for each test process, and ends with it. Each test creates its own repositories.
//! `counterparts/make.sh` builds the program.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::layer::{self, Layer};
use crate::repository::Repository;
use crate::{counterparts, git, scratch};

/// The user that owns the repositories.
pub const USER: &str = "jet";

/// The password of [`USER`].
pub const PASSWORD: &str = "w4y-t0-g0-s3cret";

/// Gitea does not run as root, so tests that run as root start it as this user (`nobody` on Debian).
const UNPRIVILEGED: u32 = 65534;

/// A running Gitea.
#[derive(Debug)]
pub struct Gitea {
    port: u16,
    ssh_port: u16,
    token: String,
}

/// A repository of [`USER`] on a Gitea.
#[derive(Debug)]
pub struct GiteaRepository {
    server: &'static Gitea,
    name: String,
}

/// The Gitea of this test process; `None` if it cannot run here, which is counted as a skip.
pub fn gitea() -> Option<&'static Gitea> {
    layer::require(Layer::Gitea).then(|| running().as_ref().expect("a Gitea that is available"))
}

/// The reason why Gitea cannot run here.
pub(crate) fn unavailable() -> Option<String> {
    running().as_ref().err().cloned()
}

fn running() -> &'static Result<Gitea, String> {
    static RUNNING: OnceLock<Result<Gitea, String>> = OnceLock::new();
    RUNNING.get_or_init(|| {
        let program = counterparts::directory("gitea")?;
        let (sender, receiver) = mpsc::channel();
        // The kernel ends the server when the thread that started it ends, so this thread lives as long as the process.
        std::thread::spawn(move || {
            let (gitea, daemon) = start(&program);
            let _ = sender.send(gitea);
            loop {
                std::thread::park();
                let _ = &daemon;
            }
        });
        receiver.recv().map_err(|_| "Gitea did not start".to_owned())
    })
}

fn start(program: &Path) -> (Gitea, Daemon) {
    // The directory may outlive this process: the next test run removes it.
    let directory = scratch::directory().keep();
    let root = rustix::process::getuid().is_root();
    if root {
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("open Gitea's directory");
        chown(&directory, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).expect("give Gitea its directory");
    }
    let configuration = directory.join("app.ini");
    let command = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if root {
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        }
        command.arg("--").arg(program.join("gitea")).args(arguments).arg("--config").arg(&configuration);
        command.current_dir(&directory).env_clear();
        command.env("PATH", git::search_path()).env("HOME", &directory).env("GITEA_WORK_DIR", &directory);
        command
    };
    let run = |arguments: &[&str]| {
        let done = command(arguments).stdin(Stdio::null()).output().expect("run gitea");
        let messages = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "gitea {arguments:?}: {}{messages}", String::from_utf8_lossy(&done.stdout));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    };
    let mut ssh_port = 0;
    let write_configuration = |port: u16, ssh_port: u16| {
        fs::write(&configuration, app_ini(&directory, program, port, ssh_port, root)).expect("write app.ini");
        if root {
            chown(&configuration, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).expect("give Gitea its configuration");
        }
    };
    write_configuration(1, 2);
    run(&["migrate"]);
    let admin = ["admin", "user", "create", "--admin", "--must-change-password=false", "--email", "jet@example.com"];
    run(&[&admin[..], &["--username", USER, "--password", PASSWORD]].concat());
    let token = ["admin", "user", "generate-access-token", "--raw", "--scopes", "all", "--token-name", "tests"];
    let token = run(&[&token[..], &["--username", USER]].concat());
    let (daemon, port) = Daemon::listen(|port| {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        ssh_port = free.expect("find a free port").port();
        write_configuration(port, ssh_port);
        command(&["web"])
    });
    (Gitea { port, ssh_port, token }, daemon)
}

/// Gitea's settings (its documentation, "Configuration Cheat Sheet"). The pages of the API are small, so that a list of a dozen has two.
fn app_ini(directory: &Path, program: &Path, port: u16, ssh_port: u16, root: bool) -> String {
    let user = if root { "nobody".to_owned() } else { std::env::var("USER").unwrap_or_else(|_| "nobody".to_owned()) };
    let (directory, program) = (directory.display(), program.display());
    format!(
        "RUN_USER = {user}\nRUN_MODE = prod\nWORK_PATH = {directory}\n\
         [server]\nSTATIC_ROOT_PATH = {program}\nAPP_DATA_PATH = {directory}/data\nHTTP_ADDR = 127.0.0.1\n\
         HTTP_PORT = {port}\nROOT_URL = http://127.0.0.1:{port}/\nDOMAIN = 127.0.0.1\nSTART_SSH_SERVER = true\n\
         SSH_DOMAIN = 127.0.0.1\nSSH_LISTEN_HOST = 127.0.0.1\nSSH_PORT = {ssh_port}\nSSH_LISTEN_PORT = {ssh_port}\n\
         BUILTIN_SSH_SERVER_USER = git\nLFS_START_SERVER = true\nOFFLINE_MODE = true\n\
         [database]\nDB_TYPE = sqlite3\nPATH = {directory}/gitea.db\n\
         [security]\nINSTALL_LOCK = true\nPASSWORD_HASH_ALGO = pbkdf2\nSECRET_KEY = tests\n\
         DISABLE_GIT_HOOKS = false\n\
         [api]\nMAX_RESPONSE_ITEMS = 10\n\
         [repository]\nROOT = {directory}/repositories\n\
         [lfs]\nPATH = {directory}/lfs\n\
         [packages]\nENABLED = true\n\
         [log]\nMODE = file\nLEVEL = warn\nROOT_PATH = {directory}/log\n\
         [cron]\nENABLED = false\n[actions]\nENABLED = false\n[indexer]\nISSUE_INDEXER_TYPE = db\n\
         [service]\nDISABLE_REGISTRATION = true\n[webhook]\nALLOWED_HOST_LIST = loopback\n"
    )
}

impl Gitea {
    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `127.0.0.1:PORT`, which is also the registry's host.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// An access token of [`USER`] with every scope.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sends a request to the API below `/api/v1`, as [`USER`].
    ///
    /// # Panics
    /// If the response is not a success.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.request(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// Sends a request to the API as [`USER`], and returns the status code and body of any response.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--max-time",
            "30",
            "--request",
            method,
            "--write-out",
            "\n%{http_code}",
        ]);
        curl.args(["--user", &format!("{USER}:{PASSWORD}"), "--header", "Content-Type: application/json"]);
        if body.is_some() {
            curl.args(["--data-binary", "@-"]);
        }
        curl.arg(format!("{}/api/v1{path}", self.url()));
        let mut child = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start curl");
        let mut input = child.stdin.take().expect("a pipe");
        if let Some(body) = body {
            input.write_all(body.to_string().as_bytes()).expect("send the body to curl");
        }
        drop(input);
        let done = child.wait_with_output().expect("run curl");
        let answer = String::from_utf8_lossy(&done.stdout).into_owned();
        let (body, status) = answer.rsplit_once('\n').expect("curl's last line is the status");
        (status.parse().expect("a status code"), body.to_owned())
    }

    /// Creates an empty repository with a unique name.
    pub fn repository(&'static self) -> GiteaRepository {
        self.repository_with(&json!({}))
    }

    /// Creates an empty repository with more options of the API, such as `object_format_name`.
    pub fn repository_with(&'static self, options: &Value) -> GiteaRepository {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("repository-{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        let mut body = json!({ "name": name, "default_branch": "main" });
        for (key, value) in options.as_object().expect("options are an object") {
            body[key] = value.clone();
        }
        self.api("POST", "/user/repos", Some(&body));
        GiteaRepository { server: self, name }
    }

    /// Creates a repository with the branches and tags of this one.
    pub fn repository_of(&'static self, repository: &Repository) -> GiteaRepository {
        let made = self.repository();
        made.push_all(repository.path());
        // Gitea works on a push after its end. Until then, an API for the content of a repository responds that there is none.
        for _ in 0..200 {
            if made.api("GET", "", None)["empty"] == false {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        made
    }
}

impl GiteaRepository {
    /// `OWNER/NAME`.
    pub fn full_name(&self) -> String {
        format!("{USER}/{}", self.name)
    }

    /// Its URL for git, without a login.
    pub fn url(&self) -> String {
        format!("{}/{}.git", self.server.url(), self.full_name())
    }

    /// Its URL for git over ssh.
    pub fn ssh_url(&self) -> String {
        format!("ssh://git@127.0.0.1:{}/{}.git", self.server.ssh_port, self.full_name())
    }

    /// Sends a request to the API below the repository, as [`USER`].
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.server.api(method, &format!("/repos/{}{path}", self.full_name()), body)
    }

    /// Pushes every branch and tag of a local repository.
    pub fn push_all(&self, from: &Path) {
        git::run(from, &["push", "-q", &self.url_with_login(), "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"]);
    }

    /// Its URL for git with the login of [`USER`].
    pub fn url_with_login(&self) -> String {
        self.url().replacen("http://", &format!("http://{USER}:{PASSWORD}@"), 1)
    }

    /// The object id of a ref on the server; `None` if the ref does not exist.
    pub fn resolve(&self, name: &str) -> Option<String> {
        let listed = git::run(&PathBuf::from("/"), &["ls-remote", &self.url_with_login(), name]);
        listed.split_whitespace().next().map(str::to_owned)
    }

    /// Adds a deploy key, read-only or with write access.
    pub fn add_deploy_key(&self, public: &str, read_only: bool) {
        self.api("POST", "/keys", Some(&json!({ "title": "deploy", "key": public, "read_only": read_only })));
    }
}
