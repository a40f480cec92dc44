//! Anything at all as a request: it is read or refused, and a secret in it is in no message.
#![no_main]

#[path = "../../tests/support/sampler.rs"]
mod sampler;

use jetway::{Colour, Console, KeyPolicy, Part, Redactor, ResourceType, Verb, check_request, lines};
use libfuzzer_sys::fuzz_target;
use sampler::Sampler;

/// Stands wherever the fuzzer has put it; where the schema says that a secret stands there, it must not be shown.
const SECRET: &str = "hunter2hunter2";

fuzz_target!(|bytes: &[u8]| {
    for verb in [Verb::Check, Verb::Get, Verb::Put] {
        let console = Console::new(std::io::sink(), Redactor::default(), Colour::Never);
        if let Err(error) = check_request::<Sampler>(verb, bytes, &console) {
            for line in lines(&error) {
                assert!(!line.text().is_empty());
                let _ = console.redactor().redact(line.text());
            }
        }
    }
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    let request = serde_json::json!({ "source": { "token": SECRET, "tokens": value, "uri": SECRET, "state": value } });
    let console = Console::new(std::io::sink(), Redactor::default(), Colour::Never);
    if let Err(error) = check_request::<Sampler>(Verb::Check, request.to_string().as_bytes(), &console) {
        let told = lines(&error).iter().any(|line| console.redactor().redact(line.text()).contains(SECRET));
        assert!(!told, "{:?}", lines(&error));
    }
    for part in [Part::Source, Part::Version, Part::GetParams, Part::PutParams] {
        let _ = ResourceType::of::<Sampler>().problems(part, value.clone(), KeyPolicy::of_source(&value));
    }
});
