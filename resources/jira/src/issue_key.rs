//! The syntax of issue and project keys.

/// Whether the text is an issue's key, such as `OPS-12`, or its number, and cannot change the path of a request.
pub(crate) fn is_issue(text: &str) -> bool {
    is_number(text) || text.rsplit_once('-').is_some_and(|(project, number)| is_project(project) && is_number(number))
}

/// Whether the text is a project's key.
pub(crate) fn is_project(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// A key that sorts issues of a project by their numbers.
pub(crate) fn order(key: &str) -> (String, u64) {
    match key.rsplit_once('-') {
        Some((project, number)) => (project.to_owned(), number.parse().unwrap_or_default()),
        None => (key.to_owned(), 0),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_cannot_lead_to_another_path() {
        for text in ["OPS-1", "a_b2-10", "10001"] {
            assert!(is_issue(text), "{text}");
        }
        for text in
            ["", "OPS", "OPS-", "-1", "OPS-1/comment", "../x-1", "OPS 1-1", "OPS-1?x", "OPS-1x", "1OPS-1", "ÖPS-1"]
        {
            assert!(!is_issue(text), "{text:?}");
        }
    }

    #[test]
    fn numbers_are_sorted_as_numbers() {
        assert!(order("OPS-9") < order("OPS-10"));
    }
}
