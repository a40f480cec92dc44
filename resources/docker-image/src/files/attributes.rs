//! The extended attributes of a file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::io::Errno;

/// The largest list of names and the largest value that the kernel has (xattr(7)), in bytes.
const MAX_ATTRIBUTE_BYTES: usize = 64 * 1024;

/// The size of most lists of names, in bytes.
const USUAL: usize = 1024;

/// The attribute with the capabilities of a program (capabilities(7)).
const CAPABILITY: &str = "security.capability";

/// Where a capability's revision is, the revision with the id of a namespace's root, and the one without.
const REVISION: usize = 3;
const WITH_ROOT: u8 = 3;
const WITHOUT_ROOT: u8 = 2;

/// The size of a capability without the id of a namespace's root, in bytes.
const SIZE_WITHOUT_ROOT: usize = 20;

/// All attributes, by name, except for the label of `SELinux`, which the worker's own policy has set.
pub(crate) fn all(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut list = vec![0_u8; USUAL];
    let length = match rustix::fs::llistxattr(path, &mut list) {
        Err(Errno::RANGE) => {
            list.resize(MAX_ATTRIBUTE_BYTES, 0);
            rustix::fs::llistxattr(path, &mut list)?
        }
        Err(Errno::NOTSUP) => 0,
        listed => listed?,
    };
    let mut attributes = BTreeMap::new();
    for name in list.get(..length).unwrap_or_default().split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if name == b"security.selinux" {
            continue;
        }
        let mut value = vec![0_u8; MAX_ATTRIBUTE_BYTES];
        let length = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value)?;
        value.truncate(length);
        attributes.insert(name.to_vec(), value);
    }
    Ok(attributes)
}

/// The capabilities of a program, which is the one attribute that Docker's client sends to the classic builder. Like that client, this
/// omits the id of a namespace's root, which has no meaning in an image.
pub(crate) fn capability(path: &Path) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut value = [0_u8; SIZE_WITHOUT_ROOT + 4];
    let length = match rustix::fs::lgetxattr(path, CAPABILITY, &mut value) {
        Ok(length) => length,
        Err(Errno::NODATA | Errno::NOTSUP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut value = value.get(..length).unwrap_or_default().to_vec();
    if let Some(revision) = value.get_mut(REVISION).filter(|revision| **revision == WITH_ROOT) {
        *revision = WITHOUT_ROOT;
        value.truncate(SIZE_WITHOUT_ROOT);
    }
    Ok(Some((CAPABILITY.as_bytes().to_vec(), value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_few_attributes_and_many() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(all(&file).unwrap(), BTreeMap::new());
        // More names than the first buffer holds.
        let names: Vec<String> = (0..60).map(|number| format!("user.name-of-an-attribute-{number:02}")).collect();
        for name in &names {
            match rustix::fs::setxattr(&file, name, b"1", rustix::fs::XattrFlags::empty()) {
                Err(Errno::NOTSUP) => return,
                set => set.unwrap(),
            }
            if name.ends_with("00") {
                assert_eq!(all(&file).unwrap().len(), 1);
            }
        }
        let found = all(&file).unwrap();
        assert!(found.keys().map(Vec::as_slice).eq(names.iter().map(String::as_bytes)), "{found:?}");
        assert!(found.values().all(|value| value == b"1"));
    }
}
