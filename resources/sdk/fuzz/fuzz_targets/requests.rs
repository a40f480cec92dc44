//! Reads arbitrary bytes as a request: the result is a request or an error, and no message contains a secret of it.
#![no_main]

#[path = "../../tests/support/sampler.rs"]
mod sampler;

use jetway::{Colour, Console, KeyPolicy, Part, Redactor, ResourceType, Verb, check_request, lines};
use libfuzzer_sys::fuzz_target;
use sampler::Sampler;

/// A secret that the fuzzer may put anywhere in the request. If the schema declares a secret at that place, no message may show it.
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
