//! Archives built by hand, with entries that no tool would write.

use std::fmt::Write as _;

/// An archive under construction. By default owners are 0 and times are 1 January 2024.
#[derive(Debug, Clone, Default)]
pub struct Tar {
    bytes: Vec<u8>,
    records: Vec<(String, Vec<u8>)>,
}

impl Tar {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a PAX record to the next entry: `("SCHILY.xattr.user.x", b"1")`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        self.records.push((key.to_owned(), value.into()));
        self
    }

    /// A file.
    #[must_use]
    pub fn file(self, path: impl AsRef<[u8]>, mode: u32, content: &[u8]) -> Self {
        self.entry(path.as_ref(), b'0', mode, b"", content.len(), content)
    }

    /// A directory.
    #[must_use]
    pub fn directory(self, path: impl AsRef<[u8]>, mode: u32) -> Self {
        self.entry(path.as_ref(), b'5', mode, b"", 0, b"")
    }

    /// A symlink.
    #[must_use]
    pub fn link(self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(path.as_ref(), b'2', 0o777, target.as_ref(), 0, b"")
    }

    /// A hard link.
    #[must_use]
    pub fn hard_link(self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(path.as_ref(), b'1', 0o644, target.as_ref(), 0, b"")
    }

    /// A whiteout, which removes a name of the layers below.
    #[must_use]
    pub fn whiteout(self, path: &str) -> Self {
        let (directory, name) = path.rsplit_once('/').map_or(("", path), |(directory, name)| (directory, name));
        let separator = if directory.is_empty() { "" } else { "/" };
        self.file(format!("{directory}{separator}.wh.{name}"), 0o644, b"")
    }

    /// Any entry; `size` is the size in its header.
    #[must_use]
    pub fn entry(mut self, path: &[u8], letter: u8, mode: u32, target: &[u8], size: usize, content: &[u8]) -> Self {
        let records = std::mem::take(&mut self.records);
        if !records.is_empty() {
            let text: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
            self = self.entry(b"PaxHeaders/x", b'x', 0o644, b"", text.len(), &text);
        }
        let mut header = [0_u8; 512];
        header[..path.len().min(100)].copy_from_slice(&path[..path.len().min(100)]);
        let mut put = |at: usize, text: String| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(100, format!("{mode:07o}\0"));
        put(108, "0000000\0".to_owned());
        put(116, "0000000\0".to_owned());
        put(124, format!("{size:011o}\0"));
        put(136, format!("{:011o}\0", 1_704_067_200));
        header[156] = letter;
        header[157..157 + target.len().min(100)].copy_from_slice(&target[..target.len().min(100)]);
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        let mut text = String::new();
        let _ = write!(text, "{sum:06o}\0 ");
        header[148..156].copy_from_slice(text.as_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().div_ceil(512) * 512, 0);
        self
    }

    /// The complete archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }

    /// The archive without its end marker.
    pub fn cut(self, length: usize) -> Vec<u8> {
        self.bytes[..length].to_vec()
    }
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let base = key.len() + value.len() + 3;
    let length = (base + 1..base + 20).find(|length| base + length.to_string().len() == *length).expect("a length");
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}
