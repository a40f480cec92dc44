//! Masks secrets in all output.
//!
//! Only the secrets themselves are stored, in an ordered set. The text is searched as it is, and again after decoding each
//! encoding that occurs in it (see [`decode`]), up to two levels deep. So the encodings of a secret need not be listed. The cost
//! is linear in the size of the secrets and of the text.
//!
//! The alternative, an `aho-corasick` automaton over the secrets and their encodings, was measured. For a secret of 8,000 lines
//! in 25 encodings it takes 2.7 s and 189 MiB to build, and each later secret requires a new one; for the plain lines alone it
//! takes 38 ms, and the set 1 ms. `make bench` measures the redaction of such a secret line by line: as it is, escaped as JSON,
//! and in base64. What one secret covers is not decoded again.
//!
//! A part of a secret at the end of a text is masked if it has at least six bytes and half of the secret. The console also looks
//! at the previous line, and masks the rest of a secret that began there. Limit: if a line of another child comes between, parts
//! of less than six bytes or of less than half of the secret stay visible.

mod decode;
mod patterns;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use decode::{Decoded, Encoding, MAX_ESCAPE_LENGTH, Search};
use patterns::{MIN_SECRET_LENGTH, Patterns};

/// The text that replaces a secret.
pub const MASK: &str = "((redacted))";

/// The shortest line of a many-line secret (a key) that is masked on its own.
const MIN_LINE_LENGTH: usize = 8;

/// How many nested encodings are decoded: the base64 of a Kubernetes Secret inside the base64 of a Helm release needs two.
const DEPTH: usize = 2;

/// Masks secrets in text. Clones share one list, so a secret that is added later (an exchanged token) is masked by all of them.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<Mutex<SecretList>>,
}

/// The secrets, and reusable buffers for the search.
#[derive(Default)]
struct SecretList {
    patterns: Patterns,
    spare: Spare,
}

/// Buffers that each search reuses. They contain parts of secrets, and are zeroed when they are dropped.
#[derive(Default)]
struct Spare {
    decoded: Vec<Decoded>,
    backwards: Zeroizing<Vec<u8>>,
}

impl Spare {
    /// Drops large buffers, so that one large text does not occupy memory for ever.
    fn trim(&mut self) {
        self.decoded.retain(|decoded| decoded.bytes.capacity() <= MAX_SPARE_BYTES);
    }
}

/// The end of the previous text, as long as a short secret that continues in the next text may be.
#[derive(Default)]
pub(crate) struct Previous(Zeroizing<Vec<u8>>);

impl Previous {
    fn add(&mut self, text: &[u8]) {
        let kept = LOOK_BEHIND.saturating_sub(text.len()).min(self.0.len());
        let dropped = self.0.len() - kept;
        self.0.copy_within(dropped.., 0);
        self.0.truncate(kept);
        self.0.extend_from_slice(text.get(text.len().saturating_sub(LOOK_BEHIND)..).unwrap_or_default());
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// Adds a secret, which is masked from now on in every common encoding, and line by line if it has several lines.
    pub fn add(&self, secret: &str) {
        let trimmed = secret.trim();
        if trimmed.len() < MIN_SECRET_LENGTH {
            return;
        }
        let mut known = self.known();
        let patterns = &mut known.patterns;
        patterns.add(secret, false);
        patterns.add(trimmed, false);
        if trimmed.contains('\n') {
            for line in trimmed.lines().map(str::trim) {
                // The armour of a key ("-----BEGIN ...") is not secret, and useful in an error.
                if line.len() >= MIN_LINE_LENGTH && !line.starts_with("-----") {
                    patterns.add(line, true);
                }
            }
        }
    }

    /// Masks every known secret in `text`, and the password of every `scheme://user:password@host`, known or not. A part of a
    /// secret at an end of the text is masked if it has at least six bytes and half of the secret: a shorter part might be any
    /// word.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.redact_with(text, None)
    }

