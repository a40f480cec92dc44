//! Sends a build's files to BuildKit: first the list of files, then the content of those that BuildKit requests.
//!
//! Each message is a packet: first one for every file, with its path and `stat`; an empty one after the last; then the
//! builder requests the content of files by number. See `fsutil` (<https://github.com/tonistiigi/fsutil>).

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use hyper::header::HeaderMap;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use crate::engine::protobuf::{Fields, Message};
use crate::engine::session::call::{Calls, Sender, Status};
use crate::engine::session::offer::{Directory, Offer};
use crate::files::attributes;
use crate::files::ignore::Patterns;
use crate::files::walk::{ContextEntry, Selection, Walk, named};

/// The packet types.
const STAT: u64 = 0;
const REQUEST: u64 = 1;
const DATA: u64 = 2;
const FINISHED: u64 = 3;
const FAILED: u64 = 4;

/// How much of a file is in one packet, in bytes.
const PIECE: usize = 32 * 1024;

/// The capacity of the queue between the directory walk and the sender.
const AHEAD: usize = 64;

/// The most symbolic links that are followed for one path.
const LINKS: usize = 40;

/// Serves one transfer.
pub(super) async fn serve(offer: Arc<Offer>, headers: HeaderMap, calls: Calls, sender: Sender) -> Result<(), Status> {
    let asked = values(&headers, "dir-name").pop().unwrap_or_default();
    let directory = offer.directories.get(asked.as_str());
    let directory = directory.ok_or_else(|| Status::internal(&format!("directory `{asked}` does not exist")))?;
    let mut transfer = Transfer { calls, sender, files: Vec::new() };
    let outcome = transfer.run(directory, &headers).await;
    if let Err(status) = &outcome {
        let packet = Message::default().number(1, FAILED).bytes(4, status.message.as_bytes());
        let _ = transfer.sender.send(&packet.into_bytes()).await;
    }
    outcome
}

struct Transfer {
    calls: Calls,
    sender: Sender,
    /// The files by number; `None` for anything else than a regular file.
    files: Vec<Option<PathBuf>>,
}

/// A file of the list.
struct Listed {
    /// The path in the list.
    path: PathBuf,
    /// The path on this machine.
    full: PathBuf,
    metadata: Metadata,
    /// The target of a symbolic link.
    target: Option<PathBuf>,
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Listed {
    fn new(path: PathBuf, full: PathBuf, metadata: Metadata) -> std::io::Result<Self> {
        let target = metadata.is_symlink().then(|| std::fs::read_link(&full)).transpose();
        let target = target.map_err(|error| named(&full, &error))?;
        let attributes = attributes::all(&full).map_err(|error| named(&full, &error))?;
        Ok(Self { path, full, metadata, target, attributes })
    }

    /// The message `Stat` of fsutil.
    fn stat(&self) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt as _;
        let Self { path, metadata, target, attributes, .. } = self;
        let mut stat = Message::default()
            .bytes(1, path.as_os_str().as_bytes())
            .number(2, mode(metadata))
            .number(5, if metadata.is_file() { metadata.len() } else { 0 })
            .number(6, modified(metadata));
        if let Some(target) = target {
            stat = stat.bytes(7, target.as_os_str().as_bytes());
        }
        if metadata.file_type().is_char_device() || metadata.file_type().is_block_device() {
            let device = metadata.rdev();
            stat = stat.number(8, rustix::fs::major(device).into()).number(9, rustix::fs::minor(device).into());
        }
        for (name, value) in attributes {
            stat = stat.bytes(10, &Message::default().bytes(1, name).bytes(2, value).into_bytes());
        }
        stat.into_bytes()
    }
}

impl Transfer {
    async fn run(&mut self, directory: &Directory, headers: &HeaderMap) -> Result<(), Status> {
        self.tell(directory, headers).await?;
        self.sender.send(&Message::default().into_bytes()).await?;
        while let Some(packet) = self.calls.next().await? {
            let fields = Fields(&packet);
            match fields.get(1).number() {
                REQUEST => self.content(fields.get(3).number()).await?,
                FINISHED => {
                    self.sender.send(&Message::default().number(1, FINISHED).into_bytes()).await?;
                    return Ok(());
                }
                FAILED => return Err(Status::internal(&fields.get(4).text())),
                _ => {}
            }
        }
        Ok(())
    }

