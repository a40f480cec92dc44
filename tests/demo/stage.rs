//! What the chapters share: a repository with history, the servers in front of it, and a colleague who pushes to it.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use jetway_tests::binaries;
use jetway_tests::checkout::Checkout;
use jetway_tests::http_git::HttpGit;
use jetway_tests::large_repository::{Size, large_repository};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::ssh_git::{SSHD, SshGit};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::story::{Server, Step};
use crate::transcript::{counted, size, time};

/// Who may read and write over HTTP.
pub(crate) const USER: &str = "ci";

/// With characters that an address or a header would have to quote.
const PASSWORD: &str = "c0rrect h%rse/battery";

/// Large enough that what is not read shows in the figures.
const HISTORY: Size = Size { commits: 400, files: 60 };

/// Every program that the story runs.
const PROGRAMS: [&str; 2] = ["jetway-git", "jetway"];

/// How often a wait is announced.
const ANNOUNCED_EVERY: Duration = Duration::from_secs(15);

/// Everything that is there before the first verb runs. (The servers come first, so that they end before what they serve.)
pub(crate) struct Stage {
    pub(crate) http: HttpGit,
    ssh: Option<Ssh>,
    pub(crate) repository: Repository,
    pub(crate) colleague: Checkout,
    pub(crate) workspace: TempDir,
}

/// The server with the deploy key.
pub(crate) struct Ssh {
    server: SshGit,
    connections: Cell<usize>,
}

/// Builds the programs, or finds them where `JETWAY_BINARIES` says, so that no later step waits for a compiler.
pub(crate) fn build(step: &mut Step<'_>) {
    for name in PROGRAMS {
        let program = binaries::named(name);
        let length = program.metadata().map(|metadata| metadata.len());
        step.show("built", &format!("{name}, {}", length.map_or_else(|error| error.to_string(), size)));
    }
}

/// Runs the program that builds the other binaries and the images. It tells its progress on standard error.
pub(crate) fn build_the_rest(step: &mut Step<'_>, program: &OsStr) {
    let status = Command::new(program).arg("rest").stdin(Stdio::null()).stdout(io::stderr()).status();
    step.expect("they are built", status.is_ok_and(|status| status.success()));
}

/// Runs `wait`, and says every [`ANNOUNCED_EVERY`] how long that has taken.
pub(crate) fn announcing_the_wait<T>(step: &Step<'_>, wait: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let (ended, has_ended) = mpsc::channel::<()>();
    thread::scope(|threads| {
        threads.spawn(move || {
            while has_ended.recv_timeout(ANNOUNCED_EVERY) == Err(RecvTimeoutError::Timeout) {
                eprintln!("    waiting for {} s; a first build takes some minutes", began.elapsed().as_secs());
            }
        });
        let given = wait();
        drop(ended);
        step.say(&format!("waited {}", time(began.elapsed())));
        given
    })
}

impl Stage {
    /// Makes the repository and starts the servers.
    pub(crate) fn set(step: &mut Step<'_>) -> Self {
        let repository = Repository::named("app");
        let history = large_repository(HISTORY);
        repository.git(&["fetch", "--quiet", history.to_str().expect("UTF-8"), "+refs/*:refs/*"]);
        let http = HttpGit::builder(repository.root()).credentials(USER, PASSWORD).start();
        step.secrets().keep_password(USER, PASSWORD);
        let ssh = Path::new(SSHD).exists().then(|| Ssh { server: SshGit::start(), connections: Cell::new(0) });
        if let Some(ssh) = &ssh {
            step.secrets().keep(&ssh.server.deploy_key().private);
        }
        let workspace = scratch::directory();
        let colleague = Checkout::clone(&repository.file_url(), workspace.path(), "colleague");
        let stage = Self { http, ssh, repository, colleague, workspace };

        step.show("http", &format!("{} (smart HTTP by git http-backend, basic auth)", stage.http_url()));
        if stage.ssh.is_some() {
            step.show("ssh", &format!("{} (sshd, a deploy key)", stage.ssh_url()));
        }
        let count = |arguments: &[&str]| stage.repository.git(&[&["rev-list", "--count", "main"], arguments].concat());
        let merges = count(&["--merges"]);
        step.same(
            &format!("it has {} commits, {merges} of them merges", HISTORY.commits),
            &count(&[]),
            &HISTORY.commits.to_string(),
        );
        stage
    }

    /// The repository's address over HTTP.
    pub(crate) fn http_url(&self) -> String {
        self.http.url(self.repository.name())
    }

    /// The repository's address over ssh.
    pub(crate) fn ssh_url(&self) -> String {
        self.ssh().server.url(self.repository.path())
    }

    /// The server over ssh; a machine without one cannot tell its steps.
    pub(crate) fn ssh(&self) -> &Ssh {
        self.ssh.as_ref().expect("there is no sshd on this machine: `make deps` installs it")
    }

    /// What a pipeline says to read and write over HTTP.
    pub(crate) fn http_source(&self) -> Value {
        json!({ "uri": self.http_url(), "branch": "main", "username": USER, "password": PASSWORD })
    }

    /// What a pipeline says to read and write over ssh.
    pub(crate) fn ssh_source(&self) -> Value {
        let key = &self.ssh().server.deploy_key().private;
        json!({ "uri": self.ssh_url(), "branch": "main", "private_key": key })
    }

    /// What the colleague has committed goes to the server, by plain git.
    pub(crate) fn colleague_pushes(&self) {
        self.colleague.git(&["push", "--quiet", "origin", "HEAD:refs/heads/main"]);
    }

    /// The commit at the end of the server's `main`.
    pub(crate) fn tip(&self) -> String {
        self.repository.tip("main")
    }
}

impl Server for HttpGit {
    fn forget(&self) {
        self.reset();
    }

    fn saw(&self) -> String {
        let requests = self.requests();
        if requests.is_empty() {
            return "the server was not asked".to_owned();
        }
        let statuses: Vec<String> = requests.iter().map(|seen| seen.status.to_string()).collect();
        format!(
            "the server saw {} ({}), {} in, {} out",
            counted(requests.len(), "request"),
            statuses.join(" "),
            size(self.bytes_received()),
            size(self.bytes_sent())
        )
    }
}

impl Server for Ssh {
    fn forget(&self) {
        self.connections.set(self.server.connections());
    }

    fn saw(&self) -> String {
        let connections = self.server.connections() - self.connections.get();
        format!("the server saw {}", counted(connections, "connection"))
    }
}