    /// Like [`Self::redact`], for one of several consecutive texts: it also masks the rest of a short secret that began at the
    /// end of the previous text. The part that was shown there, less than six bytes or half of the secret, stays visible.
    pub(crate) fn redact_after<'t>(&self, previous: &mut Previous, text: &'t str) -> Cow<'t, str> {
        self.redact_with(text, Some(previous))
    }

    fn redact_with<'t>(&self, text: &'t str, previous: Option<&mut Previous>) -> Cow<'t, str> {
        let mut found = Vec::new();
        {
            let mut known = self.known();
            let SecretList { patterns, spare } = &mut *known;
            if !patterns.is_empty() {
                let (bytes, edges) = (text.as_bytes(), Edges { start: true, end: true });
                find(patterns, bytes, edges, DEPTH, spare, &mut found);
                find_joined(patterns, bytes, edges, spare, &mut found);
                if let Some(previous) = previous {
                    found.extend(rest_after(patterns, previous, bytes, spare));
                    previous.add(bytes);
                }
                spare.trim();
            }
        }
        let text = mask(text, found);
        match mask_userinfo(&text) {
            Some(masked) => Cow::Owned(masked),
            None => text,
        }
    }

    fn known(&self) -> MutexGuard<'_, SecretList> {
        // The list is consistent after every insertion, so a panic of another thread does not corrupt it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of a text and of the previous one is searched for a secret that is broken over both, in bytes. It is the length of
/// the longest common encoding of a short secret.
const LOOK_BEHIND: usize = 128;

/// The largest buffer that is kept for the next text, in bytes.
const MAX_SPARE_BYTES: usize = 64 * 1024;

/// Whether a piece of text touches the start or the end of the whole text, where a secret may be cut off.
#[derive(Clone, Copy)]
struct Edges {
    start: bool,
    end: bool,
}

/// Finds secrets in `text`, plain and encoded.
fn find(
    patterns: &Patterns,
    text: &[u8],
    edges: Edges,
    depth: usize,
    spare: &mut Spare,
    found: &mut Vec<Range<usize>>,
) {
    let first = found.len();
    patterns.find(text, found);
    let plain = first..found.len();
    if edges.start {
        found.extend(patterns.rest_at_start(text, &mut spare.backwards));
    }
    if edges.end {
        found.extend(patterns.beginning_at_end(text));
    }
    if depth == 0 {
        return;
    }
    let shortest = patterns.shortest();
    let mut decoded = spare.decoded.pop().unwrap_or_default();
    // `Form` differs from `Percent` only for secrets with a blank.
    let is_due = |encoding: &Encoding| patterns.has_blank() || !matches!(encoding, Encoding::Form);
    let mut search = Nested { patterns, length: text.len(), edges, depth: depth - 1, spare, found, plain };
    for encoding in Encoding::ALL.into_iter().filter(is_due) {
        encoding.decode(text, shortest, &mut decoded, &mut search);
    }
    spare.decoded.push(decoded);
}

/// A search in text that was decoded.
struct Nested<'s> {
    patterns: &'s Patterns,
    /// The length of the text.
    length: usize,
    edges: Edges,
    depth: usize,
    spare: &'s mut Spare,
    /// The ranges of the text in which secrets were found.
    found: &'s mut Vec<Range<usize>>,
    /// The indexes in `found` of the secrets that appear unencoded, in order.
    plain: Range<usize>,
}

/// The maximum number of ranges to compare when looking for a range that covers another.
const MAX_COVERING: usize = 4;

impl Search for Nested<'_> {
    fn search(&mut self, decoded: &Decoded) {
        find_decoded(self.patterns, decoded, self.length, self.edges, self.depth, self.spare, self.found);
    }

    fn is_masked(&self, range: &Range<usize>) -> bool {
        const MAX_LEFT: usize = MIN_SECRET_LENGTH - 1;
        let covers = |other: &Range<usize>| other.start <= range.start + MAX_LEFT && other.end + MAX_LEFT >= range.end;
        let plain = self.found.get(self.plain.clone()).unwrap_or_default();
        let before = plain.partition_point(|other| other.start <= range.start + MAX_LEFT);
        let decoded = self.found.get(self.plain.end..).unwrap_or_default();
        plain.iter().take(before).rev().take(MAX_COVERING).any(covers)
            || decoded.iter().rev().take(MAX_COVERING).any(covers)
    }
}

