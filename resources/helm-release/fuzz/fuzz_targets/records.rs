//! Decodes arbitrary bytes as one of helm's records, in each of its formats: the result is a release or an error.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_helm_release::Storage;
use jetway_helm_release::release::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The bytes themselves, and the bytes in the layers of base64 that the fuzzer would hardly find by itself.
    let once = STANDARD.encode(bytes);
    let twice = STANDARD.encode(&once);
    for text in [String::from_utf8_lossy(bytes).as_ref(), &once, &twice] {
        for storage in [Storage::Secret, Storage::Configmap] {
            if let Err(problem) = decode(text, storage) {
                assert!(problem.starts_with("is "), "{problem}");
            }
        }
    }
});