    /// Sends the list of files.
    async fn tell(&mut self, directory: &Directory, headers: &HeaderMap) -> Result<(), Status> {
        if !directory.aliases.is_empty() {
            for (name, path) in &directory.aliases {
                let metadata = std::fs::metadata(path).map_err(|error| named(path, &error))?;
                self.tell_one(Listed::new(name.into(), path.clone(), metadata)?).await?;
            }
            return Ok(());
        }
        let root = directory.root.clone();
        let selection = selection(&root, headers)?;
        let (found, mut next) = mpsc::channel(AHEAD);
        // A thread of its own reads the directories, a little ahead of the sender.
        let walk = tokio::task::spawn_blocking(move || {
            for entry in Walk::new(&root, selection)? {
                let ContextEntry { path, metadata } = entry?;
                if metadata.file_type().is_socket() {
                    continue;
                }
                let full = root.join(&path);
                if found.blocking_send(Listed::new(path, full, metadata)?).is_err() {
                    break;
                }
            }
            Ok::<_, std::io::Error>(())
        });
        while let Some(listed) = next.recv().await {
            self.tell_one(listed).await?;
        }
        Ok(walk.await.map_err(|error| Status::internal(&error))??)
    }

    async fn tell_one(&mut self, listed: Listed) -> Result<(), Status> {
        let packet = Message::default().number(1, STAT).bytes(2, &listed.stat());
        self.files.push(listed.metadata.is_file().then_some(listed.full));
        Ok(self.sender.send(&packet.into_bytes()).await?)
    }

    /// Sends the content of a file, then an empty packet.
    async fn content(&self, number: u64) -> Result<(), Status> {
        let path = usize::try_from(number).ok().and_then(|number| self.files.get(number)?.as_ref());
        let path = path.ok_or_else(|| Status::internal(&format!("file {number} does not exist")))?;
        let mut file = tokio::fs::File::open(path).await.map_err(|error| named(path, &error))?;
        let mut buffer = vec![0; PIECE];
        loop {
            let count = file.read(&mut buffer).await.map_err(|error| named(path, &error))?;
            let piece = buffer.get(..count).unwrap_or_default();
            let packet = Message::default().number(1, DATA).number(3, number).bytes(4, piece);
            self.sender.send(&packet.into_bytes()).await?;
            if count == 0 {
                return Ok(());
            }
        }
    }
}

/// Which files the builder requests.
fn selection(root: &Path, headers: &HeaderMap) -> Result<Selection, Status> {
    let ignore = Patterns::new(values(headers, "exclude-patterns")).map_err(|problem| Status::internal(&problem))?;
    let mut only = values(headers, "include-patterns");
    let followed = values(headers, "followpaths");
    // If `followpaths` contains the root itself, every file is requested.
    let everything = followed.iter().any(|path| matches!(path.trim_matches('/'), "" | "."));
    if everything {
        only.clear();
    } else {
        only.extend(followed.iter().flat_map(|path| follow(root, path)));
    }
    let only =
        if only.is_empty() { None } else { Some(Patterns::new(only).map_err(|problem| Status::internal(&problem))?) };
    Ok(Selection { ignore, only })
}

/// A path, and the targets of all links in it, if they are in the directory.
fn follow(root: &Path, path: &str) -> Vec<String> {
    let mut wanted = Vec::new();
    let mut open = vec![path.trim_matches('/').to_owned()];
    for _ in 0..LINKS {
        let Some(path) = open.pop() else { break };
        if wanted.contains(&path) || path.is_empty() {
            continue;
        }
        wanted.push(path.clone());
        let mut walked = PathBuf::new();
        let mut parts = Path::new(&path).components();
        while let Some(part) = parts.next() {
            walked.push(part);
            let Ok(target) = std::fs::read_link(root.join(&walked)) else { continue };
            // Absolute targets are relative to the context's root.
            let parent = walked.parent().unwrap_or(Path::new("")).to_owned();
            let base = if target.is_absolute() { PathBuf::new() } else { parent };
            if let Some(resolved) =
                lexical(&base.join(target.strip_prefix("/").unwrap_or(&target)).join(parts.as_path()))
            {
                wanted.push(walked.display().to_string());
                open.push(resolved.display().to_string());
            }
            break;
        }
    }
    wanted
}

