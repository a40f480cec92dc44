//! The names of releases and namespaces: they become parts of URLs and arguments, and so must not contain special characters.

/// The maximum length of a release's name (helm's own limit), in bytes.
const MAX_RELEASE_LENGTH: usize = 53;

/// The maximum length of a namespace's name (a DNS label), in bytes.
const MAX_NAMESPACE_LENGTH: usize = 63;

/// The maximum length of an object's name (a DNS subdomain), in bytes.
const MAX_OBJECT_LENGTH: usize = 253;

/// What is wrong with the name of a release: helm accepts lower-case letters, digits, `-` and `.`.
pub(crate) fn release(name: &str) -> Result<(), String> {
    check(name, MAX_RELEASE_LENGTH, |part| name_of_parts(part, '.'))
}

/// What is wrong with the name of a namespace: like a release's, without `.`.
pub(crate) fn namespace(name: &str) -> Result<(), String> {
    check(name, MAX_NAMESPACE_LENGTH, is_label)
}

/// What is wrong with the name of an object: most kinds have DNS subdomains, so this is like a release's name, but longer.
pub(crate) fn object(name: &str) -> Result<(), String> {
    check(name, MAX_OBJECT_LENGTH, |part| name_of_parts(part, '.'))
}

fn check(name: &str, longest: usize, is_legal: impl Fn(&str) -> bool) -> Result<(), String> {
    if name.len() > longest {
        Err(format!("is longer than {longest} characters"))
    } else if is_legal(name) {
        Ok(())
    } else {
        Err(format!("`{name}` is not a valid name: expected lower-case letters and digits, with `-` between them"))
    }
}

fn name_of_parts(name: &str, separator: char) -> bool {
    name.split(separator).all(is_label)
}

fn is_label(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.bytes().next().is_some_and(is_legal)
        && text.bytes().last().is_some_and(is_legal)
        && text.bytes().all(|byte| is_legal(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_names_with_special_characters() {
        for name in ["demo", "demo-1", "a.b", "1"] {
            assert_eq!(release(name), Ok(()), "{name}");
        }
        for name in ["", "-x", "x-", "..", "a/b", "a b", "Demo", "a?b", "a%2e", "ü", "a\n", "a..b"] {
            assert!(release(name).is_err(), "{name:?}");
        }
        assert!(namespace("a.b").is_err());
        assert!(release(&"a".repeat(54)).is_err());
        assert_eq!(namespace(&"a".repeat(63)), Ok(()));
    }
}
