//! Checks the parsers of untrusted text, for fuzzing. Each function fails with the property that the input violates.

use crate::pattern::posix_regex::Dialect;
use crate::pattern::{Pattern, glob};
use jetway_git_client::source::remote::Remote;

/// Checks that a pattern is compiled or refused with a reason, and that it matches only names with its literal prefix.
pub fn pattern(text: &str, name: &[u8]) -> Result<(), String> {
    let patterns = [
        Pattern::regex(Dialect::Basic, text),
        Pattern::regex(Dialect::Extended, text),
        Pattern::whole_regex(Dialect::Extended, text),
        Pattern::glob(text),
        Pattern::text(text),
    ];
    for pattern in patterns {
        match pattern {
            Ok(pattern) => {
                pattern.matches(name);
            }
            Err(problem) if problem.is_empty() => return Err(format!("`{text}` is refused without a reason")),
            Err(_) => {}
        }
    }
    // A check asks the server only for the refs that begin with the literal prefix of a glob.
    if let (Ok(compiled), Ok(name)) = (Pattern::glob(text), std::str::from_utf8(name))
        && compiled.matches(name.as_bytes())
        && !name.starts_with(glob::literal_prefix(text))
    {
        return Err(format!("`{name}` matches `{text}`, but does not begin with its literal prefix"));
    }
    if Pattern::text(text).is_ok_and(|plain| !plain.matches(text.as_bytes())) {
        return Err(format!("the text `{text}` does not match itself"));
    }
    Ok(())
}

/// Checks that an HTTP address contains no credentials, and that git cannot take an accepted address for an option or a
/// program.
pub fn uri(uri: &str) -> Result<(), String> {
    let remote = Remote::parse(uri);
    let address = &remote.address;
    let has_login = || {
        let (_, rest) = address.split_once("://")?;
        Some(rest.split('/').next().unwrap_or_default().contains('@'))
    };
    if remote.is_http() && has_login().unwrap_or_default() {
        return Err(format!("`{address}` has a login"));
    }
    if remote.check_format().is_err() {
        return Ok(());
    }
    if address.starts_with('-') || address.starts_with("ext::") || address.chars().any(char::is_control) {
        return Err(format!("`{address}` is not safe to pass to git"));
    }
    // Parsing removes blanks around an address.
    if address.trim() == address && Remote::parse(address).address != *address {
        return Err(format!("`{address}` is another address when it is parsed again"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arbitrary_pattern_is_compiled_or_refused(text in "\\PC{0,24}", name in "\\PC{0,24}") {
            prop_assert_eq!(super::pattern(&text, name.as_bytes()), Ok(()));
        }

        #[test]
        fn arbitrary_uri_is_safe_or_refused(uri in "([a-z+]{0,5}(://|:|@|-))?[ -~]{0,40}") {
            prop_assert_eq!(super::uri(&uri), Ok(()));
        }
    }
}
