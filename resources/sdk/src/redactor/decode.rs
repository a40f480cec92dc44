//! Decodes escapes and encodings in text, and maps each decoded byte to its range in the text.

use std::ops::Range;

use zeroize::Zeroizing;

/// The longest escape, in bytes. A secret that is cut at an end of a text begins or ends at most this far from it.
pub(super) const MAX_ESCAPE_LENGTH: usize = 12;

/// Bytes that were decoded from a text.
///
/// The buffer is reused for each text and each encoding: allocating and zeroing it takes longer than decoding a line.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    origins: Origins,
    /// The ranges in the text, one for each byte, for [`Origins::Each`].
    each: Vec<(usize, usize)>,
}

/// The ranges of the text that the bytes were decoded from.
#[derive(Default)]
enum Origins {
    /// A range for each byte.
    #[default]
    Each,
    /// Two digits per byte, from this offset.
    Hexadecimal(usize),
    /// Four characters for three bytes, from the first offset. The range of the last byte extends to the second offset.
    Base64(usize, usize),
}

impl Decoded {
    fn restart(&mut self, origins: Origins) {
        self.bytes.clear();
        self.each.clear();
        self.origins = origins;
    }

    fn push(&mut self, byte: u8, start: usize, end: usize) {
        self.bytes.push(byte);
        self.each.push((start, end));
    }

    fn push_char(&mut self, character: char, start: usize, end: usize) {
        let mut buffer = [0; 4];
        for byte in character.encode_utf8(&mut buffer).bytes() {
            self.push(byte, start, end);
        }
    }

    /// The range of the text that these bytes were decoded from.
    pub(super) fn origin(&self, range: Range<usize>) -> Range<usize> {
        match self.origins {
            Origins::Each => {
                let start = self.each.get(range.start).map_or(0, |(start, _)| *start);
                let last = range.end.checked_sub(1).and_then(|last| self.each.get(last));
                start..last.map_or(start, |(_, end)| *end).max(start)
            }
            Origins::Hexadecimal(first) => first + 2 * range.start..first + 2 * range.end,
            // A byte spans two characters, which are both masked.
            Origins::Base64(first, end) if range.end == self.bytes.len() => first + range.start * 4 / 3..end,
            Origins::Base64(first, _) => first + range.start * 4 / 3..first + (range.end * 4).div_ceil(3),
        }
    }
}

/// The shortest secret, and the shortest part of a secret that is masked at the ends of a text, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Shortest {
    pub(super) whole: usize,
    pub(super) part: usize,
}

/// An encoding of a secret.
#[derive(Clone, Copy)]
pub(super) enum Encoding {
    /// `%26`.
    Percent,
    /// `%26`, with `+` for a blank, as in HTML forms.
    Form,
    /// `\"`, `\n`, `\u0026`, `\x26`: JSON, and string literals of programming languages.
    Quoted,
    /// `\$`: a shell.
    Shell,
    /// `'\''`: a shell, in single quotes.
    SingleQuoted,
    /// `&amp;`, `&#38;`, `&#x26;`.
    Html,
    /// In lower or upper case.
    Hexadecimal,
    /// Standard or URL-safe, at any alignment.
    Base64,
}

impl Encoding {
    pub(super) const ALL: [Self; 8] = [
        Self::Percent,
        Self::Form,
        Self::Quoted,
        Self::Shell,
        Self::SingleQuoted,
        Self::Html,
        Self::Hexadecimal,
        Self::Base64,
    ];

