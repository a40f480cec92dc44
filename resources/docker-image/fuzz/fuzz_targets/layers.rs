//! Decompresses arbitrary bytes as layers, and reads them as archives.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| jetway_docker_image::parsers::layer(bytes));
