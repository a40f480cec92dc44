//! Streams a build context as a tar archive, for the classic builder.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::engine::connection::{Body, Pieces};
use crate::files::attributes;
use crate::files::walk::{ContextEntry, Selection, Walk, named};
use crate::layer::tar::{Entry, Kind};
use crate::layer::tar_writer::Writer;

/// The size of a piece, in bytes.
const PIECE: usize = 128 * 1024;

/// The capacity of the queue of pieces to send.
const AHEAD: usize = 4;

/// A file that is added to the archive, or replaces one of the directory.
#[derive(Debug, Clone)]
pub(crate) struct Extra {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
}

/// Streams the archive of a directory. `extras` replace files with the same names.
pub(crate) fn stream(root: PathBuf, selection: Selection, extras: Vec<Extra>) -> Body {
    piped(move |pipe| {
        let mut archive = Writer::new(pipe);
        for extra in &extras {
            archive.append(&Entry::file(&extra.name, extra.content.len() as u64), extra.content.as_slice())?;
        }
        for found in Walk::new(&root, selection)? {
            let found = found?;
            if !extras.iter().any(|extra| Path::new(&extra.name) == found.path) {
                append(&mut archive, &root, &found)?;
            }
        }
        archive.finish().map(drop)
    })
}

/// Streams a file unchanged.
pub(crate) fn file(path: PathBuf) -> Body {
    piped(move |mut pipe| {
        let mut file = File::open(&path).map_err(|error| named(&path, &error))?;
        io::copy(&mut file, &mut pipe)?;
        pipe.flush()
    })
}

/// A body that `write` writes on a thread of its own, with back pressure.
fn piped(write: impl FnOnce(Pipe) -> io::Result<()> + Send + 'static) -> Body {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let pipe = Pipe { sender: sender.clone(), pending: BytesMut::with_capacity(PIECE) };
        if let Err(error) = write(pipe) {
            // If the request has ended, the error cannot be sent.
            let _ = sender.blocking_send(Err(error));
        }
    });
    Pieces(receiver).boxed_unsync()
}

fn append(archive: &mut Writer<Pipe>, root: &Path, found: &ContextEntry) -> io::Result<()> {
    let full = root.join(&found.path);
    let wrong = |error: io::Error| named(&full, &error);
    let Some(mut entry) = Entry::of(&found.path, &full, &found.metadata).map_err(wrong)? else { return Ok(()) };
    // Everything in a context belongs to root, as in Docker, and has a time in whole seconds since 1970.
    (entry.uid, entry.gid, entry.mtime) = (0, 0, (entry.mtime.0.max(0), 0));
    if entry.kind != Kind::File {
        return archive.append(&entry, io::empty());
    }
    entry.attributes.extend(attributes::capability(&full).map_err(wrong)?);
    let file = File::open(&full).map_err(wrong)?;
    archive.append(&entry, Named { file, path: &full })
}

/// Reads a file, and names it in errors.
struct Named<'p> {
    file: File,
    path: &'p Path,
}

impl Read for Named<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| named(self.path, &error))
    }
}

/// Writes to the request's body.
struct Pipe {
    sender: mpsc::Sender<io::Result<Frame<Bytes>>>,
    pending: BytesMut,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE - self.pending.len();
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.pending.extend_from_slice(taken);
        if self.pending.len() == PIECE {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let piece = self.pending.split().freeze();
        self.pending.reserve(PIECE);
        self.sender.blocking_send(Ok(Frame::data(piece))).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[tokio::test(flavor = "current_thread")]
    async fn keeps_names_modes_links_and_holes() {
        let root = tempfile::tempdir().unwrap();
        let long = "d".repeat(120);
        std::fs::create_dir(root.path().join(&long)).unwrap();
        let script = root.path().join(&long).join("f".repeat(120));
        std::fs::write(&script, "#!").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o4750)).unwrap();
        symlink("/nowhere/".to_owned() + &"x".repeat(150), root.path().join("link")).unwrap();
        let hole = File::create(root.path().join("hole")).unwrap();
        hole.set_len(5 * 1024 * 1024).unwrap();
        std::fs::write(root.path().join("Dockerfile"), "theirs").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();

        let extra = Extra { name: "Dockerfile".to_owned(), content: b"ours".to_vec() };
        let body = stream(root.path().to_owned(), Selection::default(), vec![extra]);
        let bytes = body.collect().await.unwrap().to_bytes();
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let target = entry.link_name().unwrap().map(|target| target.display().to_string().len());
            seen.push((entry.path().unwrap().display().to_string(), header.mode().unwrap(), content.len(), target));
        }
        assert_eq!(
            seen,
            [
                ("Dockerfile".to_owned(), 0o644, 4, None),
                (format!("{long}/"), 0o755, 0, None),
                (format!("{long}/{}", "f".repeat(120)), 0o4750, 2, None),
                ("hole".to_owned(), 0o644, 5 * 1024 * 1024, None),
                ("link".to_owned(), 0o777, 0, Some(159)),
            ]
        );
    }
}
