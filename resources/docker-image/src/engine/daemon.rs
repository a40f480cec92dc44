//! An engine of our own: `dockerd`, started inside the (privileged) container of the step and stopped at its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Result, Secret, Service};

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::time::timeout_at;

use crate::engine::{Features, cgroups};

/// How often is looked whether a service is ready.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a process that was killed may take to be gone.
const LAST: Duration = Duration::from_secs(2);

/// How many of its last lines an engine that does not start is quoted with.
const TAIL: usize = 12;

/// Where Concourse has room for much, on the worker's disk.
const SCRATCH: &str = "/scratch";

/// Where an engine looks for the certificates of registries.
const CERTIFICATES: &str = "/etc/docker/certs.d";

/// What an engine is told at its start.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) startup_timeout: u32,
    pub(crate) downloads: u32,
    pub(crate) uploads: u32,
    /// `host:port`, or a network.
    pub(crate) insecure: Vec<String>,
    /// URLs.
    pub(crate) mirrors: Vec<String>,
    pub(crate) certificates: Vec<Certificates>,
    pub(crate) features: Features,
}

/// What an engine needs to speak TLS with one registry.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) registry: String,
    /// Authorities in PEM form.
    pub(crate) authorities: String,
    /// A certificate to log in with, and its key.
    pub(crate) client: Option<(String, Secret)>,
}

/// An engine that runs.
pub(crate) struct Daemon {
    service: Service,
    socket: PathBuf,
    private: PathBuf,
    data: PathBuf,
    /// The links in [`CERTIFICATES`] that are ours.
    links: Vec<PathBuf>,
}

impl Daemon {
    /// Starts an engine and waits until it answers.
    pub(crate) async fn start(context: &Context, options: &Options) -> Result<Self> {
        let private = context.private_directory().path()?;
        cgroups::prepare(context.console(), &private.join("devices"));
        let socket = private.join("engine.sock");
        let data = data_directory(&private);
        let mut command = context
            .command("dockerd")
            .arg("--host")
            .arg(format!("unix://{}", socket.display()))
            .arg("--data-root")
            .arg(&data)
            .arg("--exec-root")
            .arg(private.join("exec"))
            .arg("--pidfile")
            .arg(private.join("engine.pid"))
            // No step publishes a port, and the image does not have the proxy for it, which Docker 26 does not start without.
            .arg("--userland-proxy=false")
            .args(["--max-concurrent-downloads".to_owned(), options.downloads.to_string()])
            .args(["--max-concurrent-uploads".to_owned(), options.uploads.to_string()]);
        if let Some(mtu) = mtu() {
            command = command.args(["--mtu".to_owned(), mtu.to_string()]);
        }
        if options.features == Features::Experimental {
            command = command.arg("--experimental");
        }
        for registry in &options.insecure {
            command = command.arg(format!("--insecure-registry={registry}"));
        }
        for mirror in &options.mirrors {
            command = command.arg(format!("--registry-mirror={mirror}"));
        }
        let links = link_certificates(context, &options.certificates)?;
        let started = Instant::now();
        let service = command.serve(&private.join("engine.log"));
        let service =
            service.hint("a build needs a container engine: `docker_host` names one that is there already")?;
        let mut daemon = Self { service, socket, private, data, links };
        let waiting =
            Waiting { what: "the container engine", seconds: options.startup_timeout, key: Some("startup_timeout") };
        let socket = daemon.socket.clone();
        let ready = async || {
            let endpoint = super::connection::Endpoint::Unix(socket.clone());
            socket.exists() && super::Engine::connect(endpoint, context.interrupt().clone()).await.is_ok()
        };
        match wait_for(context, &mut daemon.service, &waiting, ready).await {
            Ok(()) => {
                let seconds = started.elapsed().as_secs_f32();
                context.console().step(format_args!("a container engine runs after {seconds:.1} s"));
                Ok(daemon)
            }
            Err(error) => {
                daemon.stop().await;
                Err(error.hint("the step needs a privileged container: is the type marked `privileged: true`?"))
            }
        }
    }

    /// The engine's socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Stops it, with all that it has started and mounted.
    pub(crate) async fn stop(self) {
        self.service.stop().await;
        // An engine that ends before its time leaves containerd to itself, which is in no group of ours.
        let pid = fs::read_to_string(self.private.join("exec/containerd/containerd.pid")).unwrap_or_default();
        end(pid.trim(), &self.private).await;
        for at in mounts_below(&[&self.private, &self.data]) {
            // What cannot be unmounted cannot be removed either, and goes with the container.
            let _ = unmount(&at, UnmountFlags::DETACH);
        }
        for link in self.links {
            let _ = fs::remove_file(link);
        }
    }
}