/// Finds secrets in `decoded`, and adds their ranges in the original text of `length` bytes.
fn find_decoded(
    patterns: &Patterns,
    decoded: &Decoded,
    length: usize,
    edges: Edges,
    depth: usize,
    spare: &mut Spare,
    found: &mut Vec<Range<usize>>,
) {
    let whole = decoded.origin(0..decoded.bytes.len());
    let edges = Edges {
        start: edges.start && whole.start <= MAX_ESCAPE_LENGTH,
        end: edges.end && whole.end + MAX_ESCAPE_LENGTH >= length,
    };
    let mut inside = Vec::new();
    find(patterns, &decoded.bytes, edges, depth, spare, &mut inside);
    found.extend(inside.into_iter().map(|range| decoded.origin(range)).filter(|range| !range.is_empty()));
}

/// Finds secrets that line breaks or ANSI colours interrupt.
fn find_joined(patterns: &Patterns, text: &[u8], edges: Edges, spare: &mut Spare, found: &mut Vec<Range<usize>>) {
    let mut joined = spare.decoded.pop().unwrap_or_default();
    if decode::without_breaks(text, &mut joined).is_some() {
        find_decoded(patterns, &joined, text.len(), edges, DEPTH, spare, found);
    }
    spare.decoded.push(joined);
}

/// The ranges at the start of `text` that are part of a secret, or of its encoding, that began in the previous text.
/// (The first base64 digit may encode bytes before the secret, but the other digits cannot be decoded without it.)
fn rest_after(patterns: &Patterns, previous: &Previous, text: &[u8], spare: &mut Spare) -> Vec<Range<usize>> {
    // A longer secret is recognised by half of it.
    if !patterns.has_short() || previous.0.is_empty() || text.is_empty() {
        return Vec::new();
    }
    let mut both = Zeroizing::new(Vec::with_capacity(2 * LOOK_BEHIND + 1));
    both.extend_from_slice(&previous.0);
    both.push(b'\n');
    let start = both.len();
    both.extend(text.iter().take(LOOK_BEHIND));
    let mut found = Vec::new();
    find_joined(patterns, &both, Edges { start: false, end: false }, spare, &mut found);
    let in_text = found.into_iter().filter(|range| range.end > start);
    in_text.map(|range| range.start.saturating_sub(start)..range.end - start).collect()
}

/// Masks these ranges of `text`.
fn mask(text: &str, mut found: Vec<Range<usize>>) -> Cow<'_, str> {
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_unstable_by_key(|range| range.start);
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for range in found {
        // A range may cut a multi-byte character. Mask the whole character.
        let start = text.floor_char_boundary(range.start);
        let end = text.ceil_char_boundary(range.end);
        if start >= done {
            masked.push_str(text.get(done..start).unwrap_or_default());
            if start > done || done == 0 {
                masked.push_str(MASK);
            }
        }
        done = done.max(end);
    }
    masked.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(masked)
}

