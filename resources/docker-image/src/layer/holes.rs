//! Sparse files: blocks of zeros are not written, and take no disk space.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// The size of a block of zeros that becomes a hole, in bytes.
pub(crate) const HOLE: usize = 4096;

/// Whether a block, of [`HOLE`] bytes at most, is all zeros.
pub(crate) fn is_zeros(block: &[u8]) -> bool {
    // Comparing memory is many times faster than a loop over bytes.
    [0; HOLE].get(..block.len()).is_some_and(|zeros| zeros == block)
}

/// Writes to a new file, and returns the end of the written data, if any. Blocks of zeros are skipped, and become
/// holes.
pub(crate) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<Option<u64>> {
    let mut written = None;
    let mut write = |begin: usize, end: usize| -> io::Result<()> {
        if let Some(some) = bytes.get(begin..end).filter(|some| !some.is_empty()) {
            file.write_all_at(some, at + begin as u64)?;
            written = Some(at + end as u64);
        }
        Ok(())
    };
    let mut begin = 0;
    for (index, block) in bytes.chunks_exact(HOLE).enumerate() {
        if is_zeros(block) {
            let hole = index * HOLE;
            write(begin, hole)?;
            begin = hole + HOLE;
        }
    }
    write(begin, bytes.len())?;
    Ok(written)
}

/// A sequential writer of a new sparse file.
pub(crate) struct Sparse {
    file: File,
    at: u64,
}

impl Sparse {
    pub(crate) fn new(file: File) -> Self {
        Self { file, at: 0 }
    }

    /// The file, extended to its full length.
    pub(crate) fn finish(self) -> io::Result<(File, u64)> {
        self.file.set_len(self.at)?;
        Ok((self.file, self.at))
    }
}

impl io::Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_at(&self.file, bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn block_of_zeros_becomes_a_hole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let mut content = vec![0; 4 * 1024 * 1024];
        content[10] = 1;
        content[3_000_000] = 2;
        let mut file = Sparse::new(File::create(&path).unwrap());
        for piece in content.chunks(300_000) {
            file.write_all(piece).unwrap();
        }
        assert_eq!(file.finish().unwrap().1, content.len() as u64);
        assert!(std::fs::read(&path).unwrap() == content);
        assert!(std::fs::metadata(&path).unwrap().blocks() * 512 < 1024 * 1024);
    }
}
