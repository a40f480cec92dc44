//! A container engine as a fixture: this machine's, which builds, pulls and runs. Nothing can be pulled from elsewhere, so that
//! the image to build upon is made here, of Debian's static busybox.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::layer::{self, Layer};

/// Where this machine's engine listens.
pub const SOCKET: &str = "/var/run/docker.sock";

/// The image that fixtures build upon: busybox, and a `/tmp`.
pub const BASE: &str = "jetway-tests/base:busybox";

/// This machine's static busybox, for containers of images that hold no program but their own.
pub const BUSYBOX: &str = "/bin/busybox";

/// Whether there is an engine, with [`BASE`] in it. When there is none, the calling test is to return.
pub fn require() -> bool {
    static MADE: OnceLock<()> = OnceLock::new();
    if !layer::require(Layer::Engine) || !layer::require(Layer::Program("busybox")) {
        return false;
    }
    MADE.get_or_init(make_base);
    true
}

fn make_base() {
    let root = crate::scratch::directory();
    let bin = root.path().join("bin");
    std::fs::create_dir_all(&bin).expect("make a directory");
    std::fs::create_dir_all(root.path().join("tmp")).expect("make a directory");
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
    let busybox = busybox.expect("busybox-static");
    std::fs::copy(busybox, bin.join("busybox")).expect("copy busybox");
    // Not the copy: a child that another test starts at this moment may still hold it open for writing.
    let names = Command::new(busybox).arg("--list").output().expect("ask busybox for its names");
    for name in String::from_utf8_lossy(&names.stdout).lines().filter(|name| *name != "busybox") {
        let _ = std::os::unix::fs::symlink("busybox", bin.join(name));
    }
    let tar = Command::new("tar")
        .args(["--create", "--owner=0", "--group=0", "--sort=name", "--mtime=@0", "--directory"])
        .arg(root.path())
        .arg(".")
        .output()
        .expect("run tar");
    let mut import = Command::new("docker")
        .args(["import", "--change", "ENV PATH=/bin", "-", BASE])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("run docker");
    import.stdin.take().expect("its input").write_all(&tar.stdout).expect("hand docker an archive");
    assert!(import.wait().expect("wait for docker").success(), "docker import failed");
}

/// Asks the engine by its command line; `None` when that fails.
pub fn try_docker(arguments: &[&str]) -> Option<String> {
    let output = call(arguments);
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// The same where it must not fail.
#[track_caller]
pub fn docker(arguments: &[&str]) -> String {
    let output = call(arguments);
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn call(arguments: &[&str]) -> Output {
    Command::new("docker")
        .args(arguments)
        .env("DOCKER_BUILDKIT", "0")
        .stdin(Stdio::null())
        .output()
        .expect("run docker")
}

/// The arguments of `docker run` for a container that may hold an engine: privileged, or all that it comes to where the machine
/// itself has not every capability.
pub fn privileged() -> Vec<String> {
    let flags: &[&str] = if try_docker(&["run", "--rm", "--privileged", BASE, "true"]).is_some() {
        &["--privileged"]
    } else {
        &[
            "--cap-add=ALL",
            "--cap-drop=SYS_RESOURCE",
            "--security-opt=seccomp=unconfined",
            "--security-opt=apparmor=unconfined",
            "--security-opt=systempaths=unconfined",
        ]
    };
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

/// This machine's address as containers with a network of their own see it.
pub fn bridge_address() -> String {
    let routes = docker(&["run", "--rm", BASE, "ip", "route"]);
    let gateway = routes.lines().find_map(|line| line.strip_prefix("default via ")?.split(' ').next());
    gateway.expect("a default route in a container").to_owned()
}

/// The images of a repository; they are removed when this is dropped.
pub struct Images(String);

impl Images {
    /// Those of a repository that a test builds.
    pub fn of(repository: &str) -> Self {
        Self(repository.to_owned())
    }

    /// Removes them from the engine.
    pub fn remove(&self) {
        if let Some(names) = try_docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", &self.0]) {
            for name in names.lines() {
                try_docker(&["rmi", "--force", name]);
            }
        }
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        self.remove();
    }
}
