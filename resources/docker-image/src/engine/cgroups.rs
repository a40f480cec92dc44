//! Prepares cgroups inside a container. An engine writes to them, but in most containers they are read-only or missing.
//!
//! Errors are only warnings: if the engine does not start, the error quotes its log.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use jetway::Console;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

/// The mount point of cgroups.
const ROOT: &str = "/sys/fs/cgroup";

/// A mount point of this process.
struct Mount {
    at: String,
    kind: String,
    read_only: bool,
}

/// Which cgroups are mounted.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Version 2.
    Unified,
    /// Version 1.
    Legacy,
    /// No writable cgroups: they are mounted read-only, or not at all, as in a container.
    Out,
}

/// Prepares cgroups for an engine. Mounts nothing if they are writable already, as outside of containers.
///
/// The mount table decides that, not the process id: with some container runtimes this process is the first one, with
/// others it is the child of an init.
///
/// `directory` is a temporary mount point for a controller; it does not exist yet.
pub(crate) fn prepare(console: &Console, directory: &Path) {
    // The order matters: the devices cannot be allowed any more after the engine has created child groups.
    for prepared in [open_devices(directory), try_prepare()] {
        if let Err(error) = prepared {
            return console.warn(format_args!("cannot prepare control groups for the container engine: {error}"));
        }
    }
}

/// Allows the engine's containers to use devices. With version 1, a group cannot allow more than its parent. The group
/// of a worker's container has an allow list, even if the container is privileged, so without this every `RUN` fails.
/// Version 2 has no such controller.
///
/// See "Device Whitelist Controller" of the kernel, section 4 (hierarchy):
/// <https://docs.kernel.org/admin-guide/cgroup-v1/devices.html>
fn open_devices(directory: &Path) -> io::Result<()> {
    let Some((controllers, group)) = devices_group(&fs::read_to_string("/proc/self/cgroup")?) else { return Ok(()) };
    // A separate mount: the usual mount may be read-only or missing, or show another group.
    fs::create_dir_all(directory)?;
    mount_new("cgroup", &directory.display().to_string(), &controllers)?;
    let opened = group.and_then(|group| allow_all_devices(&directory.join(group)));
    let unmounted = unmount(directory, UnmountFlags::DETACH);
    opened?;
    unmounted?;
    fs::remove_dir(directory)
}

/// The controllers of the hierarchy that has `devices`, and this process's group in it, relative to the mount; see cgroups(7).
fn devices_group(table: &str) -> Option<(String, io::Result<PathBuf>)> {
    let (controllers, path) = table.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|controller| controller == "devices").then_some((controllers, path))
    })?;
    let path = Path::new(path.trim_start_matches('/'));
    let is_outside = path.components().any(|component| component == Component::ParentDir);
    let outside = || io::Error::other("the `devices` control group of this process is outside its namespace");
    Some((controllers.to_owned(), if is_outside { Err(outside()) } else { Ok(path.to_owned()) }))
}

/// Allows a group all devices.
fn allow_all_devices(group: &Path) -> io::Result<()> {
    let allow = group.join("devices.allow");
    let Err(error) = fs::write(&allow, "a") else { return Ok(()) };
    // A group with child groups keeps its list. The host's root group allows everything; the group of a container in
    // which an engine was killed can still be opened.
    if fs::read_to_string(group.join("devices.list"))?.starts_with("a *:* rwm") {
        return Ok(());
    }
    let mut entries = ["c *:* rwm", "b *:* rwm"].iter();
    if entries.all(|entry| fs::write(&allow, entry).is_ok()) {
        return Ok(());
    }
    Err(io::Error::new(error.kind(), format!("cannot allow devices for containers: {error}")))
}

fn try_prepare() -> io::Result<()> {
    let mounts = mounts()?;
    match state(&mounts) {
        State::Legacy => Ok(()),
        State::Unified => hand_on(),
        State::Out if mounts.iter().any(|mount| mount.at == ROOT && mount.kind == "cgroup2") || is_unified() => {
            mount_unified(&mounts)?;
            hand_on()
        }
        State::Out => prepare_legacy(&mounts),
    }
}

/// Finds the state in the mount table.
fn state(mounts: &[Mount]) -> State {
    let is_below = |mount: &&Mount| Path::new(&mount.at).starts_with(ROOT);
    // The last mount at a path covers the earlier ones.
    let root = mounts.iter().rev().find(|mount| mount.at == ROOT);
    match root {
        Some(root) if root.read_only => State::Out,
        Some(root) if root.kind == "cgroup2" => State::Unified,
        Some(_) => {
            let mut groups = mounts.iter().filter(is_below).filter(|mount| mount.kind == "cgroup").peekable();
            if groups.peek().is_some() && groups.all(|mount| !mount.read_only) { State::Legacy } else { State::Out }
        }
        None => State::Out,
    }
}

/// Version 2: one hierarchy.
fn mount_unified(mounts: &[Mount]) -> io::Result<()> {
    match mounts.iter().rev().find(|mount| mount.at == ROOT) {
        Some(mount) if mount.kind == "cgroup2" => remount(ROOT),
        _ => mount_new("cgroup2", ROOT, ""),
    }
}

