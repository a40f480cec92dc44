//! The texts by which errors are recognised, from the installed git, curl, ssh and git-lfs themselves: an upgrade that changes a text
//! fails here.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jetway::ErrorText;
use jetway_git_client::transport::error_texts::TABLE;
use jetway_tests::http_git::{Fault, HttpGit};
use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::ssh_git::SshGit;
use jetway_tests::stand_in::{Response, StandIn};
use jetway_tests::{git, scratch};

use crate::support::history;

/// ssh as a get runs it, without the files of a user.
const SSH: &str = "ssh -F none -o BatchMode=yes -o ConnectTimeout=1 -o IdentityFile=none -o IdentitiesOnly=yes";

/// A commit that no repository has.
const UNKNOWN: &str = "1111111111111111111111111111111111111111";

/// Runs commands that fail, and collects what they print, in lower case.
struct Failures {
    /// An empty repository.
    client: Repository,
    printed: Vec<(String, String)>,
}

impl Failures {
    fn run(&mut self, arguments: &[&str]) {
        let mut command = git::command(self.client.path());
        command
            .args(arguments)
            .env("GIT_SSH_COMMAND", format!("{SSH} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"));
        self.run_command(&mut command);
    }

    fn run_command(&mut self, command: &mut Command) {
        let output = command.stdin(Stdio::null()).output().expect("start a program");
        assert!(!output.status.success(), "{command:?} succeeded");
        let printed = [output.stdout, output.stderr].concat();
        self.printed.push((format!("{command:?}"), String::from_utf8_lossy(&printed).to_lowercase()));
    }
}

/// Serves each connection on loopback by a thread, until the process ends; returns the port.
fn serve(handle: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port on loopback");
    let port = listener.local_addr().expect("the listener's address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handle = handle.clone();
            std::thread::spawn(move || handle(stream));
        }
    });
    port
}

/// Reads what the client has sent, and closes the connection.
fn close_after_reading(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 4096]);
}

/// Closes the connection before what the client sends is read: the kernel resets it.
fn reset(stream: TcpStream) {
    let _ = stream.peek(&mut [0; 1]);
    std::thread::sleep(Duration::from_millis(100));
}

/// Sends these bytes once the client has sent something, and closes the connection after the client's next message.
fn close_after(bytes: Vec<u8>) -> impl Fn(TcpStream) + Clone + Send + 'static {
    move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(&bytes);
        let _ = stream.read(&mut [0; 4096]);
    }
}

/// What a server without any capability sends first: gitprotocol-pack(5), "Reference Discovery".
fn refs_without_capabilities() -> Vec<u8> {
    let line = |text: String| format!("{:04x}{text}", text.len() + 4);
    let first = line(format!("{UNKNOWN} HEAD\0 \n"));
    format!("{first}{}0000", line(format!("{UNKNOWN} refs/heads/main\n"))).into_bytes()
}

fn a_closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port on loopback");
    listener.local_addr().expect("the listener's address").port()
}

fn connections(failures: &mut Failures) {
    let silent = serve(|_stream| std::thread::sleep(Duration::from_secs(5)));
    let greeting = serve(close_after(b"SSH-2.0-test\r\n".to_vec()));
    for port in [serve(close_after_reading), serve(reset), silent, greeting, a_closed_port()] {
        failures.run(&["ls-remote", &format!("ssh://u@127.0.0.1:{port}/x")]);
    }
    for port in [serve(close_after_reading), serve(reset), a_closed_port()] {
        failures.run(&["ls-remote", &format!("http://127.0.0.1:{port}/x")]);
    }
    failures.run(&["ls-remote", &format!("git://127.0.0.1:{}/x", a_closed_port())]);
    for scheme in ["http", "ssh"] {
        failures.run(&["ls-remote", &format!("{scheme}://nowhere.invalid/x")]);
    }
    failures.run(&["ls-remote", "/nonexistent"]);
}

