//! Resolves unquoted YAML words as Concourse does.
//!
//! Concourse parses YAML 1.1 with Go's yaml.v2, where `yes` is a boolean, `010` is eight and `1_000` is a thousand. It then
//! converts every number to a 64-bit float, so `1.10` arrives at a resource as `1.1`. This module does the same, so that a
//! verb that is run by hand gets the same request.

use crate::node::Content;

/// The value of an unquoted word.
pub(crate) fn resolve(word: &str) -> Content {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Content::Flag { value: true, written: word.to_owned() };
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Content::Flag { value: false, written: word.to_owned() };
        }
        _ => {}
    }
    match number(word) {
        Some(value) => Content::Number { value, written: word.to_owned() },
        None => Content::Text(word.to_owned()),
    }
}

fn number(word: &str) -> Option<f64> {
    if !word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let plain = word.replace('_', "");
    integer(&plain).or_else(|| float(&plain))
}

/// Parses a 64-bit integer, with the prefixes that Go accepts.
// Concourse converts the integer to a float, even if that loses digits.
#[allow(clippy::cast_precision_loss)]
fn integer(plain: &str) -> Option<f64> {
    let (negative, digits) = match plain.as_bytes().first()? {
        b'-' => (true, plain.get(1..)?),
        b'+' => (false, plain.get(1..)?),
        _ => (false, plain),
    };
    let prefixed = |prefix: &str| digits.strip_prefix(prefix).or_else(|| digits.strip_prefix(&prefix.to_uppercase()));
    let (base, digits) = if let Some(digits) = prefixed("0x") {
        (16, digits)
    } else if let Some(digits) = prefixed("0b") {
        (2, digits)
    } else if let Some(digits) = prefixed("0o") {
        (8, digits)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, digits)
    } else {
        (10, digits)
    };
    // The conversion would accept a second sign.
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let size = u64::from_str_radix(digits, base).ok()?;
    match negative {
        true if size > i64::MIN.unsigned_abs() => None,
        true => Some(-(size as f64)),
        false => Some(size as f64),
    }
}

/// Parses a decimal number, with optional fraction and exponent: `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn float(plain: &str) -> Option<f64> {
    let unsigned = plain.strip_prefix(['-', '+']).unwrap_or(plain);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_is_one = all_digits(whole)
        && all_digits(fraction)
        && (!whole.is_empty() || (!fraction.is_empty() && mantissa.starts_with('.')));
    let exponent_is_one = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    if !mantissa_is_one || !exponent_is_one {
        return None;
    }
    plain.parse::<f64>().ok().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::number_text;
    use proptest::prelude::*;

    /// The kind and value of a word after Concourse has parsed and formatted it.
    fn seen(word: &str) -> String {
        match resolve(word) {
            Content::Null => "null".to_owned(),
            Content::Flag { value, .. } => value.to_string(),
            Content::Number { value, .. } => format!("number {}", number_text(value)),
            Content::Text(text) => format!("text {text}"),
            Content::List(_) | Content::Map(_) => panic!("a word is no collection"),
        }
    }

    #[test]
    fn reads_scalars_like_concourse() {
        for (word, expected) in [
            ("", "null"),
            ("~", "null"),
            ("yes", "true"),
            ("Off", "false"),
            ("n", "false"),
            ("main", "text main"),
            ("yEs", "text yEs"),
            ("1", "number 1"),
            ("-7", "number -7"),
            ("+7", "number 7"),
            ("1.10", "number 1.1"),
            ("1.0", "number 1"),
            ("1.", "number 1"),
            (".5", "number 0.5"),
            ("1e3", "number 1000"),
            ("1E-7", "number 1e-7"),
            ("1e21", "number 1e+21"),
            ("010", "number 8"),
            ("0755", "number 493"),
            ("08", "number 8"),
            ("0o17", "number 15"),
            ("0x1F", "number 31"),
            ("0b11", "number 3"),
            ("1_000", "number 1000"),
            ("12345678901234567890", "number 12345678901234567000"),
            ("9007199254740993", "number 9007199254740992"),
            ("123456789012", "number 123456789012"),
            ("1.2.3", "text 1.2.3"),
            ("v1", "text v1"),
            ("1e", "text 1e"),
            ("0x", "text 0x"),
            ("1e999", "text 1e999"),
            (".", "text ."),
            ("-", "text -"),
            ("+-1", "text +-1"),
            (".inf", "text .inf"),
            ("2001-01-01", "text 2001-01-01"),
            ("12:30:45", "text 12:30:45"),
            ("4e5f6a7", "text 4e5f6a7"),
            ("1234e5", "number 123400000"),
        ] {
            assert_eq!(seen(word), expected, "{word}");
        }
    }

    proptest! {
        #[test]
        fn every_number_is_valid_json(word in "[-+.0-9eExob_a-f]{1,12}") {
            if let Content::Number { value, .. } = resolve(&word) {
                let text = number_text(value);
                prop_assert!(text.parse::<serde_json::Number>().is_ok(), "{} gave {}", word, text);
            }
        }
    }
}
