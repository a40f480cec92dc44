//! Passes bytes between two threads: one decompresses layers, one after the other, while the other writes their files.
//!
//! All layers share one pipe, so that the buffered data is limited for all of them together, however many and small
//! they are.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The size of a piece, in bytes.
const PIECE: usize = 256 * 1024;

/// How many pieces are buffered: enough to decouple the two threads, in little memory.
const MAX_BUFFERED: usize = 16;

/// A piece, which is empty at the end of a layer, or the sender's error.
type Piece = io::Result<Vec<u8>>;

/// A new pipe.
pub(crate) fn pipe() -> (Sender, Receiving) {
    let (full, pieces) = sync_channel(MAX_BUFFERED);
    let (empty, used) = sync_channel(MAX_BUFFERED + 2);
    (Sender { full, used }, Receiving { pieces, empty, piece: Vec::new(), position: 0, is_at_end: false })
}

/// The sending end.
pub(crate) struct Sender {
    full: SyncSender<Piece>,
    /// Returns used buffers, so that the sender need not allocate new ones.
    used: Receiver<Vec<u8>>,
}

/// The receiving end: reads one layer, and the next one after [`next_layer`](Self::next_layer).
pub(crate) struct Receiving {
    pieces: Receiver<Piece>,
    empty: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    position: usize,
    is_at_end: bool,
}

impl Sender {
    /// Sends everything from a reader as one layer, including its error. Returns whether another layer may be sent;
    /// stops early if the receiver was dropped.
    pub(crate) fn send_all(&self, mut reader: impl Read) -> bool {
        loop {
            let mut piece = self.used.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE));
            piece.clear();
            let outcome = reader.by_ref().take(PIECE as u64).read_to_end(&mut piece);
            if matches!(outcome, Ok(0)) {
                return self.full.send(Ok(Vec::new())).is_ok();
            }
            let has_failed = outcome.is_err();
            if self.full.send(outcome.map(|_| piece)).is_err() || has_failed {
                return false;
            }
        }
    }

    /// Sends an error to the receiver. Returns `false`, since nothing more can be sent then.
    pub(crate) fn fail(&self, error: io::Error) -> bool {
        let _ = self.full.send(Err(error));
        false
    }
}

impl Receiving {
    /// Starts the next layer, after this one was read to its end.
    pub(crate) fn next_layer(&mut self) {
        self.is_at_end = false;
    }
}

impl Read for Receiving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position == self.piece.len() {
            if self.is_at_end {
                return Ok(0);
            }
            let next = self.pieces.recv().map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            let read = std::mem::replace(&mut self.piece, next?);
            self.position = 0;
            self.is_at_end = self.piece.is_empty();
            if read.capacity() > 0 {
                // If the sender has enough buffers, this one is dropped.
                let _ = self.empty.try_send(read);
            }
        }
        let rest = self.piece.get(self.position..).unwrap_or_default();
        let most = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..most), rest.get(..most)) {
            to.copy_from_slice(from);
        }
        self.position += most;
        Ok(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_data_and_errors() {
        let (sender, mut receiving) = pipe();
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let sent = bytes.clone();
        let thread = std::thread::spawn(move || {
            sender.send_all(&sent[..]);
            sender.fail(io::Error::other("broken"));
        });
        let mut read = vec![0; bytes.len()];
        receiving.read_exact(&mut read).unwrap();
        assert!(read == bytes);
        // At the end of a layer every further read returns 0, too.
        assert_eq!((receiving.read(&mut read).unwrap(), receiving.read(&mut read).unwrap()), (0, 0));
        receiving.next_layer();
        assert_eq!(receiving.read(&mut read).unwrap_err().to_string(), "broken");
        thread.join().unwrap();
    }

    #[test]
    fn limits_buffered_data_of_all_layers() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (sender, mut receiving) = pipe();
        let sent = &AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..200 {
                    sender.send_all(&b"x"[..]);
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            });
            for read in 0..200 {
                // The buffered pieces, the piece that is being sent, and the piece that is counted after it was read.
                assert!(sent.load(Ordering::SeqCst) <= read + MAX_BUFFERED + 2);
                assert_eq!(receiving.read(&mut [0; 2]).unwrap(), 1);
                assert_eq!(receiving.read(&mut [0; 2]).unwrap(), 0);
                receiving.next_layer();
            }
        });
        // If the sender is dropped in the middle of a layer, the read must fail.
        assert!(receiving.read(&mut [0; 2]).is_err());
    }

    #[test]
    fn sender_ends_without_a_reader() {
        let (sender, receiving) = pipe();
        drop(receiving);
        assert!(!sender.send_all(io::repeat(0)));
    }
}
