//! Percent encoding and hexadecimal digits.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Percent-encodes text as UTF-8. Does not encode the unreserved characters of RFC 3986 (section 2.3) and the
/// characters in `plain`.
pub fn percent_encode(text: &str, plain: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    text.chars().fold(String::with_capacity(text.len()), |mut encoded, character| {
        if plain.contains(character) {
            encoded.push(character);
        } else {
            encoded.extend(utf8_percent_encode(character.encode_utf8(&mut [0; 4]), RESERVED));
        }
        encoded
    })
}

/// Decodes each `%XX`. An incomplete escape is kept; invalid UTF-8 becomes U+FFFD.
pub fn percent_decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Formats bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_reserved_characters() {
        assert_eq!(percent_encode("a-._~/ü?%2e", ""), "a-._~%2F%C3%BC%3F%252e");
        assert_eq!(percent_encode("a/b c", "/"), "a/b%20c");
        assert_eq!(percent_encode("", "/"), "");
    }

    #[test]
    fn decodes_escapes_and_keeps_invalid_ones() {
        assert_eq!(percent_decode("p%40ss%2fw%"), "p@ss/w%");
        assert_eq!(percent_decode("%zz%4"), "%zz%4");
        assert_eq!(percent_decode("%FF"), "\u{fffd}");
    }

    #[test]
    fn formats_bytes_as_two_hex_digits() {
        assert_eq!(hex(&[0, 0x0a, 0xff]), "000aff");
    }
}
