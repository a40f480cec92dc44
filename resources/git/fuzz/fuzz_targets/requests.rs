//! Anything at all as a request to this resource type: it is read or refused, and a secret in it is in no message.
#![no_main]

use jetway::{Colour, Console, KeyPolicy, Part, Redactor, ResourceType, Verb, check_request, lines};
use jetway_git::Git;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// Stands where the source has secrets, and in a place of its own in an address.
const SECRET: &str = "hunter2hunter2";

fuzz_target!(|bytes: &[u8]| {
    for verb in [Verb::Check, Verb::Get, Verb::Put] {
        let console = Console::new(std::io::sink(), Redactor::default(), Colour::Never);
        let _ = check_request::<Git>(verb, bytes, &console);
    }
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    for part in [Part::Source, Part::Version, Part::GetParams, Part::PutParams] {
        let _ = ResourceType::of::<Git>().problems(part, value.clone(), KeyPolicy::of_source(&value));
    }
    let source = json!({
        "uri": format!("https://bob:{SECRET}@git.example/x"),
        "password": SECRET,
        "private_key": SECRET,
        "git_crypt_key": SECRET,
        "submodule_credentials": [{ "host": "sub.example", "username": "bob", "password": SECRET }],
        "git_config": [{ "name": "http.extraHeader", "value": format!("Authorization: Basic {SECRET}") }],
    });
    // Each key of what the fuzzer has made stands beside them, unless it takes the place of one.
    let mut all = value.as_object().cloned().unwrap_or_default();
    all.extend(source.as_object().cloned().unwrap_or_default());
    for verb in [Verb::Check, Verb::Get, Verb::Put] {
        let request = json!({ "source": all, "version": value, "params": value });
        let console = Console::new(std::io::sink(), Redactor::default(), Colour::Never);
        if let Err(error) = check_request::<Git>(verb, request.to_string().as_bytes(), &console) {
            let told = lines(&error).iter().any(|line| console.redactor().redact(line.text()).contains(SECRET));
            assert!(!told, "{:?}", lines(&error));
        }
    }
});
