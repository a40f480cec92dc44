//! Anything at all as a pattern: it is compiled or refused with a reason, and matches in good time.
#![no_main]

#[path = "../../src/character_set.rs"]
mod character_set;
#[path = "../../src/glob.rs"]
mod glob;
#[path = "../../src/pattern.rs"]
mod pattern;
#[path = "../../src/posix_regex.rs"]
mod posix_regex;

use libfuzzer_sys::fuzz_target;
use pattern::Pattern;
use posix_regex::Dialect;

fuzz_target!(|input: (&str, &[u8])| {
    let (text, name) = input;
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
            Err(problem) => assert!(!problem.is_empty()),
        }
    }
    // What a glob's matches begin with is what the server is asked for.
    if let (Ok(glob), Ok(name)) = (Pattern::glob(text), std::str::from_utf8(name)) {
        assert!(!glob.matches(name.as_bytes()) || name.starts_with(glob::literal_prefix(text)));
    }
    if let Ok(plain) = Pattern::text(text) {
        assert!(plain.matches(text.as_bytes()));
    }
});
