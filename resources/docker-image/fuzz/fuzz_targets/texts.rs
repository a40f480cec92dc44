//! Parses one-line texts: names of repositories, tags, constraints, challenges.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| jetway_docker_image::parsers::text(text));
