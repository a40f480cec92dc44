//! A file that is read while it is written: buffers the download of a layer that waits to be applied.
//!
//! The file has no name, so nothing remains if the process is killed.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fs::{Mode, OFlags};
use tokio::sync::OwnedSemaphorePermit;

/// Creates an unnamed file in a directory.
pub(crate) fn nameless(directory: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        return Ok(File::from(file));
    }
    // Not every file system supports `O_TMPFILE`.
    let path = directory.join(".jetway-spool");
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Creates a spool: its writer and its reader. The file is created by [`Writer::open`].
pub(crate) fn spool(directory: &Path) -> (Writer, Reader) {
    let shared = Arc::new(Shared {
        directory: directory.to_owned(),
        file: OnceLock::new(),
        state: Mutex::default(),
        changed: Condvar::new(),
    });
    (Writer { shared: Arc::clone(&shared) }, Reader { shared, position: 0 })
}

struct Shared {
    directory: PathBuf,
    file: OnceLock<Opened>,
    state: Mutex<State>,
    changed: Condvar,
}

/// The file, with its permit from the limit of open files.
struct Opened {
    file: File,
    _permit: OwnedSemaphorePermit,
}

#[derive(Default)]
struct State {
    written: u64,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// All data was written and verified.
    Whole,
    /// The download has failed.
    Failed,
}

/// The writer. If it is dropped before [`finish`](Self::finish), reads fail.
pub(crate) struct Writer {
    shared: Arc<Shared>,
}

/// The reader, which waits for data that is not yet written.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    position: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn file(&self) -> io::Result<&File> {
        self.file.get().map(|opened| &opened.file).ok_or_else(|| io::Error::other("the file is not open"))
    }
}

impl Writer {
    /// Creates the file, before anything is written. The permit is released when both ends are dropped.
    pub(crate) fn open(&mut self, permit: OwnedSemaphorePermit) -> io::Result<()> {
        let file = nameless(&self.shared.directory)?;
        self.shared.file.get_or_init(|| Opened { file, _permit: permit });
        Ok(())
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.shared.file()?;
        file.write_all(bytes)?;
        self.shared.state().written += bytes.len() as u64;
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Marks the data as complete.
    pub(crate) fn finish(self) {
        self.shared.state().end = Some(End::Whole);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.state().end.get_or_insert(End::Failed);
        self.shared.changed.notify_all();
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = {
            let mut state = self.shared.state();
            while state.written == self.position && state.end.is_none() {
                state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.end == Some(End::Failed) {
                return Err(io::Error::other(Abandoned));
            }
            state.written - self.position
        };
        let most = usize::try_from(available).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.shared.file()?.read_at(buffer.get_mut(..most).unwrap_or_default(), self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// The error of a reader whose download failed; the download reports the cause.
#[derive(Debug)]
pub(crate) struct Abandoned;

impl std::fmt::Display for Abandoned {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the download did not finish")
    }
}

impl std::error::Error for Abandoned {}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Semaphore;

    fn opened(directory: &Path) -> (Writer, Reader) {
        let (mut writer, reader) = spool(directory);
        writer.open(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()).unwrap();
        (writer, reader)
    }

    #[test]
    fn releases_permit_when_both_ends_are_closed() {
        let directory = tempfile::tempdir().unwrap();
        let files = Arc::new(Semaphore::new(1));
        let (mut writer, reader) = spool(directory.path());
        writer.open(Arc::clone(&files).try_acquire_owned().unwrap()).unwrap();
        writer.finish();
        assert_eq!(files.available_permits(), 0);
        drop(reader);
        assert_eq!(files.available_permits(), 1);
    }

    #[test]
    fn reader_gets_data_at_once_and_waits_for_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, mut reader) = opened(directory.path());
        writer.write(b"abc").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(reader.read(&mut buffer).unwrap(), 3);
        let rest = std::thread::spawn(move || {
            let mut rest = String::new();
            reader.read_to_string(&mut rest).map(|_| rest)
        });
        writer.write(b"def").unwrap();
        writer.finish();
        assert_eq!(rest.join().unwrap().unwrap(), "def");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn reader_fails_with_its_writer() {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, mut reader) = opened(directory.path());
        writer.write(b"abc").unwrap();
        drop(writer);
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
    }
}
