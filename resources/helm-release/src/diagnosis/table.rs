//! Text in columns.

/// The maximum number of rows of a table.
pub(super) const MAX_ROWS: usize = 30;

/// The maximum width of all columns but the last, in characters.
const MAX_WIDTH: usize = 48;

/// The maximum width of the last column, in characters.
const MAX_LAST_WIDTH: usize = 160;

/// Formats the rows, with columns as wide as necessary.
pub(super) fn lines<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count().min(MAX_WIDTH));
        }
    }
    rows.iter()
        .map(|row| {
            let padded = row.iter().zip(widths).enumerate().map(|(index, (cell, width))| {
                let cell = cut(cell, if index + 1 == N { MAX_LAST_WIDTH } else { MAX_WIDTH });
                format!("{cell:width$}")
            });
            format!("  {}", padded.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
        })
        .collect()
}

/// The text on one line, shortened to a number of characters in the middle: the beginning of a message shows the failed
/// action, and its end shows the cause.
pub(super) fn cut(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = line.chars().count();
    if length <= most {
        return line;
    }
    let kept = most.saturating_sub(3);
    let begins = line.chars().take(kept.div_ceil(2));
    begins.chain("...".chars()).chain(line.chars().skip(length - kept / 2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_and_bounds_columns() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(
            lines(&[row("A", "B"), row("longer", "two\nlines"), row("x", "")]),
            ["  A       B", "  longer  two lines", "  x"]
        );
        let long = lines(&[row(&"ä".repeat(99), &"ö".repeat(999))]).remove(0);
        assert_eq!(long.chars().count(), 2 + MAX_WIDTH + 2 + MAX_LAST_WIDTH);
        assert_eq!(cut("pulling\na long reference: not found", 24), "pulling a l... not found");
        assert_eq!(cut("exactly ten", 11), "exactly ten");
    }
}
