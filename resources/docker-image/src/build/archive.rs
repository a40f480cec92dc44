//! Streams a build context as a tar archive, for the classic builder.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;

use crate::engine::connection::{Body, Pieces};
use crate::files::attributes;
use crate::files::walk::{Found, Selection, Walk, named};

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
        let mut archive = Builder::new(pipe);
        for extra in &extras {
            let mut header = header(EntryType::Regular, 0o644, 0);
            header.set_size(extra.content.len() as u64);
            archive.append_data(&mut header, &extra.name, extra.content.as_slice())?;
        }
        for found in Walk::new(&root, selection)? {
            let found = found?;
            if !extras.iter().any(|extra| Path::new(&extra.name) == found.path) {
                append(&mut archive, &root, &found)?;
            }
        }
        archive.into_inner()?.flush()
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

fn append(archive: &mut Builder<Pipe>, root: &Path, found: &Found) -> io::Result<()> {
    let Found { path, metadata } = found;
    let full = root.join(path);
    let (mode, seconds) = (metadata.mode() & 0o7777, metadata.mtime());
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let target = std::fs::read_link(&full).map_err(|error| named(&full, &error))?;
        return archive.append_link(&mut header(EntryType::Symlink, mode, seconds), path, target);
    }
    if kind.is_file() {
        let mut header = header(EntryType::Regular, mode, seconds);
        header.set_size(metadata.len());
        let file = File::open(&full).map_err(|error| named(&full, &error))?;
        if let Some((name, value)) = attributes::capability(&full).map_err(|error| named(&full, &error))? {
            archive.append_pax_extensions([(format!("SCHILY.xattr.{name}").as_str(), value.as_slice())])?;
        }
        // A file that grows or shrinks meanwhile must not corrupt the entries after it.
        return archive.append_data(&mut header, path, Exactly { file, left: metadata.len(), path: &full });
    }
    let entry = match kind {
        kind if kind.is_dir() => EntryType::Directory,
        kind if kind.is_fifo() => EntryType::Fifo,
        kind if kind.is_char_device() => EntryType::Char,
        kind if kind.is_block_device() => EntryType::Block,
        // A tar archive cannot hold a socket.
        _ => return Ok(()),
    };
    let mut header = header(entry, mode, seconds);
    if kind.is_char_device() || kind.is_block_device() {
        header.set_device_major(rustix::fs::major(metadata.rdev()))?;
        header.set_device_minor(rustix::fs::minor(metadata.rdev()))?;
    }
    archive.append_data(&mut header, path, io::empty())
}

/// Everything in a context belongs to root, as in Docker.
fn header(kind: EntryType, mode: u32, seconds: i64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(seconds).unwrap_or(0));
    header.set_size(0);
    header
}

/// Reads exactly as many bytes as the file had when its header was written.
struct Exactly<'p> {
    file: File,
    left: u64,
    path: &'p Path,
}

impl Read for Exactly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.file.read(buffer).map_err(|error| named(self.path, &error))?;
        if count == 0 {
            return Err(io::Error::other(format!("`{}` was truncated while it was read", self.path.display())));
        }
        self.left -= count as u64;
        Ok(count)
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
                (long.clone(), 0o755, 0, None),
                (format!("{long}/{}", "f".repeat(120)), 0o4750, 2, None),
                ("hole".to_owned(), 0o644, 5 * 1024 * 1024, None),
                ("link".to_owned(), 0o777, 0, Some(159)),
            ]
        );
    }
}
