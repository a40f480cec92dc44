//! Control groups inside a container: an engine needs to write to them, and containers mostly get them read-only, or not at all.
//!
//! What cannot be done is told and left: the engine itself says in its log what it misses, and that is quoted when it does not start.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use jetway::Console;
use rustix::mount::{MountFlags, mount, mount_remount};

/// Where control groups are.
const ROOT: &str = "/sys/fs/cgroup";

/// A mount point of this process.
struct Mount {
    at: String,
    kind: String,
    read_only: bool,
}

/// Makes control groups ready for an engine, in a container of our own. Elsewhere nothing is touched.
pub(crate) fn prepare(console: &Console) {
    if !in_container() {
        return;
    }
    if let Err(error) = try_prepare() {
        console.warn(format_args!("control groups could not be made ready for a container engine: {error}"));
    }
}

/// Whether this is the first process of its container, as a step's is, or is started by it: then the groups are ours to arrange.
fn in_container() -> bool {
    std::process::id() == 1
}

fn try_prepare() -> io::Result<()> {
    let mounts = mounts()?;
    if mounts.iter().any(|mount| mount.at == ROOT && mount.kind == "cgroup2") || is_unified() {
        return prepare_unified(&mounts);
    }
    prepare_legacy(&mounts)
}

/// Version 2: one tree.
fn prepare_unified(mounts: &[Mount]) -> io::Result<()> {
    match mounts.iter().find(|mount| mount.at == ROOT) {
        Some(mount) if mount.kind == "cgroup2" => {
            if mount.read_only {
                remount(ROOT)?;
            }
        }
        _ => mount_new("cgroup2", ROOT, "")?,
    }
    // Limits can be handed to groups below only when no process is in the group itself.
    let init = Path::new(ROOT).join("init");
    fs::create_dir_all(&init)?;
    for process in fs::read_to_string(Path::new(ROOT).join("cgroup.procs"))?.lines() {
        // One that has ended meanwhile needs no moving.
        let _ = fs::write(init.join("cgroup.procs"), process);
    }
    let controllers = fs::read_to_string(Path::new(ROOT).join("cgroup.controllers"))?;
    for controller in controllers.split_whitespace() {
        // A controller that cannot be handed on limits nothing; the rest still do.
        let _ = fs::write(Path::new(ROOT).join("cgroup.subtree_control"), format!("+{controller}"));
    }
    Ok(())
}

/// Version 1: a tree for each controller, or for a few together.
fn prepare_legacy(mounts: &[Mount]) -> io::Result<()> {
    if !mounts.iter().any(|mount| mount.at == ROOT) {
        mount_new("tmpfs", ROOT, "mode=755")?;
    } else if mounts.iter().any(|mount| mount.at == ROOT && mount.read_only) {
        remount(ROOT)?;
    }
    for hierarchy in hierarchies()? {
        let (name, options) = match hierarchy.strip_prefix("name=") {
            Some(name) => (name.to_owned(), format!("none,{hierarchy}")),
            None => (hierarchy.clone(), hierarchy.clone()),
        };
        let at = format!("{ROOT}/{name}");
        match mounts.iter().find(|mount| mount.at == at) {
            Some(mount) if mount.read_only => remount(&at)?,
            Some(_) => {}
            None => {
                fs::create_dir_all(&at)?;
                mount_new("cgroup", &at, &options)?;
            }
        }
    }
    Ok(())
}

/// The trees that this process is in: `memory`, `cpu,cpuacct`, `name=systemd`.
fn hierarchies() -> io::Result<BTreeSet<String>> {
    let text = fs::read_to_string("/proc/self/cgroup")?;
    let names = text.lines().filter_map(|line| line.split(':').nth(1)).filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

/// Whether the kernel has given every controller to version 2.
fn is_unified() -> bool {
    hierarchies().is_ok_and(|hierarchies| hierarchies.is_empty())
}

fn mount_new(kind: &str, at: &str, options: &str) -> io::Result<()> {
    let options = std::ffi::CString::new(options)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount(kind, at, kind, flags, Some(options.as_c_str())).map_err(|error| at_path(at, error))
}

/// Makes a mount point writable.
fn remount(at: &str) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::BIND;
    mount_remount(at, flags, c"").map_err(|error| at_path(at, error))
}

fn at_path(at: &str, error: rustix::io::Errno) -> io::Error {
    let error = io::Error::from(error);
    io::Error::new(error.kind(), format!("`{at}`: {error}"))
}

fn mounts() -> io::Result<Vec<Mount>> {
    Ok(fs::read_to_string("/proc/self/mountinfo")?.lines().filter_map(parse).collect())
}

/// A line of `mountinfo`, see proc(5): `36 35 98:0 / /mnt rw,noatime shared:1 - ext4 /dev/root rw`.
fn parse(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let fields: Vec<&str> = left.split(' ').collect();
    let options = *fields.get(5)?;
    Some(Mount {
        at: (*fields.get(4)?).to_owned(),
        kind: right.split(' ').next()?.to_owned(),
        read_only: options.split(',').any(|option| option == "ro"),
    })
}
