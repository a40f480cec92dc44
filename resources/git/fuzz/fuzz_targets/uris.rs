//! Any text as a URI: no HTTP address has its credentials, and no usable address is an option or a program.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|uri: &str| {
    jetway_git::parsers::uri(uri).unwrap();
});
