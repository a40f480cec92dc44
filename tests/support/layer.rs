//! Requirements of tests that not every machine meets. A missing one is a named and counted skip; under CI it is a failure.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::small_disk::SmallDisk;
use crate::{counterparts, gitea, kubernetes, nginx_git, ssh_git, tinyproxy};

/// A requirement of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer<'a> {
    /// OpenSSH's server.
    Ssh,
    /// nginx, and fcgiwrap to run `git http-backend` behind it.
    WebServer,
    /// tinyproxy.
    Proxy,
    /// `strace`, with the permission to trace.
    Trace,
    /// The permission to mount a file system.
    Mount,
    /// The permission to change the owner of a file.
    Root,
    /// A program of a Debian package.
    Program(&'a str),
    /// A Kubernetes cluster, and helm.
    Kubernetes,
    /// A node of that cluster whose pods really run.
    Containers,
    /// A container engine.
    Engine,
    /// A third-party server, validator or client that `counterparts/make.sh` builds.
    Counterpart(&'a str),
    /// A running Gitea.
    Gitea,
    /// A container engine and the image of a resource type in it.
    Image(&'a str),
}

impl Layer<'_> {
    fn name(self) -> String {
        match self {
            Self::Ssh => "ssh".to_owned(),
            Self::WebServer => "web server".to_owned(),
            Self::Proxy => "proxy".to_owned(),
            Self::Trace => "trace".to_owned(),
            Self::Mount => "mount".to_owned(),
            Self::Root => "root".to_owned(),
            Self::Program(program) => program.to_owned(),
            Self::Kubernetes => "kubernetes".to_owned(),
            Self::Containers => "containers".to_owned(),
            Self::Engine => "engine".to_owned(),
            Self::Counterpart(name) => name.to_owned(),
            Self::Gitea => "gitea".to_owned(),
            Self::Image(resource) => format!("image {resource}"),
        }
    }

    /// The reason why the requirement is not met; `None` if it is met.
    fn missing(self) -> Option<String> {
        match self {
            Self::Ssh => absent(&[ssh_git::SSHD]),
            Self::WebServer => absent(&nginx_git::PROGRAMS),
            Self::Proxy => absent(&[tinyproxy::TINYPROXY]),
            Self::Trace => (!succeeds("strace", &["-qq", "-o", "/dev/null", "true"]))
                .then(|| "strace cannot trace here".to_owned()),
            Self::Mount => SmallDisk::try_mount(1 << 20).is_none().then(|| "nothing may be mounted here".to_owned()),
            Self::Root => (!rustix::process::getuid().is_root()).then(|| "the tests do not run as root".to_owned()),
            Self::Program(program) => {
                let is_there =
                    std::env::split_paths(&crate::git::search_path()).any(|path| path.join(program).exists());
                (!is_there).then(|| format!("there is no {program} (`make deps` installs it)"))
            }
            Self::Kubernetes => kubernetes::unavailable(),
            Self::Containers => kubernetes::without_containers(),
            Self::Counterpart(name) => counterparts::directory(name).err(),
            Self::Gitea => gitea::unavailable(),
            Self::Engine => (!succeeds("docker", &["info"]))
                .then(|| "no container engine answers (`make deps` starts one)".to_owned()),
            Self::Image(resource) => {
                let image = image_name(resource);
                if !succeeds("docker", &["info"]) {
                    Some("no container engine answers (`make deps` starts one)".to_owned())
                } else if succeeds("docker", &["image", "inspect", &image]) {
                    None
                } else {
                    Some(format!("there is no image {image} (`make images` builds it)"))
                }
            }
        }
    }
}

/// Whether the requirement is met. If not, prints and counts a skip, and the calling test must return.
///
/// # Panics
/// Under `CI=true`, where a layer that cannot run is a failure.
pub fn require(layer: Layer<'_>) -> bool {
    let Some(reason) = layer.missing() else { return true };
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {}: {reason}", layer.name(), thread.name().unwrap_or("a test"));
    assert!(!is_ci(), "{line}");
    eprintln!("{line}");
    if let Some(file) = std::env::var_os("JETWAY_SKIPS") {
        let written =
            OpenOptions::new().create(true).append(true).open(file).and_then(|mut file| writeln!(file, "{line}"));
        written.expect("count a skip");
    }
    false
}

/// The image of a resource type: the value of `JETWAY_IMAGE_TYPE` (such as `JETWAY_IMAGE_DOCKER_IMAGE`), or `jetway/TYPE:dev`.
pub fn image_name(resource: &str) -> String {
    let variable = format!("JETWAY_IMAGE_{}", resource.to_uppercase().replace('-', "_"));
    std::env::var(variable).unwrap_or_else(|_| format!("jetway/{resource}:dev"))
}

/// Whether this is a CI run, in which a skip is a failure.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Which of the programs is not installed.
fn absent(programs: &[&str]) -> Option<String> {
    let missing = programs.iter().find(|program| !std::path::Path::new(program).exists())?;
    Some(format!("there is no {missing} (`make deps` installs it)"))
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