    /// Decodes the encoding wherever it occurs in `text`, and passes the results to the search. Runs that are masked already, or
    /// too short for a secret (or, at the ends of the text, for a part of one), are skipped.
    pub(super) fn decode(self, text: &[u8], shortest: Shortest, decoded: &mut Decoded, search: &mut dyn Search) {
        let is_known = match self {
            Self::Hexadecimal | Self::Base64 => false,
            _ => is_masked_but_for_quotes(text, search),
        };
        if is_known {
            return;
        }
        let is_too_short = |run: &Range<usize>, bytes: usize| {
            let may_be_cut = run.start <= MAX_ESCAPE_LENGTH || run.end + MAX_ESCAPE_LENGTH >= text.len();
            bytes < if may_be_cut { shortest.part } else { shortest.whole }
        };
        match self {
            Self::Percent => escapes(text, b'%', percent, decoded, search),
            Self::Form => escapes(text, b'+', form, decoded, search),
            Self::Quoted => escapes(text, b'\\', quoted, decoded, search),
            Self::Shell => escapes(text, b'\\', shell, decoded, search),
            Self::SingleQuoted => escapes(text, b'\'', single_quoted, decoded, search),
            Self::Html => escapes(text, b'&', html, decoded, search),
            Self::Hexadecimal => {
                for run in runs(text, |byte| byte.is_ascii_hexdigit()) {
                    if is_too_short(&run, run.len() / 2) {
                        continue;
                    }
                    for skipped in 0..2 {
                        if !search.is_masked(&run) {
                            hexadecimal(text, run.start + skipped..run.end, decoded);
                            search.search(decoded);
                        }
                    }
                }
            }
            Self::Base64 => {
                for run in runs(text, |byte| sextet(byte).is_some()) {
                    if is_too_short(&run, run.len() * 3 / 4) {
                        continue;
                    }
                    for skipped in 0..4 {
                        if !search.is_masked(&run) {
                            base64(text, run.start + skipped..run.end, decoded);
                            search.search(decoded);
                        }
                    }
                }
            }
        }
    }
}

/// The search for secrets in decoded bytes.
pub(super) trait Search {
    /// Searches them.
    fn search(&mut self, decoded: &Decoded);

    /// Whether one secret was found that covers the range, except for less than [`MIN_SECRET_LENGTH`](super::patterns::MIN_SECRET_LENGTH) bytes at
    /// its ends, too few for another secret.
    fn is_masked(&self, range: &Range<usize>) -> bool;
}

/// Whether the text is masked already, except for blanks and quotes at its ends.
fn is_masked_but_for_quotes(text: &[u8], search: &dyn Search) -> bool {
    let is_around = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'');
    let Some(start) = text.iter().position(|byte| !is_around(byte)) else { return true };
    let end = text.iter().rposition(|byte| !is_around(byte)).map_or(start, |last| last + 1);
    search.is_masked(&(start..end))
}

/// The text without line breaks, the blanks around them, and ANSI escape sequences; `None` if it has none of them.
pub(super) fn without_breaks(text: &[u8], joined: &mut Decoded) -> Option<()> {
    const ESCAPE: u8 = 0x1b;
    if !text.iter().any(|byte| matches!(*byte, b'\n' | b'\r' | ESCAPE)) {
        return None;
    }
    joined.restart(Origins::Each);
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let skipped = match rest {
            [ESCAPE, b'[', parameters @ ..] => {
                let length = parameters.iter().take_while(|byte| !(0x40..=0x7e).contains(*byte)).count();
                (length + 3).min(rest.len())
            }
            [ESCAPE, b']', title @ ..] => {
                let length = title.iter().take_while(|byte| !matches!(**byte, 0x07 | ESCAPE)).count();
                (length + 3).min(rest.len())
            }
            [ESCAPE, _, ..] => 2,
            _ if rest.iter().take(blanks).any(|byte| matches!(byte, b'\n' | b'\r')) => blanks,
            _ => 0,
        };
        if skipped > 0 {
            at += skipped;
            continue;
        }
        for byte in rest.iter().take(blanks.max(1)) {
            joined.push(*byte, at, at + 1);
            at += 1;
        }
    }
    Some(())
}

/// Decodes every escape in the text. `unescape` returns the character and the length of an escape at the start of its argument.
fn escapes(
    text: &[u8],
    sign: u8,
    unescape: fn(&[u8]) -> Option<(char, usize)>,
    decoded: &mut Decoded,
    search: &mut dyn Search,
) {
    if !text.contains(&sign) {
        return;
    }
    decoded.restart(Origins::Each);
    let mut at = 0;
    while let Some(rest) = text.get(at..)
        && let Some(byte) = rest.first()
    {
        match unescape(rest) {
            // A percent escape is a byte and not a character.
            Some((character, length)) if sign == b'%' || sign == b'+' => {
                decoded.push(u8::try_from(u32::from(character)).unwrap_or_default(), at, at + length);
                at += length;
            }
            Some((character, length)) => {
                decoded.push_char(character, at, at + length);
                at += length;
            }
            // The text ends in the middle of an escape.
            None if *byte == sign && at > 0 && rest.len() < MAX_ESCAPE_LENGTH && is_one_word(rest) => break,
            None => {
                decoded.push(*byte, at, at + 1);
                at += 1;
            }
        }
    }
    search.search(decoded);
}

