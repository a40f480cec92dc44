//! The set of secrets, and the search for them.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::{Bound, Range};

use zeroize::Zeroizing;

use super::decode::{MAX_ESCAPE_LENGTH, Shortest};

/// The shortest text that is masked. Masking one or two characters wherever they occur would scramble every message
/// without hiding anything.
pub(super) const MIN_SECRET_LENGTH: usize = 3;

/// The longest part of a secret that is searched for at the ends of a text, in bytes.
const MAX_PART_BYTES: usize = 4096;

/// The length of a part, in bytes, that is always masked at the end of a text. For a shorter secret, half of it minus [`LOST`] is
/// enough.
const TELLING_PART: usize = 16;

/// The maximum number of bytes that cannot be decoded where nested base64 is cut off.
const LOST: usize = 3;

/// The shortest part of a secret that is masked at the end of a text, in bytes.
const MIN_PART_LENGTH: usize = 6;

/// The shortest secret of which one of two parts is always recognised, in bytes.
const MIN_HALVED_LENGTH: usize = 2 * (MIN_PART_LENGTH + LOST);

/// The shortest line of a multi-line secret whose parts are masked. The lines of a key are longer.
const MIN_CUT_LINE_LENGTH: usize = 32;

/// A secret, or its bytes backwards.
struct Pattern(Zeroizing<Vec<u8>>);

impl Borrow<[u8]> for Pattern {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_slice().cmp(other.0.as_slice())
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Pattern {}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

/// The patterns in order, and a filter by their beginnings.
#[derive(Default)]
struct Ordered {
    patterns: BTreeSet<Pattern>,
    beginnings: Beginnings,
}

impl Ordered {
    fn insert(&mut self, pattern: Vec<u8>) {
        self.beginnings.insert(&pattern);
        self.patterns.insert(Pattern(Zeroizing::new(pattern)));
    }

    /// The length of the longest pattern that `text` begins with.
    fn longest(&self, text: &[u8]) -> Option<usize> {
        if !self.beginnings.may_contain(text) {
            return None;
        }
        let mut up_to = text;
        loop {
            // A pattern that is a prefix of `text` sorts before `text`, and all patterns between the two have the same prefix.
            let range = (Bound::Unbounded, Bound::Included(up_to));
            let before = &self.patterns.range::<[u8], _>(range).next_back()?.0;
            let common = before.iter().zip(text).take_while(|(a, b)| a == b).count();
            if common == before.len() {
                return Some(common);
            }
            if common < MIN_SECRET_LENGTH {
                return None;
            }
            up_to = text.get(..common)?;
        }
    }

    /// Whether a pattern begins with `part`, and `part` is long enough to recognise it.
    fn begins_with(&self, part: &[u8]) -> bool {
        /// Limits the search for a short pattern among patterns with the same beginning.
        const MAX_CANDIDATES: usize = 64;
        if part.len() < MIN_PART_LENGTH || !self.beginnings.may_contain(part) {
            return false;
        }
        let from = (Bound::Included(part), Bound::Unbounded);
        self.patterns
            .range::<[u8], _>(from)
            .map(|pattern| pattern.0.as_slice())
            .take_while(|pattern| pattern.starts_with(part))
            .take(MAX_CANDIDATES)
            .any(|pattern| part.len() >= TELLING_PART.min((pattern.len() / 2).saturating_sub(LOST)))
    }
}

/// A filter by the first three and the first six bytes of the patterns, as sets of hashes. It has false positives but no false
/// negatives.
///
/// Three bytes alone do not filter base64: the lines of a long key begin with most of the possible values.
struct Beginnings {
    three: Vec<u64>,
    six: Vec<u64>,
    /// Whether a pattern has less than six bytes, so that the filter by six bytes does not apply.
    has_short: bool,
}

impl Default for Beginnings {
    fn default() -> Self {
        let empty = vec![0; 1 << (Self::BITS - 6)];
        Self { three: empty.clone(), six: empty, has_short: false }
    }
}

impl Beginnings {
    const BITS: u32 = 18;

    fn place(number: u64) -> (usize, u64) {
        let hash = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - Self::BITS);
        // Less than 2^18, so it fits into `usize` on every platform.
        (usize::try_from(hash / 64).unwrap_or_default(), 1 << (hash % 64))
    }

    fn three(text: &[u8]) -> Option<(usize, u64)> {
        let [a, b, c, ..] = text else { return None };
        Some(Self::place(u64::from_le_bytes([*a, *b, *c, 0, 0, 0, 0, 0])))
    }

    fn six(text: &[u8]) -> Option<(usize, u64)> {
        let ([first, second, third], rest) = text.split_first_chunk()?;
        let [fourth, fifth, sixth] = rest.first_chunk()?;
        Some(Self::place(u64::from_le_bytes([*first, *second, *third, *fourth, *fifth, *sixth, 0, 0])))
    }

