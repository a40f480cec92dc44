//! A snapshot of a directory tree, for comparison with another one.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::registry::image::sha256;

/// The entries below a directory, by path: type, mode, owner, time, size, content, attributes and hard links.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut first_names: HashMap<(u64, u64), PathBuf> = HashMap::new();
    walk(root, &mut |path, metadata| {
        let name = path.strip_prefix(root).expect("below the root").to_owned();
        let kind = metadata.file_type();
        let what = if kind.is_dir() {
            "directory".to_owned()
        } else if kind.is_symlink() {
            format!("link to {}", fs::read_link(path).expect("read a link").display())
        } else if kind.is_file() {
            format!("file of {} bytes {}", metadata.len(), sha256(&fs::read(path).expect("read a file")))
        } else if kind.is_fifo() {
            "pipe".to_owned()
        } else {
            format!("device {:x}", metadata.rdev())
        };
        let mut same = String::new();
        if !kind.is_dir() && metadata.nlink() > 1 {
            let first = first_names.entry((metadata.dev(), metadata.ino())).or_insert_with(|| name.clone());
            same = format!(" same as {}", first.display());
        }
        let line = format!(
            "{what} {:o} {}:{} {}.{:09}{}{same}",
            metadata.mode() & 0o7777,
            metadata.uid(),
            metadata.gid(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            attributes(path)
        );
        found.insert(name, line);
    });
    found
}

fn walk(directory: &Path, visit: &mut dyn FnMut(&Path, &fs::Metadata)) {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory).expect("list").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        let metadata = path.symlink_metadata().expect("look at a file");
        visit(&path, &metadata);
        if metadata.is_dir() {
            walk(&path, visit);
        }
    }
}

fn attributes(path: &Path) -> String {
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap_or(0);
    let mut text = String::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = OsString::from_vec(name.to_vec());
        let mut value = vec![0; 4096];
        let length = rustix::fs::lgetxattr(path, name.as_os_str(), &mut value).expect("read an attribute");
        let (name, value) = (String::from_utf8_lossy(name.as_bytes()), String::from_utf8_lossy(&value[..length]));
        let _ = write!(text, " {name}={}", value.escape_debug());
    }
    text
}
