//! The mount points that an engine creates in each container's file system, and which the output of `docker export`
//! therefore has.

use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, statat, symlinkat};
use rustix::io::Errno;

use crate::layer::tree::{Missing, Name, Tree};

/// A mount point, or a link.
#[derive(Debug, Clone, Copy)]
enum Point {
    File,
    Directory,
    Link(&'static str),
}

/// As Docker's engine creates them (moby, `daemon/initlayer`).
const POINTS: [(&str, Point); 10] = [
    (".dockerenv", Point::File),
    ("dev/console", Point::File),
    ("dev/pts", Point::Directory),
    ("dev/shm", Point::Directory),
    ("etc/hostname", Point::File),
    ("etc/hosts", Point::File),
    ("etc/mtab", Point::Link("/proc/mounts")),
    ("etc/resolv.conf", Point::File),
    ("proc", Point::Directory),
    ("sys", Point::Directory),
];

/// Creates the mount points that the image does not have.
pub(super) fn make(root: &Path) -> io::Result<()> {
    let mut tree = Tree::new(root)?;
    let mode = Mode::from_raw_mode(0o755);
    for (path, point) in POINTS {
        let Some(name) = Name::new(path.as_bytes())? else { continue };
        let result = tree.directory(&name.directories, Missing::Make).and_then(|directory| {
            let (directory, last) = (directory.as_fd(), name.last.as_os_str());
            match statat(directory, last, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => {}
                other => return other.map(drop).map_err(io::Error::from),
            }
            match point {
                Point::File => {
                    let file = openat(
                        directory,
                        last,
                        OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC,
                        mode,
                    )?;
                    rustix::fs::fchmod(file, mode)?;
                }
                Point::Directory => mkdirat(directory, last, mode)?,
                Point::Link(target) => symlinkat(target, directory, last)?,
            }
            Ok(())
        });
        match result {
            // The image may have a file in place of a directory, or a directory without permissions for this user.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied) => {}
            other => other?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn creates_missing_mount_points_inside_the_root() {
        let house = tempfile::tempdir().unwrap();
        let root = house.path().join("root");
        fs::create_dir_all(root.join("real")).unwrap();
        fs::create_dir(root.join("etc")).unwrap();
        fs::write(root.join("etc/hosts"), "own").unwrap();
        fs::write(root.join("sys"), "a file").unwrap();
        symlink("../../real", root.join("dev")).unwrap();
        make(&root).unwrap();
        make(&root).unwrap();
        assert_eq!(fs::read_to_string(root.join("etc/hosts")).unwrap(), "own");
        assert_eq!(fs::read_link(root.join("etc/mtab")).unwrap(), Path::new("/proc/mounts"));
        assert_eq!(fs::read(root.join("etc/resolv.conf")).unwrap(), b"");
        assert!(root.join("proc").is_dir() && root.join("real/pts").is_dir() && root.join(".dockerenv").is_file());
        assert_eq!(fs::read_dir(house.path()).unwrap().count(), 1);
    }
}