fn is_one_word(escape: &[u8]) -> bool {
    escape.iter().skip(1).all(|byte| byte.is_ascii_alphanumeric() || b"\\#'{".contains(byte))
}

fn digits(text: &[u8], count: usize) -> Option<u32> {
    let digits = text.get(..count).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn percent(text: &[u8]) -> Option<(char, usize)> {
    let byte = u8::try_from(digits(text.strip_prefix(b"%")?, 2)?).ok()?;
    Some((char::from(byte), 3))
}

fn form(text: &[u8]) -> Option<(char, usize)> {
    if text.starts_with(b"+") { Some((' ', 1)) } else { percent(text) }
}

fn quoted(text: &[u8]) -> Option<(char, usize)> {
    let [b'\\', letter, rest @ ..] = text else { return None };
    Some(match letter {
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'b' => ('\u{8}', 2),
        b'f' => ('\u{c}', 2),
        b'v' => ('\u{b}', 2),
        b'a' => ('\u{7}', 2),
        b'e' => ('\u{1b}', 2),
        b'x' => (char::from_u32(digits(rest, 2)?)?, 4),
        b'U' => (char::from_u32(digits(rest, 8)?)?, 10),
        b'u' => unicode(rest)?,
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => (char::from(*other), 2),
        _ => return None,
    })
}

/// `0026`, `d83d\ude00` or `{26}` after `\u`.
fn unicode(rest: &[u8]) -> Option<(char, usize)> {
    if let [b'{', inside @ ..] = rest {
        let length = inside.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        return Some((char::from_u32(digits(inside, length)?)?, length + 4));
    }
    let first = digits(rest, 4)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    let second = digits(rest.get(4..)?.strip_prefix(b"\\u")?, 4)?;
    let units = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
    let character = char::decode_utf16(units).next()?.ok()?;
    Some((character, 12))
}

fn shell(text: &[u8]) -> Option<(char, usize)> {
    match text {
        [b'\\', other, ..] if other.is_ascii() => Some((char::from(*other), 2)),
        _ => None,
    }
}

fn single_quoted(text: &[u8]) -> Option<(char, usize)> {
    text.starts_with(br"'\''").then_some(('\'', 4))
}

fn html(text: &[u8]) -> Option<(char, usize)> {
    /// The longest entity: `&#x10ffff;`, with up to two leading zeros.
    const MAX_ENTITY_LENGTH: usize = 12;
    let rest = text.strip_prefix(b"&")?;
    let length = rest.iter().take(MAX_ENTITY_LENGTH).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(rest.get(..length)?).ok()?;
    let character = match name {
        "amp" | "AMP" => '&',
        "lt" | "LT" => '<',
        "gt" | "GT" => '>',
        "quot" | "QUOT" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(number) => u32::from_str_radix(number, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((character, length + 2))
}

/// The runs of bytes of an alphabet.
fn runs(text: &[u8], is_of_alphabet: fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += text.get(at..)?.iter().position(|byte| is_of_alphabet(*byte))?;
        let length = text.get(at..)?.iter().take_while(|byte| is_of_alphabet(**byte)).count();
        at += length;
        Some(at - length..at)
    })
}

fn hexadecimal(text: &[u8], run: Range<usize>, decoded: &mut Decoded) {
    decoded.restart(Origins::Hexadecimal(run.start));
    let (pairs, _) = text.get(run).unwrap_or_default().as_chunks::<2>();
    decoded.bytes.extend(pairs.iter().filter_map(|pair| u8::try_from(digits(pair, 2)?).ok()));
}

fn sextet(byte: u8) -> Option<u32> {
    let number = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(number))
}

fn base64(text: &[u8], run: Range<usize>, decoded: &mut Decoded) {
    let padding = text.get(run.end..).unwrap_or_default().iter().take(2).take_while(|byte| **byte == b'=').count();
    decoded.restart(Origins::Base64(run.start, run.end + padding));
    let mut bits = 0;
    let mut held = 0_u32;
    for byte in text.get(run.clone()).unwrap_or_default() {
        held = held << 6 | sextet(*byte).unwrap_or_default();
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            decoded.bytes.push((held >> bits & 0xff) as u8);
        }
    }
}
