//! A file that is read while it is written: what has been downloaded of a layer, until its turn comes.
//!
//! It has no name, so that nothing is left of it whatever becomes of the process.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags};

/// Makes a file without a name in a directory.
pub(crate) fn nameless(directory: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        return Ok(File::from(file));
    }
    // Not every file system knows that.
    let path = directory.join(".jetway-spool");
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// A new spool: the end that is written to, and the end that is read from.
pub(crate) fn spool(directory: &Path) -> io::Result<(Writer, Reader)> {
    let shared = Arc::new(Shared { file: nameless(directory)?, state: Mutex::default(), changed: Condvar::new() });
    Ok((Writer { shared: Arc::clone(&shared) }, Reader { shared, position: 0 }))
}

struct Shared {
    file: File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    written: u64,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// All is there, and is what it should be.
    Whole,
    /// Nothing more will come.
    Failed,
}

/// The end that is written to. Dropped before [`finish`](Self::finish), it fails whoever reads.
pub(crate) struct Writer {
    shared: Arc<Shared>,
}

/// The end that is read from, which waits for what is still to come.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    position: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&self.shared.file).write_all(bytes)?;
        self.shared.state().written += bytes.len() as u64;
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Says that all is there.
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
        let read = self.shared.file.read_at(buffer.get_mut(..most).unwrap_or_default(), self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// The download has failed, which is told by who downloads.
#[derive(Debug)]
pub(crate) struct Abandoned;

impl std::fmt::Display for Abandoned {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the download did not come to its end")
    }
}

impl std::error::Error for Abandoned {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_at_once_and_the_end_waits_for_the_last() {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, mut reader) = spool(directory.path()).unwrap();
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
    fn a_reader_fails_with_its_writer() {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, mut reader) = spool(directory.path()).unwrap();
        writer.write(b"abc").unwrap();
        drop(writer);
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
    }
}
