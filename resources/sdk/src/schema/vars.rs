//! Pipeline variables (`((name))`) in text.

/// Whether the text contains a pipeline variable: `((name))`, or the old form `{{name}}`.
pub(super) fn contains_var(text: &str) -> bool {
    [("((", "))"), ("{{", "}}")]
        .iter()
        .any(|(open, close)| text.split_once(open).is_some_and(|(_, rest)| rest.contains(close)))
}

/// Whether the text is exactly one variable, which may resolve to any kind of value.
pub(super) fn is_one_var(text: &str) -> bool {
    let text = text.trim();
    [("((", "))"), ("{{", "}}")].iter().any(|(open, close)| {
        text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(|name| !name.contains(open))
    })
}
