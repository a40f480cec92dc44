//! Fuzzes requests: any input is parsed or refused, and no message contains a secret of it.
#![no_main]

use jetway::{Colour, Console, KeyPolicy, Part, Redactor, ResourceType, Verb, check_request, lines};
use jetway_git::Git;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// The value of every secret key of the source, and of the password in its address.
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
    // Add the keys of the input, except those that the source already has.
    let mut all = value.as_object().cloned().unwrap_or_default();
    all.extend(source.as_object().cloned().unwrap_or_default());
    for verb in [Verb::Check, Verb::Get, Verb::Put] {
        let request = json!({ "source": all, "version": value, "params": value });
        let console = Console::new(std::io::sink(), Redactor::default(), Colour::Never);
        if let Err(error) = check_request::<Git>(verb, request.to_string().as_bytes(), &console) {
            let is_leaked = lines(&error).iter().any(|line| console.redactor().redact(line.text()).contains(SECRET));
            assert!(!is_leaked, "{:?}", lines(&error));
        }
    }
});
