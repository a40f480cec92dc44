//! Rows of text in columns.

/// How many rows of a table are shown.
pub(super) const MOST_ROWS: usize = 30;

/// The widest that a column but the last becomes, in characters.
const WIDEST: usize = 48;

/// The most of a text in the last column, in characters.
const LONGEST: usize = 160;

/// The rows as lines, the columns as wide as they need to be.
pub(super) fn lines<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count().min(WIDEST));
        }
    }
    rows.iter()
        .map(|row| {
            let padded = row.iter().zip(widths).enumerate().map(|(index, (cell, width))| {
                let cell = cut(cell, if index + 1 == N { LONGEST } else { WIDEST });
                format!("{cell:width$}")
            });
            format!("  {}", padded.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
        })
        .collect()
}

/// The text on one line, and no longer than that many characters. What is left out is the middle: a message begins with what was
/// tried, and ends with what came of it.
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
    fn columns_stand_below_each_other_and_are_bounded() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(
            lines(&[row("A", "B"), row("longer", "two\nlines"), row("x", "")]),
            ["  A       B", "  longer  two lines", "  x"]
        );
        let long = lines(&[row(&"ä".repeat(99), &"ö".repeat(999))]).remove(0);
        assert_eq!(long.chars().count(), 2 + WIDEST + 2 + LONGEST);
        assert_eq!(cut("pulling\na long reference: not found", 24), "pulling a l... not found");
        assert_eq!(cut("exactly ten", 11), "exactly ten");
    }
}