    fn insert(&mut self, text: &[u8]) {
        let set = |words: &mut Vec<u64>, (word, bit): (usize, u64)| {
            if let Some(word) = words.get_mut(word) {
                *word |= bit;
            }
        };
        if let Some(place) = Self::three(text) {
            set(&mut self.three, place);
        }
        match Self::six(text) {
            Some(place) => set(&mut self.six, place),
            None => self.has_short = true,
        }
    }

    fn may_contain(&self, text: &[u8]) -> bool {
        let is_set = |words: &[u64], (word, bit): (usize, u64)| words.get(word).is_some_and(|word| word & bit != 0);
        Self::three(text).is_some_and(|place| is_set(&self.three, place))
            && (self.has_short || Self::six(text).is_some_and(|place| is_set(&self.six, place)))
    }
}

/// All secrets that are known.
#[derive(Default)]
pub(super) struct Patterns {
    all: Ordered,
    /// Those of which a part is masked at the end of a text.
    cut: Ordered,
    /// The same patterns reversed, to find the rest of a secret at the start of a text.
    cut_backwards: Ordered,
    shortest: Option<usize>,
    has_short: bool,
    has_blank: bool,
}

impl Patterns {
    pub(super) fn is_empty(&self) -> bool {
        self.all.patterns.is_empty()
    }

    /// Adds a secret, or a line of a multi-line secret.
    pub(super) fn add(&mut self, secret: &str, is_line: bool) {
        if secret.len() < MIN_SECRET_LENGTH {
            return;
        }
        self.shortest = Some(self.shortest.unwrap_or(usize::MAX).min(secret.len()));
        self.has_blank |= secret.contains(' ');
        self.has_short |= !is_line && secret.len() < MIN_HALVED_LENGTH;
        self.all.insert(secret.as_bytes().to_vec());
        // Half a sentence is no secret, and neither is half of `clusters:` in a kubeconfig.
        let shortest = if is_line { MIN_CUT_LINE_LENGTH } else { MIN_PART_LENGTH };
        if (shortest..=MAX_PART_BYTES).contains(&secret.len()) && !secret.contains(char::is_whitespace) {
            self.cut.insert(secret.as_bytes().to_vec());
            self.cut_backwards.insert(secret.bytes().rev().collect());
        }
    }

    /// Finds every secret in `text`.
    pub(super) fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let mut rest = text;
        let mut at = 0;
        while rest.len() >= MIN_SECRET_LENGTH {
            if let Some(length) = self.all.longest(rest) {
                found.push(at..at + length);
            }
            at += 1;
            rest = rest.get(1..).unwrap_or_default();
        }
    }

    pub(super) fn shortest(&self) -> Shortest {
        let whole = self.shortest.unwrap_or(MIN_SECRET_LENGTH);
        Shortest { whole, part: whole.min(MIN_PART_LENGTH) }
    }

    /// Whether there is a secret whose halves are not telling.
    pub(super) fn has_short(&self) -> bool {
        self.has_short
    }

    pub(super) fn has_blank(&self) -> bool {
        self.has_blank
    }

    /// The rest of a secret at the start of `text`, possibly after the rest of an escape, if it is long enough to
    /// identify the secret.
    pub(super) fn rest_at_start(&self, text: &[u8], backwards: &mut Vec<u8>) -> Option<Range<usize>> {
        if self.cut_backwards.patterns.is_empty() {
            return None;
        }
        let is_of_escape = |byte: &&u8| byte.is_ascii_alphanumeric() || b"\\#{};'".contains(byte);
        let most_skipped = text.iter().take(MAX_ESCAPE_LENGTH).take_while(is_of_escape).count();
        backwards.clear();
        backwards.extend(text.iter().take(MAX_PART_BYTES).rev());
        let length = backwards.len();
        (0..length).find_map(|from_end| {
            let part = backwards.get(from_end..).filter(|part| self.cut_backwards.beginnings.may_contain(part))?;
            let is_rest = |skipped: &usize| {
                let rest = part.len().checked_sub(*skipped).and_then(|length| part.get(..length));
                rest.is_some_and(|rest| self.cut_backwards.begins_with(rest))
            };
            (0..=most_skipped).find(is_rest).map(|skipped| skipped..length - from_end)
        })
    }

    /// The beginning of a secret at the end of `text`, if it is enough of it.
    pub(super) fn beginning_at_end(&self, text: &[u8]) -> Option<Range<usize>> {
        if self.cut.patterns.is_empty() {
            return None;
        }
        let first = text.len().saturating_sub(MAX_PART_BYTES);
        (first..text.len())
            .find(|start| text.get(*start..).is_some_and(|part| self.cut.begins_with(part)))
            .map(|start| start..text.len())
    }
}
