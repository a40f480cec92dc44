//! This machine's container engine as a fixture: it builds, pulls and runs. It cannot pull from public registries, so the base
//! image is built here from Debian's static busybox.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::layer::{self, Layer};

/// The socket of this machine's engine.
pub const SOCKET: &str = "/var/run/docker.sock";

/// The base image of the fixtures: busybox, and a `/tmp`.
pub const BASE: &str = "jetway-tests/base:busybox";

/// This machine's static busybox, for containers whose images have only their own program.
pub const BUSYBOX: &str = "/bin/busybox";

/// Whether an engine is available, with [`BASE`] in it. If not, the calling test must return.
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
    // Runs the original and not the copy, because a child of another test may still have the copy open for writing.
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

/// Runs `docker`; `None` if it fails.
pub fn try_docker(arguments: &[&str]) -> Option<String> {
    let output = call(arguments);
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Runs `docker` and panics if it fails.
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

/// The arguments of `docker run` for a container that runs an engine: privileged, or the closest equivalent if the machine itself
/// lacks capabilities.
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

/// This machine's address on the containers' bridge network.
pub fn bridge_address() -> String {
    let routes = docker(&["run", "--rm", BASE, "ip", "route"]);
    let gateway = routes.lines().find_map(|line| line.strip_prefix("default via ")?.split(' ').next());
    gateway.expect("a default route in a container").to_owned()
}

/// The images of a repository. Dropping it removes them.
pub struct Images(String);

impl Images {
    /// The images of a repository that a test builds.
    pub fn of(repository: &str) -> Self {
        Self(repository.to_owned())
    }

    /// Removes the images from the engine.
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
