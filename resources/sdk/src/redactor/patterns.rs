//! The secrets that text is searched for.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::{Bound, Range};

use zeroize::Zeroizing;

use super::decode::Shortest;
use super::{LONGEST_ESCAPE, SHORTEST};

/// The longest part of a secret that is looked for at the ends of a text, in bytes.
const LONGEST_PART: usize = 4096;

/// The part of a secret that is masked at the end of a text, in bytes, if half of the secret is longer. A little less than
/// half is enough, see [`LOST`].
const TELLING_PART: usize = 16;

/// The bytes that cannot be decoded where base64 in base64 is cut.
const LOST: usize = 3;

/// The shortest part of a secret that is masked at the end of a text, in bytes.
const SHORTEST_PART: usize = 6;

/// The shortest line of a secret of several lines of which a part is masked: the lines of a key are longer.
const SHORTEST_CUT_LINE: usize = 32;

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

/// Patterns in order, and which three bytes one of them begins with.
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
            // A pattern that `text` begins with is not after `text`, and whatever lies between the two begins with it, too.
            let range = (Bound::Unbounded, Bound::Included(up_to));
            let before = &self.patterns.range::<[u8], _>(range).next_back()?.0;
            let common = before.iter().zip(text).take_while(|(a, b)| a == b).count();
            if common == before.len() {
                return Some(common);
            }
            if common < SHORTEST {
                return None;
            }
            up_to = text.get(..common)?;
        }
    }

    /// Whether a pattern begins with `part`, which is enough of it to be telling.
    fn begins_with(&self, part: &[u8]) -> bool {
        /// Enough to come to a short one among those that begin alike.
        const MOST_LOOKED_AT: usize = 64;
        if part.len() < SHORTEST_PART || !self.beginnings.may_contain(part) {
            return false;
        }
        let from = (Bound::Included(part), Bound::Unbounded);
        self.patterns
            .range::<[u8], _>(from)
            .map(|pattern| pattern.0.as_slice())
            .take_while(|pattern| pattern.starts_with(part))
            .take(MOST_LOOKED_AT)
            .any(|pattern| part.len() >= TELLING_PART.min((pattern.len() / 2).saturating_sub(LOST)))
    }
}

/// A set of three bytes each, by a hash: it may contain more than was inserted, and never less.
struct Beginnings(Vec<u64>);

impl Default for Beginnings {
    fn default() -> Self {
        Self(vec![0; 1 << (Self::BITS - 6)])
    }
}

impl Beginnings {
    const BITS: u32 = 18;

    fn place(text: &[u8]) -> Option<(usize, u64)> {
        let [a, b, c, ..] = text else { return None };
        let number = u32::from_le_bytes([*a, *b, *c, 0]).wrapping_mul(0x9E37_79B1) >> (32 - Self::BITS);
        Some((number as usize / 64, 1 << (number % 64)))
    }

    fn insert(&mut self, text: &[u8]) {
        if let Some((word, bit)) = Self::place(text)
            && let Some(word) = self.0.get_mut(word)
        {
            *word |= bit;
        }
    }

    fn may_contain(&self, text: &[u8]) -> bool {
        Self::place(text).is_some_and(|(word, bit)| self.0.get(word).is_some_and(|word| word & bit != 0))
    }
}

/// All secrets that are known.
#[derive(Default)]
pub(super) struct Patterns {
    all: Ordered,
    /// Those of which a part is masked at the end of a text.
    cut: Ordered,
    /// The same backwards, for what is left of one at the start of a text.
    cut_backwards: Ordered,
    shortest: Option<usize>,
}

impl Patterns {
    pub(super) fn is_empty(&self) -> bool {
        self.all.patterns.is_empty()
    }

    /// Adds a secret, or a line of one that has several.
    pub(super) fn add(&mut self, secret: &str, is_line: bool) {
        if secret.len() < SHORTEST {
            return;
        }
        self.shortest = Some(self.shortest.unwrap_or(usize::MAX).min(secret.len()));
        self.all.insert(secret.as_bytes().to_vec());
        // Half a sentence is no secret, and neither is half of `clusters:` in a kubeconfig.
        let shortest = if is_line { SHORTEST_CUT_LINE } else { SHORTEST_PART };
        if (shortest..=LONGEST_PART).contains(&secret.len()) && !secret.contains(char::is_whitespace) {
            self.cut.insert(secret.as_bytes().to_vec());
            self.cut_backwards.insert(secret.bytes().rev().collect());
        }
    }

    /// Finds every secret in `text`.
    pub(super) fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let mut rest = text;
        let mut at = 0;
        while rest.len() >= SHORTEST {
            if let Some(length) = self.all.longest(rest) {
                found.push(at..at + length);
            }
            at += 1;
            rest = rest.get(1..).unwrap_or_default();
        }
    }

    pub(super) fn shortest(&self) -> Shortest {
        let whole = self.shortest.unwrap_or(SHORTEST);
        Shortest { whole, part: whole.min(SHORTEST_PART) }
    }

    /// What is left of a secret at the start of `text`, perhaps after what is left of an escape, if enough of it is left.
    pub(super) fn rest_at_start(&self, text: &[u8]) -> Option<Range<usize>> {
        let is_of_escape = |byte: &&u8| byte.is_ascii_alphanumeric() || b"\\#{};'".contains(byte);
        let most_skipped = text.iter().take(LONGEST_ESCAPE).take_while(is_of_escape).count();
        let backwards: Zeroizing<Vec<u8>> = Zeroizing::new(text.iter().take(LONGEST_PART).rev().copied().collect());
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
        let first = text.len().saturating_sub(LONGEST_PART);
        (first..text.len())
            .find(|start| text.get(*start..).is_some_and(|part| self.cut.begins_with(part)))
            .map(|start| start..text.len())
    }
}
