//! Parses arbitrary bytes as manifests, indexes and configs.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| jetway_docker_image::parsers::manifest(bytes));
