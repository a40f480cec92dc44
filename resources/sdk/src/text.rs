//! Optional text of a request. In pipelines, an empty text means "not set": variables and templates produce it.

/// The text, unless it is empty or consists of white space. It is not trimmed: a message keeps its indentation.
pub fn non_empty<T: AsRef<str> + ?Sized>(text: Option<&T>) -> Option<&str> {
    text.map(AsRef::as_ref).filter(|text| !text.trim().is_empty())
}

/// The text without white space at its ends, unless it is empty then.
pub fn trimmed<T: AsRef<str> + ?Sized>(text: Option<&T>) -> Option<&str> {
    non_empty(text).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_text_is_absent() {
        for empty in [None, Some(""), Some(" \n\t")] {
            assert_eq!((non_empty(empty), trimmed(empty)), (None, None), "{empty:?}");
        }
        assert_eq!((non_empty(Some("  a\n")), trimmed(Some("  a\n"))), (Some("  a\n"), Some("a")));
    }
}
