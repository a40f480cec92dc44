//! Fuzzes URIs: an HTTP address contains no credentials, and git takes no accepted address for an option or a program.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|uri: &str| {
    jetway_git::parsers::uri(uri).unwrap();
});