fn http(failures: &mut Failures) {
    let (repository, _) = history(&["one", "two"]);
    let server = HttpGit::serve(repository.root());
    let url = server.url(repository.name());
    server.fail_next(Fault::status(503));
    failures.run(&["ls-remote", &url]);
    // Before the pack, and in a pack of several packets.
    let digits = |number: u64| format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let noise: String = (1..40_000).map(digits).collect();
    repository.commit("large", &[("large", &noise)]);
    for bytes in [40, 150_000] {
        server.fail_after(2, "upload-pack", Fault::CutAfter { bytes });
        failures.run(&["fetch", &url, "main"]);
    }

    let server = HttpGit::builder(repository.root()).credentials("u", "p").start();
    let with_user = |user: &str| server.url(repository.name()).replace("://", &format!("://{user}"));
    for user in ["", "u@", "u:wrong@"] {
        failures.run(&["ls-remote", &with_user(user)]);
    }
    failures.run_command(
        git::command(failures.client.path()).args(["ls-remote", &with_user("")]).env("GIT_ASKPASS", "false"),
    );

    // The repository as plain files: gitprotocol-http(5), "Dumb Clients".
    repository.git(&["update-server-info"]);
    let root = repository.root().to_owned();
    let files = StandIn::start(move |request| match fs::read(root.join(request.parts().join("/"))) {
        Ok(content) => Response::bytes(200, "text/plain", content),
        Err(_) => Response::text(404, "not found"),
    });
    let url = format!("{}/{}", files.url(), repository.name());
    failures.run(&["fetch", "--depth=1", &url, "main"]);
    failures.run(&["fetch", &url, UNKNOWN]);
}

fn tls(failures: &mut Failures) {
    let directory = scratch::directory();
    let authority = directory.path().join("authority.pem");
    let trusting = format!("http.sslCAInfo={}", authority.display());
    let server = StandIn::start_tls_for("other.example", |_| Response::text(200, ""));
    failures.run(&["ls-remote", &format!("{}/x", server.url())]);
    fs::write(&authority, server.authority()).expect("write a certificate");
    failures.run(&["-c", &trusting, "ls-remote", &format!("{}/x", server.url())]);
    let closing = serve(close_after_reading);
    failures.run(&["ls-remote", &format!("https://127.0.0.1:{closing}/x")]);
}

fn fetches(failures: &mut Failures) {
    let (repository, _) = history(&["one"]);
    let url = repository.file_url();
    failures.run(&["fetch", &url, "missing"]);
    failures.run(&["clone", "-q", "--branch", "missing", &url, "clone"]);
    failures.run(&["fetch", &url, UNKNOWN]);
    failures.run(&["-c", "protocol.version=0", "fetch", &url, UNKNOWN]);
    let sha256 = Repository::with_object_format("sha256");
    sha256.commit("one", &[("f", "1")]);
    failures.run(&["fetch", &sha256.file_url(), "main"]);

    let bare = serve(close_after(refs_without_capabilities()));
    for option in ["--depth=1", "--shallow-since=2020-01-01", "--no-tags"] {
        failures.run(&["fetch", option, &format!("git://127.0.0.1:{bare}/x"), "main"]);
    }

    repository.configure("uploadpack.allowFilter", "true");
    repository.configure("uploadpackfilter.blob:none.allow", "false");
    repository.configure("uploadpackfilter.tree.maxDepth", "0");
    for filter in ["--filter=blob:none", "--filter=tree:1"] {
        let directory = scratch::directory();
        failures.run_command(git::command(directory.path()).args(["clone", "-q", filter, &url, "clone"]));
    }

    let broken = Repository::new();
    fs::write(broken.path().join("refs/heads/broken"), format!("{UNKNOWN}\n")).expect("write a ref");
    failures.run_command(git::command(broken.path()).args(["fetch", &url, "main:new"]));
}

fn ssh(failures: &mut Failures) {
    let (repository, _) = history(&["one"]);
    let server = SshGit::start();
    let url = server.url(repository.path());
    failures.run(&["ls-remote", &url]);
    let directory = scratch::directory();
    let known_hosts = directory.path().join("known_hosts");
    let other = jetway_tests::ssh_git::key_pair("ed25519", None);
    for known in [String::new(), format!("[127.0.0.1]:{} {}\n", server.port(), other.public)] {
        fs::write(&known_hosts, known).expect("write the known hosts");
        let strict = format!("{SSH} -o StrictHostKeyChecking=yes -o UserKnownHostsFile={}", known_hosts.display());
        let mut command = git::command(failures.client.path());
        failures.run_command(command.args(["ls-remote", &url]).env("GIT_SSH_COMMAND", strict));
    }
}

