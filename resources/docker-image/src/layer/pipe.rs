//! Bytes from one thread to another: one decompresses while the other writes files.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The size of a piece, in bytes.
const PIECE: usize = 256 * 1024;

/// How many pieces wait: enough to let the two threads run at their own pace, and little memory.
const WAITING: usize = 16;

/// The outcome of the other end: a piece, or why there is none.
type Piece = io::Result<Vec<u8>>;

/// A new pipe.
pub(crate) fn pipe() -> (Sender, Receiving) {
    let (full, pieces) = sync_channel(WAITING);
    let (empty, used) = sync_channel(WAITING + 2);
    (Sender { full, used }, Receiving { pieces, empty, piece: Vec::new(), position: 0 })
}

/// The end that sends.
pub(crate) struct Sender {
    full: SyncSender<Piece>,
    /// Pieces that have been read come back, so that no memory is asked for again.
    used: Receiver<Vec<u8>>,
}

/// The end that reads. It is at its end when the other one has gone.
pub(crate) struct Receiving {
    pieces: Receiver<Piece>,
    empty: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    position: usize,
}

impl Sender {
    /// Sends all that a reader gives, its failure included. Returns whether somebody has read all that was sent so far; when
    /// nobody reads any more it ends early.
    pub(crate) fn send_all(&self, mut reader: impl Read) -> bool {
        loop {
            let mut piece = self.used.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE));
            piece.clear();
            let outcome = reader.by_ref().take(PIECE as u64).read_to_end(&mut piece);
            if matches!(outcome, Ok(0)) {
                return true;
            }
            let has_failed = outcome.is_err();
            if self.full.send(outcome.map(|_| piece)).is_err() || has_failed {
                return false;
            }
        }
    }

    /// Tells the other end of a failure. There is no more to send then, as what it returns says.
    pub(crate) fn fail(&self, error: io::Error) -> bool {
        let _ = self.full.send(Err(error));
        false
    }
}

impl Read for Receiving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position == self.piece.len() {
            let Ok(next) = self.pieces.recv() else { return Ok(0) };
            let read = std::mem::replace(&mut self.piece, next?);
            // The other end takes it back, or has enough.
            let _ = self.empty.try_send(read);
            self.position = 0;
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
    fn what_is_sent_arrives_whole_and_errors_too() {
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
        assert_eq!(receiving.read(&mut read).unwrap_err().to_string(), "broken");
        thread.join().unwrap();
    }

    #[test]
    fn a_sender_ends_when_nobody_reads() {
        let (sender, receiving) = pipe();
        drop(receiving);
        assert!(!sender.send_all(io::repeat(0)));
    }
}