/// Delegates controllers to child groups of a container's group. The host's root group, the only one without a type,
/// needs nothing.
fn hand_on() -> io::Result<()> {
    if !Path::new(ROOT).join("cgroup.type").exists() {
        return Ok(());
    }
    // Controllers can be delegated to child groups only if the group itself has no process.
    let init = Path::new(ROOT).join("init");
    fs::create_dir_all(&init)?;
    for process in fs::read_to_string(Path::new(ROOT).join("cgroup.procs"))?.lines() {
        // A process that has ended meanwhile cannot be moved, which is fine.
        let _ = fs::write(init.join("cgroup.procs"), process);
    }
    let controllers = fs::read_to_string(Path::new(ROOT).join("cgroup.controllers"))?;
    for controller in controllers.split_whitespace() {
        // A controller that cannot be delegated sets no limits; the others still do.
        let _ = fs::write(Path::new(ROOT).join("cgroup.subtree_control"), format!("+{controller}"));
    }
    Ok(())
}

/// Version 1: a hierarchy for each controller, or for a few together.
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

/// The hierarchies of this process: `memory`, `cpu,cpuacct`, `name=systemd`.
fn hierarchies() -> io::Result<BTreeSet<String>> {
    let text = fs::read_to_string("/proc/self/cgroup")?;
    let names = text.lines().filter_map(|line| line.split(':').nth(1)).filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

/// Whether the kernel uses version 2 for every controller.
fn is_unified() -> bool {
    hierarchies().is_ok_and(|hierarchies| hierarchies.is_empty())
}

fn mount_new(kind: &str, at: &str, options: &str) -> io::Result<()> {
    let options = std::ffi::CString::new(options)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount(kind, at, kind, flags, Some(options.as_c_str())).map_err(|error| at_path(at, error))
}

/// Remounts a mount point as writable.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_group_is_that_of_version_1_and_hybrid_layouts() {
        let legacy = "12:cpu,cpuacct:/\n7:devices:/garden/a:b\n1:name=systemd:/garden/a:b\n";
        let hybrid = format!("{legacy}0::/garden/a:b\n");
        for table in [legacy, &hybrid] {
            let (controllers, group) = devices_group(table).unwrap();
            assert_eq!((controllers.as_str(), group.unwrap().as_path()), ("devices", Path::new("garden/a:b")));
        }
        let (controllers, group) = devices_group("3:cpu,devices:/\n").unwrap();
        assert_eq!((controllers.as_str(), group.unwrap().as_path()), ("cpu,devices", Path::new("")));
    }

    #[test]
    fn version_2_has_no_devices_group() {
        for table in ["0::/\n", "0::/garden/devices\n", "5:name=devices:/x\n", ""] {
            assert!(devices_group(table).is_none(), "{table}");
        }
    }

    #[test]
    fn devices_group_outside_of_the_namespace_is_an_error() {
        assert!(devices_group("7:devices:/../other\n").unwrap().1.is_err());
    }

    #[test]
    fn allows_all_devices_in_the_group() {
        let group = tempfile::tempdir().unwrap();
        allow_all_devices(group.path()).unwrap();
        assert_eq!(fs::read_to_string(group.path().join("devices.allow")).unwrap(), "a");
    }

    #[test]
    fn group_that_cannot_be_opened_is_an_error_unless_it_allows_all_devices() {
        let group = tempfile::tempdir().unwrap();
        // A path that cannot be written to.
        fs::create_dir(group.path().join("devices.allow")).unwrap();
        fs::write(group.path().join("devices.list"), "a *:* rwm\n").unwrap();
        allow_all_devices(group.path()).unwrap();
        fs::write(group.path().join("devices.list"), "c 1:3 rwm\n").unwrap();
        let problem = allow_all_devices(group.path()).unwrap_err().to_string();
        assert!(problem.contains("cannot allow devices for containers"), "{problem}");
    }

    fn of(mountinfo: &str) -> State {
        state(&mountinfo.lines().filter_map(parse).collect::<Vec<_>>())
    }

    #[test]
    fn read_only_cgroups_need_mounts_whatever_the_first_process_is() {
        // The mounts in a step's container, with or without an init: read-only, of either version, or none.
        let unified = "30 23 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw";
        let legacy = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw,mode=755\n\
                      31 30 0:27 /step /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory";
        let sealed = legacy.replace("cgroup rw,nosuid", "cgroup ro,nosuid");
        for mountinfo in [unified, legacy, &sealed, "23 1 8:1 / / rw - ext4 /dev/root rw", ""] {
            assert_eq!(of(mountinfo), State::Out, "{mountinfo}");
        }
    }

    #[test]
    fn writable_cgroups_are_kept() {
        assert_eq!(of("30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw"), State::Unified);
        let legacy = "30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      41 30 0:38 / /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw";
        assert_eq!(of(legacy), State::Legacy);
        // The later mount covers the earlier one.
        let covered = "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n\
                       40 30 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw";
        assert_eq!(of(covered), State::Unified);
    }
}