fn pushes(failures: &mut Failures) {
    let (repository, commits) = history(&["one"]);
    let url = repository.file_url();
    let directory = scratch::directory();
    let work = jetway_tests::checkout::Checkout::clone(&url, directory.path(), "work");
    work.commit("ours", &[("ours", "1")]);
    repository.commit("theirs", &[("theirs", "1")]);
    repository.tag("v1", &commits[0]);
    let mut push = |options: &[&str]| {
        let mut command = git::command(work.path());
        failures.run_command(command.args(["push", "--porcelain"]).args(options));
    };
    push(&[&url, "HEAD:refs/heads/main"]);
    push(&["--atomic", &url, "HEAD:refs/heads/main", "HEAD:refs/heads/new"]);
    push(&[&format!("--force-with-lease=refs/heads/main:{}", commits[0]), &url, "HEAD:refs/heads/main"]);
    push(&[&url, "HEAD:refs/tags/v1"]);
    work.git(&["fetch", "-q", "origin"]);
    push(&[&url, "HEAD:refs/heads/main"]);

    let hook = |name: &str, text: &str| {
        let path = repository.path().join("hooks").join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("create the directory of hooks");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("write a hook");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("make a hook executable");
        path
    };
    let refusing = hook("update", "test \"$1\" = refs/heads/new");
    push(&["--atomic", "--force", &url, "HEAD:refs/heads/main", "HEAD:refs/heads/new"]);
    fs::remove_file(refusing).expect("remove a hook");
    // Another push wins the race after this one has been checked.
    hook("pre-receive", &format!("unset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main {}", commits[0]));
    push(&["--force", &url, "HEAD:refs/heads/main"]);
    repository.configure("receive.advertiseAtomic", "false");
    push(&["--atomic", &url, "HEAD:refs/heads/new"]);
}

fn checkouts(failures: &mut Failures) {
    // A submodule that inherits its branch, in a repository that is on no branch.
    let inner = Repository::new();
    let commit = inner.commit("one", &[("f", "1")]);
    let outer = Repository::new();
    let modules = format!("[submodule \"inner\"]\n\tpath = inner\n\turl = {}\n\tbranch = .\n", inner.file_url());
    outer.change("one").write(".gitmodules", &modules).submodule("inner", &commit).commit();
    let directory = scratch::directory();
    git::run(directory.path(), &["clone", "-q", &outer.file_url(), "work"]);
    let work = directory.path().join("work");
    git::run(&work, &["checkout", "-q", "--detach"]);
    let mut update = git::command(&work);
    update.args(["-c", "protocol.file.allow=always", "submodule", "update", "--init", "--remote"]);
    failures.run_command(&mut update);

    // Filters whose programs are not installed: git is started by its path, and `PATH` is empty.
    let program = git::search_path().split(':').map(|path| Path::new(path).join("git")).find(|path| path.exists());
    let program = program.expect("git is installed");
    let filters = [
        ("lfs", "process", "git-lfs filter-process"),
        ("lfs", "smudge", "git-lfs smudge"),
        ("git-crypt", "smudge", "\"git-crypt\" smudge"),
    ];
    for (name, key, program_of_filter) in filters {
        let repository = Repository::new();
        repository.commit("one", &[(".gitattributes", &format!("f filter={name}\n")), ("f", "1")]);
        let mut clone = Command::new(&program);
        clone.current_dir(directory.path()).env_clear().envs(git::ISOLATION).env("PATH", directory.path());
        clone.arg("-c").arg(format!("filter.{name}.{key}={program_of_filter}"));
        clone.arg("-c").arg(format!("filter.{name}.required=true"));
        failures.run_command(clone.args(["clone", "-q", &repository.file_url(), &format!("{name}-{key}")]));
    }
}

#[test]
fn installed_programs_print_the_texts_of_the_table() {
    if !require(Layer::Ssh) {
        return;
    }
    let mut failures = Failures { client: Repository::new(), printed: Vec::new() };
    for provoke in [connections, http, tls, fetches, ssh, pushes, checkouts] {
        provoke(&mut failures);
    }
    let messages: Vec<String> = failures.printed.iter().map(|(_, printed)| printed.clone()).collect();
    assert_eq!(ErrorText::missing(TABLE, &messages), Vec::<String>::new(), "{:#?}", failures.printed);
}
