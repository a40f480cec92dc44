//! The map of a sparse file: where its pieces are.

use std::io;

use super::invalid::broken;

/// The most pieces of a sparse file.
pub(super) const MAX_PIECES: usize = 65_536;

/// The offset and length of each piece of a sparse file.
pub(super) type Pieces = Vec<(u64, u64)>;

/// The pieces in a list of alternating offsets and lengths.
pub(super) fn pairs(numbers: &[u64]) -> io::Result<Pieces> {
    if !numbers.len().is_multiple_of(2) {
        return Err(broken("cannot parse the map of a sparse file"));
    }
    Ok(numbers.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect())
}

/// Checks that the pieces are in order, inside of the file, and as long as the archive's content.
pub(super) fn check_pieces(pieces: &[(u64, u64)], size: u64, content: u64) -> io::Result<()> {
    let mut end = 0;
    let mut sum = 0_u64;
    for (offset, length) in pieces {
        let next = offset.checked_add(*length).filter(|next| *offset >= end && *next <= size);
        end = next.ok_or_else(|| broken("the segments of a sparse file overlap or are out of order"))?;
        sum += length;
    }
    if sum == content { Ok(()) } else { Err(broken("the segments of a sparse file do not match its content")) }
}
