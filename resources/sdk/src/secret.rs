//! Secrets, and the filter that keeps them out of everything a person can read.
//!
//! A credential in a `Source` or `Params` type is a [`Secret`]. Its schema marks it `writeOnly`, and that mark is what
//! the request reader goes by: it tells the [`Redactor`] of every such value before anything else looks at the request,
//! so that a secret is masked even in the message that the rest of the request is wrong.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// What stands where a secret stood.
pub const MASK: &str = "((redacted))";

/// The shortest text that is masked. Masking one or two characters wherever they occur would scramble every message
/// without hiding anything.
const SHORTEST: usize = 3;

/// The shortest line of a many-line secret (a key) that is masked on its own.
const SHORTEST_LINE: usize = 8;

/// The shortest secret whose base64 form is looked for inside longer base64 text (`user:password` of a Basic header).
const SHORTEST_EMBEDDED: usize = 6;

/// A value that must never be shown: a password, a token, a private key.
///
/// It has no `Display` and no `Serialize`; `Debug` shows a mask; the memory is zeroed when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a value. One that did not come out of the request must also be given to [`Redactor::add`].
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself, for the one place that needs it: a header, a private file, a signature.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it, which pipelines use for "not set".
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

/// Masks secrets in text. Clones share one list, so a secret that is learnt late (an exchanged token) is masked
/// everywhere from then on.
#[derive(Clone, Default)]
pub struct Redactor {
    patterns: Arc<Mutex<Vec<Zeroizing<String>>>>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// Masks `secret` from now on: as it is, percent-encoded, as a JSON string, in base64 (alone or as a part of longer
    /// text, as in a Basic header), and line by line when it has several lines.
    pub fn add(&self, secret: &str) {
        let trimmed = secret.trim();
        if trimmed.len() < SHORTEST {
            return;
        }
        let mut forms = Vec::new();
        push_forms(&mut forms, secret);
        push_forms(&mut forms, trimmed);
        if trimmed.contains('\n') {
            for line in trimmed.lines().map(str::trim) {
                // The armour of a key ("-----BEGIN ...") is the same for everybody, and useful in an error.
                if line.len() >= SHORTEST_LINE && !line.starts_with("-----") {
                    push_forms(&mut forms, line);
                }
            }
        }
        let mut patterns = self.patterns();
        for form in forms {
            if form.len() >= SHORTEST && !patterns.iter().any(|known| **known == form) {
                patterns.push(Zeroizing::new(form));
            }
        }
        // Longest first: a short secret inside a longer one must not leave the rest of the longer one standing.
        patterns.sort_by_key(|pattern| Reverse(pattern.len()));
    }

    /// `text` with every known secret masked, and the password of every `scheme://user:password@host` whether known
    /// or not.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for pattern in self.patterns().iter() {
            if text.contains(pattern.as_str()) {
                text = Cow::Owned(text.replace(pattern.as_str(), MASK));
            }
        }
        match mask_userinfo(&text) {
            Some(masked) => Cow::Owned(masked),
            None => text,
        }
    }

    fn patterns(&self) -> MutexGuard<'_, Vec<Zeroizing<String>>> {
        // The list is valid after every single push, so a panic elsewhere does not spoil it.
        self.patterns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn push_forms(forms: &mut Vec<String>, secret: &str) {
    forms.push(secret.to_owned());
    let percent = percent_encode(secret);
    forms.push(percent.replace("%20", "+"));
    // Some encoders write the hexadecimal digits in lower case.
    let lower = lower_case_escapes(&percent);
    forms.push(lower.replace("%20", "+"));
    forms.push(lower);
    forms.push(percent);
    if let Ok(json) = serde_json::to_string(secret) {
        forms.push(json.trim_matches('"').to_owned());
    }
    forms.push(STANDARD.encode(secret));
    forms.push(STANDARD_NO_PAD.encode(secret));
    forms.push(URL_SAFE_NO_PAD.encode(secret));
    if secret.len() >= SHORTEST_EMBEDDED {
        forms.extend(embedded_base64(secret.as_bytes()));
    }
}

/// What is certain of the base64 text of any string that contains `secret`: three alignments, less the characters at
/// both ends that neighbours have a share in.
fn embedded_base64(secret: &[u8]) -> impl Iterator<Item = String> {
    (0..3_usize).filter_map(|offset| {
        let mut padded = vec![0_u8; offset];
        padded.extend_from_slice(secret);
        let encoded = STANDARD_NO_PAD.encode(&padded);
        let start = (offset * 8).div_ceil(6);
        let end = padded.len() * 8 / 6;
        encoded.get(start..end).map(str::to_owned)
    })
}

fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn lower_case_escapes(percent: &str) -> String {
    let mut parts = percent.split('%');
    let mut lowered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        lowered.push('%');
        match part.split_at_checked(2) {
            Some((digits, rest)) => {
                lowered.push_str(&digits.to_ascii_lowercase());
                lowered.push_str(rest);
            }
            None => lowered.push_str(part),
        }
    }
    lowered
}

/// Masks the password in the user information of URLs, `None` when there is none.
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
    fn masks_passwords_in_urls_that_nobody_told_it_of() {
        let redactor = Redactor::default();
        assert_eq!(
            redactor.redact("fatal: 'https://bob:s3cret@host/x' and http://a@b/ and ssh://git@h:22/x"),
            format!("fatal: 'https://bob:{MASK}@host/x' and http://a@b/ and ssh://git@h:22/x")
        );
        assert_eq!(redactor.redact("https://u:p@ss:w@host/x"), format!("https://u:{MASK}@host/x"));
    }

    #[test]
    fn leaves_text_alone_when_a_secret_is_too_short_to_hide() {
        assert_eq!(redactor(&["", "a", " ab "]).redact("a cab"), "a cab");
    }

    #[test]
    fn debug_output_shows_a_mask() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), MASK);
    }

    proptest! {
        #[test]
        fn a_secret_is_gone_from_any_text_and_from_any_basic_header(
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
}