/// Masks the passwords in URLs; `None` if there are none.
fn mask_userinfo(text: &str) -> Option<String> {
    let mut masked = String::new();
    let mut rest = text;
    let mut found = false;
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        let authority_end =
            after.find(|c: char| c == '/' || c.is_whitespace() || matches!(c, '"' | '\'' | '`')).unwrap_or(after.len());
        let (authority, tail) = after.split_at(authority_end);
        match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?, host))) {
            Some(((user, password), host)) if !password.is_empty() && password != MASK => {
                let _ = write!(masked, "{user}:{MASK}@{host}");
                found = true;
            }
            _ => masked.push_str(authority),
        }
        rest = tail;
    }
    masked.push_str(rest);
    found.then_some(masked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let redactor = Redactor::default();
        for secret in secrets {
            redactor.add(secret);
        }
        redactor
    }

    #[test]
    fn masks_the_plain_value_and_its_encodings() {
        let redactor = redactor(&["p&ss word/+"]);
        for text in
            ["p&ss word/+", "p%26ss%20word%2F%2B", "p%26ss+word%2F%2B", "p%26ss%20word%2f%2b", "cCZzcyB3b3JkLys="]
        {
            assert_eq!(redactor.redact(&format!("got {text}.")), format!("got {MASK}."), "{text}");
        }
    }

    #[test]
    fn masks_the_longer_of_two_secrets_that_overlap() {
        assert_eq!(redactor(&["hunter", "hunter2-long"]).redact("x hunter2-long y"), format!("x {MASK} y"));
    }

    #[test]
    fn masks_a_key_line_by_line_but_leaves_its_armour() {
        let redactor = redactor(&["-----BEGIN KEY-----\nAAAAB3NzaC1yc2E\nshort\n-----END KEY-----\n"]);
        assert_eq!(redactor.redact("load AAAAB3NzaC1yc2E"), format!("load {MASK}"));
        assert_eq!(redactor.redact("-----BEGIN KEY-----"), "-----BEGIN KEY-----");
    }

    #[test]
    fn masks_unknown_passwords_in_urls() {
        let redactor = Redactor::default();
        assert_eq!(
            redactor.redact("fatal: 'https://bob:s3cret@host/x' and http://a@b/ and ssh://git@h:22/x"),
            format!("fatal: 'https://bob:{MASK}@host/x' and http://a@b/ and ssh://git@h:22/x")
        );
        assert_eq!(redactor.redact("https://u:p@ss:w@host/x"), format!("https://u:{MASK}@host/x"));
    }

    #[test]
    fn masks_parts_of_a_secret_at_the_ends_of_a_text() {
        let redactor = redactor(&["ghp_0123456789abcdefgh", "clusters:\n- name: production\n"]);
        assert_eq!(redactor.redact("token ghp_01234567"), format!("token {MASK}"));
        assert_eq!(redactor.redact("89abcdefgh is refused"), format!("{MASK} is refused"));
        for text in ["the clusters", "production is deployed", "ghp_ begins a token"] {
            assert_eq!(redactor.redact(text), text);
        }
    }

    #[test]
    fn masks_the_end_of_a_short_secret_that_began_in_the_text_before() {
        let redactor = redactor(&["hunter2!", "s3cr3t-token"]);
        let shown = |texts: &[&str]| {
            let mut previous = Previous::default();
            let shown: Vec<_> = texts.iter().map(|text| redactor.redact_after(&mut previous, text)).collect();
            shown.join("|")
        };
        assert_eq!(shown(&["password hunt", "er2! is wrong"]), format!("password hunt|{MASK} is wrong"));
        assert_eq!(shown(&["hun", "\u{1b}[0mter", "2!"]), format!("hun|\u{1b}[0mter|{MASK}"));
        // Cut in base64, and in hexadecimal digits.
        assert_eq!(shown(&["aHVudG", "VyMiE= is wrong"]), format!("aHVudG|{MASK} is wrong"));
        assert_eq!(shown(&["x 68756e7", "4657232 21", "465723221 x"]), format!("x 68756e7|4657232 21|465723221 x"));
        assert_eq!(shown(&["x 68756e7", "465723221 x"]), format!("x 68756e7|{MASK} x"));
        // Two texts that are whole stay so.
        assert_eq!(shown(&["the hunt", "is over"]), "the hunt|is over");
    }

    #[test]
    fn does_not_mask_very_short_secrets() {
        assert_eq!(redactor(&["", "a", " ab "]).redact("a cab"), "a cab");
    }

    proptest! {
        #[test]
        fn masks_secret_in_any_text_and_basic_header(
            secret in "[!-~]{6,40}", before in "[a-z ]{0,9}", after in "[a-z ]{0,9}"
        ) {
            prop_assume!(!MASK.contains(secret.as_str()));
            let redactor = redactor(&[&secret]);
            let text = format!("{before}{secret}{after}");
            prop_assert!(!redactor.redact(&text).contains(&secret));
            let header = STANDARD.encode(&text);
            let shown = redactor.redact(&header).into_owned();
            prop_assert!(shown.contains(MASK), "{} stayed {}", header, shown);
        }
    }

    /// Common notations of a secret.
    fn forms(secret: &str) -> Vec<String> {
        let per_byte = |write: &dyn Fn(u8) -> String| -> String {
            let is_plain = |byte: &u8| byte.is_ascii_alphanumeric();
            secret
                .bytes()
                .map(|byte| if is_plain(&byte) { char::from(byte).to_string() } else { write(byte) })
                .collect()
        };
        let quoted = serde_json::to_string(secret).unwrap();
        let json = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap().to_owned();
        let go = json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
        let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&#34;").replace('\'', "&#x27;");
        let mut forms = vec![
            secret.to_owned(),
            json.clone(),
            go.clone(),
            serde_json::to_string(&go).unwrap(),
            per_byte(&|byte| format!("\\x{byte:02x}")),
            per_byte(&|byte| format!("\\u{byte:04X}")),
            per_byte(&|byte| format!("%{byte:02X}")),
            per_byte(&|byte| format!("%{byte:02x}")),
            per_byte(&|byte| format!("%25{byte:02x}")),
            per_byte(&|byte| format!("\\{}", char::from(byte))),
            secret.replace('\'', r"'\''"),
            hexadecimal.to_uppercase(),
            hexadecimal,
            html,
        ];
        for before in ["", "u", "u:", "ann:"] {
            let standard = STANDARD.encode(format!("{before}{secret}"));
            forms.push(URL_SAFE_NO_PAD.encode(format!("{before}{secret}!")));
            forms.extend(["", "x", "xy"].map(|before| STANDARD.encode(format!("{before}{standard}\n"))));
            forms.push(standard);
        }
        forms
    }

    proptest! {
        // Each case is some hundred texts.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn masks_every_encoding_of_a_secret(
            secret in "[!-~]{8,48}", before in "[a-z ]{0,9}", cut in any::<prop::sample::Index>(),
        ) {
            prop_assume!(!MASK.contains(secret.as_str()));
            let redactor = redactor(&[&secret]);
            for form in forms(&secret) {
                let shown = redactor.redact(&format!("{before} {form} end")).into_owned();
                prop_assert!(shown.contains(MASK) && !shown.contains(&form), "{form} stayed {shown}");
                let (first, second) = form.split_at(cut.index(form.len() + 1));
                let mut previous = Previous::default();
                let halves = [format!("{before} {first}"), format!("{second} end")];
                let shown = halves.each_ref().map(|half| redactor.redact_after(&mut previous, half).into_owned());
                prop_assert!(!shown.concat().contains(&form), "{first}|{second} stayed {shown:?}");
                // Half of a shorter secret may be too short to identify it.
                if secret.len() < 18 {
                    continue;
                }
                for between in ["\n", "\r\n    ", "\u{1b}[0m", "\u{1b}[1;31m"] {
                    let shown = redactor.redact(&format!("{before} {first}{between}{second} end")).into_owned();
                    prop_assert!(shown.contains(MASK), "{first}{between:?}{second} stayed {shown}");
                }
                let (first, second) = (format!("{before} {first}"), format!("{second} end"));
                let shown = format!("{}{}", redactor.redact(&first), redactor.redact(&second));
                prop_assert!(!shown.contains(&form), "{first}|{second} stayed {shown}");
            }
        }

        #[test]
        fn never_panics(secrets in prop::collection::vec("\\PC{0,12}", 0..4), text in "(\\PC|[\\\\%&+=\n\u{1b}]|[0-9a-fA-F]{2}){0,60}") {
            let redactor = Redactor::default();
            for secret in &secrets {
                redactor.add(secret);
            }
            for secret in secrets.iter().map(|secret| secret.trim()).filter(|secret| secret.len() >= MIN_SECRET_LENGTH) {
                let shown = redactor.redact(&text).replace(MASK, "\0");
                prop_assert!(!shown.contains(secret), "{secret} stayed {shown}");
            }
        }
    }

    #[test]
    fn masks_the_rest_of_an_encoding_that_began_before_the_secret() {
        let redactor = redactor(&["A0AA!0AA"]);
        let mut previous = Previous::default();
        // Base64 of `x`, and of the secret in base64.
        assert_eq!(redactor.redact_after(&mut previous, "in e"), "in e");
        let rest = redactor.redact_after(&mut previous, "FFUQkJRU0V3UVVFPQo= end").into_owned();
        assert!(!rest.contains("UQkJRU0V3UVVFPQo="), "{rest}");
    }

    #[test]
    fn redacts_a_secret_of_very_many_lines_in_linear_time() {
        let line =
            |number: usize| format!("  key-{number}: {}", STANDARD.encode(format!("value {number} {}", number * 7919)));
        let secret = |lines: usize| (0..lines).map(|number| line(number) + "\n").collect::<String>();
        let time = |lines: usize| {
            let begin = std::time::Instant::now();
            let text = secret(lines);
            let redactor = redactor(&[&text]);
            assert!(redactor.redact(&line(lines / 2)).contains(MASK));
            begin.elapsed()
        };
        let (few, many) = (time(2_000), time(16_000));
        // Eight times as many lines; a quadratic redactor would take sixty times as long.
        assert!(many < few * 30 + std::time::Duration::from_millis(200), "{few:?} {many:?}");
    }
}