/// Ends the process of that number, if it is one that our engine has started.
async fn end(pid: &str, private: &Path) {
    let Some(process) = pid.parse().ok().and_then(Pid::from_raw) else { return };
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if !String::from_utf8_lossy(&command).contains(&private.display().to_string()) {
        return;
    }
    let _ = kill_process(process, Signal::KILL);
    let deadline = Instant::now() + LAST;
    while test_kill_process(process).is_ok() && Instant::now() < deadline {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Where something is mounted in these directories, the innermost first.
fn mounts_below(directories: &[&Path]) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let places = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let mut found: Vec<PathBuf> =
        places.filter(|place| directories.iter().any(|directory| place.starts_with(directory))).collect();
    found.reverse();
    found
}

/// What is waited for, and for how long.
pub(crate) struct Waiting {
    pub(crate) what: &'static str,
    pub(crate) seconds: u32,
    /// The key of source that sets the limit.
    pub(crate) key: Option<&'static str>,
}

/// Waits until a service is ready. The error has its last words.
pub(crate) async fn wait_for(
    context: &Context,
    service: &mut Service,
    waiting: &Waiting,
    ready: impl AsyncFn() -> bool,
) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(waiting.seconds.into());
    let what = waiting.what;
    loop {
        // What is asked whether it is ready may as well say nothing for ever.
        if timeout_at(deadline.into(), ready()).await == Ok(true) {
            return Ok(());
        }
        let (problem, is_late) = match service.ended() {
            Some(ended) => (format!("{what} did not start: {ended:#}"), false),
            None if Instant::now() >= deadline => (format!("{what} did not start within {} s", waiting.seconds), true),
            None => {
                context.interrupt().sleep(PAUSE).await?;
                continue;
            }
        };
        let said = service.last_words(TAIL);
        let error = if said.is_empty() { anyhow!(problem) } else { anyhow!("it said last:\n{said}").context(problem) };
        return Err(match waiting.key {
            Some(key) if is_late => error.hint(format!("`{key}` in source sets the limit")),
            _ => error,
        });
    }
}

/// Where the engine keeps images: on the worker's disk where there is room for such, else with our own files.
fn data_directory(private: &Path) -> PathBuf {
    let usual = Path::new(SCRATCH).join("docker");
    let probe = || {
        // In a container of Concourse the directory is there; elsewhere none of ours is to appear at the root.
        fs::metadata(SCRATCH)?;
        fs::create_dir_all(&usual)?;
        let probe = usual.join(".jetway-probe");
        fs::write(&probe, "")?;
        fs::remove_file(&probe)
    };
    if probe().is_ok() { usual } else { private.join("data") }
}

/// The largest packet of the interface that the default route goes by: containers inside must not send larger ones.
fn mtu() -> Option<u32> {
    let routes = fs::read_to_string("/proc/net/route").ok()?;
    let route = routes.lines().skip(1).find(|line| line.split_whitespace().nth(1) == Some("00000000"))?;
    let interface = route.split_whitespace().next()?;
    // A name of the kernel's, but it becomes part of a path.
    if interface.contains(['/', '.']) {
        return None;
    }
    fs::read_to_string(format!("/sys/class/net/{interface}/mtu")).ok()?.trim().parse().ok()
}

/// Puts certificates where the engine looks for them, by links: the files themselves, keys among them, stay in the private directory.
fn link_certificates(context: &Context, all: &[Certificates]) -> Result<Vec<PathBuf>> {
    let private = context.private_directory();
    let mut links = Vec::new();
    for (index, certificates) in all.iter().enumerate() {
        let name = format!("registry-{index}");
        let directory = private.path()?.join(&name);
        fs::create_dir(&directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
        let name = Path::new(&name);
        if !certificates.authorities.is_empty() {
            private.write(name.join("ca.crt"), certificates.authorities.as_bytes())?;
        }
        if let Some((certificate, key)) = &certificates.client {
            private.write(name.join("client.cert"), certificate.as_bytes())?;
            private.write(name.join("client.key"), key.expose().as_bytes())?;
        }
        let link = Path::new(CERTIFICATES).join(&certificates.registry);
        let make = || {
            fs::create_dir_all(CERTIFICATES)?;
            // What a killed step left behind leads nowhere.
            if link.is_symlink() {
                fs::remove_file(&link)?;
            }
            std::os::unix::fs::symlink(&directory, &link)
        };
        make().with_context(|| format!("cannot hand the engine the certificates of `{}`", certificates.registry))?;
        links.push(link);
    }
    Ok(links)
}
