//! Black-box tests of the docker-image and registry-image resources: the binary or the image, against Debian's registry
//! with images of skopeo, and against stand-ins for misbehaving registries.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test code: what is not as it should be ends its test there and then"
)]

mod acr;
mod bad_input;
mod bounds;
mod build;
mod build_engine;
mod build_hosts;
mod build_ignore;
mod build_kit;
mod build_options;
mod build_stand_in;
mod build_trouble;
mod check;
mod cosign;
mod ecr;
mod error_texts;
mod eventual;
mod formats;
mod get;
mod hostile;
mod hub;
mod keys;
mod lists;
mod login;
mod mirror;
mod names;
mod odd;
mod put;
mod put_archives;
mod put_tags;
mod put_trouble;
mod redirects;
mod registries;
mod responses;
mod support;
mod unpack;
mod versions;
