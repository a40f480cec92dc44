//! Fuzzes patterns: any text is compiled or refused with a reason, and matching takes linear time.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    jetway_git::parsers::pattern(input.0, input.1).unwrap();
});