/// A path without `..`; `None` if it leaves the directory.
fn lexical(path: &Path) -> Option<PathBuf> {
    let mut result = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if !result.pop() => return None,
            Component::Normal(part) => result.push(part),
            _ => {}
        }
    }
    Some(result)
}

/// The values of a header; BuildKit percent-encodes text that is not ASCII.
fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    let encoded = headers.get(format!("{name}-encoded")).is_some_and(|value| value == "1");
    let texts = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    texts.map(|text| if encoded { decoded(&text) } else { text }).collect()
}

/// Decodes percent-encoded text; `+` is a space.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match byte {
            b'%' => {
                if let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) {
                    bytes.push(high << 4 | low);
                }
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The mode as Go's `os.FileMode`.
fn mode(metadata: &Metadata) -> u64 {
    let kind = metadata.file_type();
    let bits = [
        (kind.is_dir(), 31),
        (kind.is_symlink(), 27),
        (kind.is_char_device() || kind.is_block_device(), 26),
        (kind.is_fifo(), 25),
        (metadata.mode() & 0o4000 != 0, 23),
        (metadata.mode() & 0o2000 != 0, 22),
        (kind.is_char_device(), 21),
        (metadata.mode() & 0o1000 != 0, 20),
    ];
    let flags: u64 = bits.iter().filter(|(set, _)| *set).map(|(_, bit)| 1_u64 << bit).sum();
    flags | u64::from(metadata.mode() & 0o777)
}

/// The modification time, in nanoseconds since 1970.
fn modified(metadata: &Metadata) -> u64 {
    u64::try_from(metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn follows_links_inside_the_directory() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("real/deep")).unwrap();
        symlink("real", root.path().join("a")).unwrap();
        symlink("/real/deep", root.path().join("real/abs")).unwrap();
        symlink("../..", root.path().join("real/out")).unwrap();
        symlink("loop", root.path().join("loop")).unwrap();
        let followed = |path: &str| follow(root.path(), path);
        assert_eq!(followed("a/deep"), ["a/deep", "a", "real/deep"]);
        assert_eq!(followed("a/abs/x"), ["a/abs/x", "a", "real/abs/x", "real/abs", "real/deep/x"]);
        assert_eq!(followed("real/out/x"), ["real/out/x"]);
        assert_eq!(followed("/b*"), ["b*"]);
        assert!(followed("loop").len() < LINKS);
    }

    #[test]
    fn stat_has_the_attributes_of_a_file() {
        let root = tempfile::tempdir().unwrap();
        let mut listed = Listed::new("a".into(), root.path().to_owned(), root.path().metadata().unwrap()).unwrap();
        listed.attributes = BTreeMap::from([(b"security.capability".to_vec(), vec![1, 0, 0, 2])]);
        let stat = listed.stat();
        assert_eq!(Fields(&stat).get(1).text(), "a");
        let attribute = Fields(&stat).get(10).bytes();
        assert_eq!(Fields(attribute).get(1).text(), "security.capability");
        assert_eq!(Fields(attribute).get(2).bytes(), [1, 0, 0, 2]);
    }

    #[test]
    fn decodes_non_ascii_headers() {
        let mut headers = HeaderMap::new();
        headers.insert("exclude-patterns", "%C3%BC+x".parse().unwrap());
        assert_eq!(values(&headers, "exclude-patterns"), ["%C3%BC+x"]);
        headers.insert("exclude-patterns-encoded", "1".parse().unwrap());
        assert_eq!(values(&headers, "exclude-patterns"), ["ü x"]);
    }
}
