//! Sorts names by their version numbers, as `sort -V` does.
//!
//! The rules are in the manual of GNU coreutils ("Version sort ordering"): numbers compare as numbers, letters come
//! before other characters, and `~` comes before everything, even the end of the name. A file suffix (`.tar.gz`,
//! `.rc1`) is compared only if the rest is equal. Names that begin with a dot are not handled: git has no such tags.

use std::cmp::Ordering;

/// Compares two names. Names with the same version (`v1.0`, `v1.00`) are compared by bytes.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    by_version(one.as_bytes(), other.as_bytes()).then_with(|| one.cmp(other))
}

fn by_version(one: &[u8], other: &[u8]) -> Ordering {
    let (stem, other_stem) = (without_suffix(one), without_suffix(other));
    let by_stem = by_parts(stem, other_stem);
    if stem.len() == one.len() && other_stem.len() == other.len() {
        return by_stem;
    }
    by_stem.then_with(|| by_parts(one, other))
}

/// Strips file suffixes: each is a `.`, a letter or `~`, and further letters, digits or `~`.
fn without_suffix(name: &[u8]) -> &[u8] {
    let mut end = name.len();
    while let Some(dot) = name.get(..end).and_then(|name| name.iter().rposition(|byte| *byte == b'.')) {
        let suffix = name.get(dot + 1..end).unwrap_or_default();
        let begins_with_letter = suffix.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'~');
        let is_suffix = begins_with_letter && suffix.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'~');
        if !is_suffix {
            break;
        }
        end = dot;
    }
    name.get(..end).unwrap_or(name)
}

/// Compares the non-digit parts and the numbers of two names in turn.
fn by_parts(mut one: &[u8], mut other: &[u8]) -> Ordering {
    while !one.is_empty() || !other.is_empty() {
        let is_digit = |rest: &[u8]| rest.first().is_some_and(u8::is_ascii_digit);
        while !one.is_empty() && !is_digit(one) || !other.is_empty() && !is_digit(other) {
            let by_character = rank(one.first()).cmp(&rank(other.first()));
            if by_character != Ordering::Equal {
                return by_character;
            }
            (one, other) = (one.get(1..).unwrap_or_default(), other.get(1..).unwrap_or_default());
        }
        let (number, rest) = number(one);
        let (other_number, other_rest) = self::number(other);
        let by_number = number.len().cmp(&other_number.len()).then_with(|| number.cmp(other_number));
        if by_number != Ordering::Equal {
            return by_number;
        }
        (one, other) = (rest, other_rest);
    }
    Ordering::Equal
}

/// Splits off the leading digits, without leading zeros.
fn number(rest: &[u8]) -> (&[u8], &[u8]) {
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(end);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (digits.get(zeros..).unwrap_or_default(), rest)
}

/// The rank of a character; `None` is the end of the name.
fn rank(character: Option<&u8>) -> i32 {
    match character {
        Some(b'~') => -2,
        None => -1,
        Some(digit) if digit.is_ascii_digit() => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    fn sorted(names: &[&str]) -> Vec<String> {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort_by(|one, other| compare(one, other));
        names
    }

    /// Sorts with `sort -V`.
    fn sorted_by_program(names: &[String]) -> Vec<String> {
        let mut command = Command::new("sort");
        command.arg("-V").env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = command.spawn().unwrap();
        let text: String = names.iter().map(|name| format!("{name}\n")).collect::<Vec<_>>().concat();
        program.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = program.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn sorts_numbers_by_value() {
        let names = ["go1.9.7", "go1.10", "go1.21.10", "go1.21.9", "go1.2"];
        assert_eq!(sorted(&names), ["go1.2", "go1.9.7", "go1.10", "go1.21.9", "go1.21.10"]);
        assert_eq!(
            sorted(&["v1.0", "v1.0~rc1", "v1.0-rc2", "v1.0-rc10"]),
            ["v1.0~rc1", "v1.0", "v1.0-rc2", "v1.0-rc10"]
        );
        assert_eq!(sorted(&["v01", "v1", "v001"]), ["v001", "v01", "v1"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn agrees_with_sort_v(names in proptest::collection::vec("[v~a-c0-2/_+-][v.~a-c0-2/_+-]{0,8}", 2..30)) {
            let mut ours = names.clone();
            ours.sort_by(|one, other| compare(one, other));
            prop_assert_eq!(ours, sorted_by_program(&names));
        }
    }
}
