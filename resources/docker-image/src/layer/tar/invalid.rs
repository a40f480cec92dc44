//! The error of an invalid archive.

use std::io;

/// The error of an archive that is invalid for this reason.
pub(super) fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive is invalid: {what}"))
}
