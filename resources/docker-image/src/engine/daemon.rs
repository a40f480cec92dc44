//! A local engine: `dockerd`, started inside the step's (privileged) container and stopped at its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Result, Secret, Service};

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::time::timeout_at;

use crate::engine::{Features, cgroups};

/// How often a service is polled until it is ready.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a killed process may take to disappear.
const LAST: Duration = Duration::from_secs(2);

/// How many of an engine's last log lines the error quotes when it does not start.
const TAIL: usize = 12;

/// Concourse's scratch space, on the worker's disk.
const SCRATCH: &str = "/scratch";

/// The engine's directory for the certificates of registries.
const CERTIFICATES: &str = "/etc/docker/certs.d";

/// The options that the engine is started with.
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

/// The TLS certificates for one registry.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) registry: String,
    /// CA certificates in PEM format.
    pub(crate) authorities: String,
    /// A client certificate and its key.
    pub(crate) client: Option<(String, Secret)>,
}

/// A running engine.
pub(crate) struct Daemon {
    service: Service,
    socket: PathBuf,
    private: PathBuf,
    data: PathBuf,
    /// Our links in [`CERTIFICATES`].
    links: Vec<PathBuf>,
}

impl Daemon {
    /// Starts an engine and waits until it is ready.
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
            // No step publishes a port, and the image does not have the userland proxy, without which Docker 26 does
            // not start.
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
        let service = service.hint("a build requires a container engine; to use an existing one, set `docker_host`")?;
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
                context.console().step(format_args!("started a container engine in {seconds:.1} s"));
                Ok(daemon)
            }
            Err(error) => {
                daemon.stop().await;
                Err(error.hint("a build requires a privileged container: set `privileged: true` in the resource type"))
            }
        }
    }

    /// The engine's socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Stops the engine, its processes and its mounts.
    pub(crate) async fn stop(self) {
        self.service.stop().await;
        // If the engine exits early, containerd keeps running, because it has its own process group.
        let pid = fs::read_to_string(self.private.join("exec/containerd/containerd.pid")).unwrap_or_default();
        end(pid.trim(), &self.private).await;
        for at in mounts_below(&[&self.private, &self.data]) {
            // A mount that cannot be unmounted cannot be removed either; it disappears with the container.
            let _ = unmount(&at, UnmountFlags::DETACH);
        }
        for link in self.links {
            let _ = fs::remove_file(link);
        }
    }
}

/// Kills the process with that id, if our engine has started it.
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

/// The mount points in these directories, the innermost first.
fn mounts_below(directories: &[&Path]) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let places = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let mut found: Vec<PathBuf> =
        places.filter(|place| directories.iter().any(|directory| place.starts_with(directory))).collect();
    found.reverse();
    found
}

/// What to wait for, and for how long.
pub(crate) struct Waiting {
    pub(crate) what: &'static str,
    pub(crate) seconds: u32,
    /// The key of source that sets the timeout.
    pub(crate) key: Option<&'static str>,
}

/// Waits until a service is ready. The error quotes the last lines of its log.
pub(crate) async fn wait_for(
    context: &Context,
    service: &mut Service,
    waiting: &Waiting,
    ready: impl AsyncFn() -> bool,
) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(waiting.seconds.into());
    let what = waiting.what;
    loop {
        // The readiness probe itself may hang.
        if timeout_at(deadline.into(), ready()).await == Ok(true) {
            return Ok(());
        }
        let (problem, is_late) = match service.ended() {
            Some(ended) => (format!("{what} did not start: {ended:#}"), false),
            None if Instant::now() >= deadline => (format!("{what} did not start in {} s", waiting.seconds), true),
            None => {
                context.interrupt().sleep(PAUSE).await?;
                continue;
            }
        };
        let messages = service.log_tail(TAIL);
        let error =
            if messages.is_empty() { anyhow!(problem) } else { anyhow!("last output:\n{messages}").context(problem) };
        return Err(match waiting.key {
            Some(key) if is_late => error.hint(format!("to change the limit, set `{key}` in the source")),
            _ => error,
        });
    }
}

/// The engine's data directory: on the worker's disk if there is scratch space, else in the private directory.
fn data_directory(private: &Path) -> PathBuf {
    let usual = Path::new(SCRATCH).join("docker");
    let probe = || {
        // In a container of Concourse the directory exists; elsewhere it must not be created at the root.
        fs::metadata(SCRATCH)?;
        fs::create_dir_all(&usual)?;
        let probe = usual.join(".jetway-probe");
        fs::write(&probe, "")?;
        fs::remove_file(&probe)
    };
    if probe().is_ok() { usual } else { private.join("data") }
}

/// The MTU of the default route's interface: inner containers must not send larger packets.
fn mtu() -> Option<u32> {
    let routes = fs::read_to_string("/proc/net/route").ok()?;
    let route = routes.lines().skip(1).find(|line| line.split_whitespace().nth(1) == Some("00000000"))?;
    let interface = route.split_whitespace().next()?;
    // The kernel's name for the interface, but it becomes part of a path.
    if interface.contains(['/', '.']) {
        return None;
    }
    fs::read_to_string(format!("/sys/class/net/{interface}/mtu")).ok()?.trim().parse().ok()
}

/// Links certificates into the engine's directory: the files themselves, including keys, stay in the private directory.
fn link_certificates(context: &Context, all: &[Certificates]) -> Result<Vec<PathBuf>> {
    let private = context.private_directory();
    let mut links = Vec::new();
    for (index, certificates) in all.iter().enumerate() {
        let name = format!("registry-{index}");
        let directory = private.path()?.join(&name);
        fs::create_dir(&directory).with_context(|| format!("cannot create `{}`", directory.display()))?;
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
            // A link that a killed step left behind is broken.
            if link.is_symlink() {
                fs::remove_file(&link)?;
            }
            std::os::unix::fs::symlink(&directory, &link)
        };
        make()
            .with_context(|| format!("cannot write the certificates of `{}` for the engine", certificates.registry))?;
        links.push(link);
    }
    Ok(links)
}
