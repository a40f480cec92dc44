//! Sizes in bytes.

/// A size in bytes: `268435456`, `256m`, `256MB`, `1.5g`. Units are powers of 1024, as in Docker.
pub(crate) fn bytes(size: &str) -> Option<u64> {
    let size = size.trim().to_ascii_lowercase();
    let end = size.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(size.len());
    let (number, unit) = size.split_at_checked(end)?;
    let shift = match unit.trim_start() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let tenths = part.parse::<u64>().ok().filter(|_| part.len() == 1)?;
    let unit = 1_u64.checked_shl(shift)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    whole.checked_add(unit.checked_mul(tenths)? / 10).filter(|bytes| (1..=i64::MAX.unsigned_abs()).contains(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_sizes_like_docker() {
        for (text, expected) in [
            ("268435456", 268_435_456),
            ("1b", 1),
            ("64k", 65_536),
            ("256m", 268_435_456),
            ("256 MB", 268_435_456),
            ("256MiB", 268_435_456),
            ("1.5g", 1_610_612_736),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for text in
            ["", "0", "m", "-1", "1t", "1.25g", "1.g", ".5g", "1 2", "9223372036854775808", "99999999999g", "1ü"]
        {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
