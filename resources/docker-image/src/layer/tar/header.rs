//! A raw header: its fields, with the numbers in octal digits or in binary.

use std::io;

use super::invalid::broken;

/// The size of a header; content is padded to a multiple of it.
pub(crate) const BLOCK: usize = 512;

/// A raw header.
pub(super) struct Header<'h>(pub(super) &'h [u8; BLOCK]);

impl Header<'_> {
    pub(super) fn field(&self, at: usize, length: usize) -> &[u8] {
        self.0.get(at..at + length).unwrap_or_default()
    }

    pub(super) fn letter(&self) -> u8 {
        self.field(156, 1).first().copied().unwrap_or_default()
    }

    fn is_posix(&self) -> bool {
        self.field(257, 6) == b"ustar\0"
    }

    /// Verifies the checksum, which some writers computed with signed bytes.
    pub(super) fn check(&self) -> io::Result<()> {
        let own = |index: usize| (148..156).contains(&index);
        let byte = |(index, byte): (usize, &u8)| if own(index) { b' ' } else { *byte };
        let sum: u64 = self.0.iter().enumerate().map(byte).map(u64::from).sum();
        let signed: i64 = self.0.iter().enumerate().map(byte).map(|byte| i64::from(byte.cast_signed())).sum();
        let is_right = |named: u64| named == sum || i64::try_from(named) == Ok(signed);
        if self.number(148, 8).is_ok_and(is_right) { Ok(()) } else { Err(broken("the checksum of a header is wrong")) }
    }

    pub(super) fn size(&self) -> io::Result<u64> {
        self.number(124, 12)
    }

    /// An owner's id, which may be negative in binary.
    pub(super) fn id(&self, at: usize) -> io::Result<u32> {
        let field = self.field(at, 8);
        if field.first() == Some(&0xff) {
            let number: [u8; 8] = field.try_into().unwrap_or_default();
            return owner(i64::from_be_bytes(number));
        }
        owner(self.number(at, 8)?.try_into().unwrap_or(i64::MAX))
    }

    /// A number in octal digits, or in binary if the first bit is set.
    pub(super) fn number(&self, at: usize, length: usize) -> io::Result<u64> {
        let field = self.field(at, length);
        if let Some((first, rest)) = field.split_first()
            && first & 0x80 != 0
        {
            let mut number = u64::from(first & 0x7f);
            for byte in rest {
                if number >> 56 != 0 {
                    return Err(broken("a number is out of range"));
                }
                number = number << 8 | u64::from(*byte);
            }
            return Ok(number);
        }
        let digits = field.iter().skip_while(|byte| **byte == b' ').take_while(|byte| !matches!(byte, 0 | b' '));
        digits.into_iter().try_fold(0_u64, |number, byte| match byte {
            b'0'..=b'7' => number
                .checked_mul(8)
                .map(|number| number + u64::from(byte - b'0'))
                .ok_or_else(|| broken("a number is out of range")),
            _ => Err(broken("a number contains characters other than digits")),
        })
    }

    /// A time, which may be before 1970 in binary.
    pub(super) fn mtime(&self) -> io::Result<(i64, u32)> {
        let field = self.field(136, 12);
        if field.first() == Some(&0xff) {
            let tail: [u8; 8] = field.get(4..).and_then(|tail| tail.try_into().ok()).unwrap_or_default();
            return Ok((i64::from_be_bytes(tail), 0));
        }
        Ok((self.number(136, 12)?.try_into().unwrap_or(i64::MAX), 0))
    }

    pub(super) fn device(&self) -> io::Result<(u32, u32)> {
        if !matches!(self.letter(), b'3' | b'4') {
            return Ok((0, 0));
        }
        let number = |at| self.number(at, 8)?.try_into().map_err(|_| broken("a device number is out of range"));
        Ok((number(329)?, number(337)?))
    }

    pub(super) fn path(&self) -> Vec<u8> {
        let name = until_zero(self.field(0, 100));
        let prefix = until_zero(self.field(345, 155));
        // GNU's headers have other fields in place of the prefix.
        if !self.is_posix() || prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    pub(super) fn target(&self) -> Vec<u8> {
        until_zero(self.field(157, 100)).to_vec()
    }
}

pub(super) fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The id of an owner or a group. A negative one wraps around, as in the kernel: -2 is the second largest.
pub(super) fn owner(number: i64) -> io::Result<u32> {
    u32::try_from(number)
        .or_else(|_| i32::try_from(number).map(i32::cast_unsigned))
        .map_err(|_| broken("an owner's id is out of range"))
}
