//! Anything at all as a uri: its credentials stay in no http address, and no usable one is an option or a program.
#![no_main]

#[path = "../../src/remote.rs"]
#[allow(dead_code, reason = "names of branches are not asked about here")]
mod remote;

use libfuzzer_sys::fuzz_target;
use remote::Remote;

fuzz_target!(|uri: &str| {
    let remote = Remote::parse(uri);
    let authority = |address: &str| {
        let (_, rest) = address.split_once("://")?;
        Some(rest.split('/').next().unwrap_or_default().to_owned())
    };
    if remote.is_http() {
        assert!(!authority(&remote.address).is_some_and(|authority| authority.contains('@')), "{remote:?}");
    }
    if remote.usable().is_ok() {
        assert!(!remote.address.starts_with('-'), "{remote:?}");
        assert!(!remote.address.starts_with("ext::"), "{remote:?}");
        assert!(!remote.address.chars().any(char::is_control), "{remote:?}");
        // An address is taken for the same the second time. (Blanks around one are taken for a slip of the pen.)
        if remote.address.trim() == remote.address {
            assert_eq!(Remote::parse(&remote.address).address, remote.address);
        }
    }
});
