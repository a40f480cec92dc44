//! For any request, the request reader returns a result, does not panic, and does not show a secret.
#![allow(clippy::unwrap_used, reason = "test code: an unexpected value must fail the test at once")]

#[path = "support/sampler.rs"]
mod sampler;

use jetway::{Colour, Console, KeyPolicy, Part, Problem, Redactor, ResourceType, Severity, Verb, check_request, lines};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use sampler::Sampler;

/// Keys of the request format, so that arbitrary values reach every branch of the reader.
const KEYS: [&str; 26] = [
    "source",
    "version",
    "params",
    "allow_unknown_keys",
    "strict",
    "URI",
    "uri",
    "depth",
    "offset",
    "ratio",
    "force",
    "token",
    "tokens",
    "paths",
    "state",
    "submodules",
    "nested",
    "args",
    "anything",
    "inner",
    "count",
    "host",
    "key",
    "children",
    "later",
    "digest",
];

/// Any JSON; most of its keys are from this list.
fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![4 => prop::sample::select(&KEYS[..]).prop_map(str::to_owned), 1 => "\\PC{0,8}"];
    let text = prop_oneof![
        "\\PC{0,12}",
        Just("true".to_owned()),
        Just("success".to_owned()),
        Just("((var))".to_owned()),
        Just("a {{var}} b".to_owned()),
        "-?[0-9]{1,40}(\\.0)?",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Every notation of a scalar in a pipeline.
fn forms(value: &Value) -> impl Strategy<Value = Value> + use<> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    prop_oneof![Just(value.clone()), Just(Value::String(text))]
}

/// A valid source.
fn good_source() -> impl Strategy<Value = Value> {
    let text = || {
        prop_oneof![
            "[a-z]{0,8}".prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from)
        ]
    };
    let texts = move || prop::collection::vec(text(), 0..3).prop_map(Value::from);
    let word = || prop::sample::select(&["success", "failure"][..]).prop_map(Value::from);
    let nested = move || {
        let leaf = (text(), text()).prop_map(|(host, key)| json!({ "host": host, "key": key }));
        leaf.prop_recursive(3, 8, 2, |inner| {
            prop::collection::vec(inner, 0..3).prop_map(|children| json!({ "host": "h", "children": children }))
        })
    };
    let flag = any::<bool>().prop_map(Value::from).prop_flat_map(|flag| forms(&flag));
    let entry = prop_oneof![
        any::<u32>().prop_flat_map(|depth| forms(&json!(depth))).prop_map(|value| ("depth", value)),
        any::<i64>().prop_flat_map(|offset| forms(&json!(offset))).prop_map(|value| ("offset", value)),
        (-1e9..1e9).prop_flat_map(|ratio: f64| forms(&json!(ratio))).prop_map(|value| ("ratio", value)),
        any::<i32>().prop_flat_map(|ratio| forms(&json!(ratio))).prop_map(|value| ("ratio", value)),
        flag.prop_map(|value| ("force", value)),
        text().prop_map(|value| ("token", value)),
        texts().prop_map(|value| ("tokens", value)),
        texts().prop_map(|value| ("paths", value)),
        word().prop_map(|value| ("state", value)),
        prop_oneof![any::<bool>().prop_map(Value::from), word(), texts()].prop_map(|value| ("submodules", value)),
        prop::collection::vec(nested(), 0..3).prop_map(|value| ("nested", Value::from(value))),
        nested().prop_map(|value| ("inner", value)),
        prop::collection::btree_map("[a-z]{1,4}", text(), 0..3).prop_map(|value| ("args", json!(value))),
        any_json().prop_map(|value| ("anything", value)),
        any::<u8>().prop_flat_map(|count| forms(&json!(count))).prop_map(|value| ("count", value)),
    ];
    prop::collection::vec(entry, 0..10).prop_map(|entries| {
        let mut source = Map::new();
        source.insert("uri".to_owned(), json!("u"));
        source.extend(entries.into_iter().map(|(key, value)| (key.to_owned(), value)));
        Value::Object(source)
    })
}

fn console() -> Console {
    Console::new(std::io::sink(), Redactor::default(), Colour::Never)
}

/// The problems of a part that make a request fail, as `jetway validate` finds them.
fn errors(part: Part, value: &Value) -> Vec<Problem> {
    let policy = KeyPolicy::of_source(value);
    let mut problems = ResourceType::of::<Sampler>().problems(part, value.clone(), policy);
    problems.retain(|problem| problem.severity == Severity::Error);
    problems
}

proptest! {
    #[test]
    fn handles_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for verb in [Verb::Check, Verb::Get, Verb::Put] {
            let _ = check_request::<Sampler>(verb, &bytes, &console());
        }
    }

    #[test]
    fn handles_any_json(source in any_json(), version in any_json(), params in any_json(), whole in any_json()) {
        let request = json!({ "source": source, "version": version, "params": params });
        for request in [request, whole] {
            for verb in [Verb::Check, Verb::Get, Verb::Put] {
                if let Err(error) = check_request::<Sampler>(verb, request.to_string().as_bytes(), &console()) {
                    prop_assert!(lines(&error).iter().all(|line| !line.text().is_empty()));
                }
            }
        }
    }

    #[test]
    fn part_without_problems_decodes(source in any_json()) {
        for part in [Part::Source, Part::Version, Part::GetParams, Part::PutParams] {
            errors(part, &source);
        }
        let has_vars = source.to_string().contains("((") || source.to_string().contains("{{");
        if source.is_object() && !has_vars {
            let request = json!({ "source": source }).to_string();
            let read = check_request::<Sampler>(Verb::Check, request.as_bytes(), &console());
            prop_assert_eq!(errors(Part::Source, &source).is_empty(), read.is_ok());
        }
    }

    #[test]
    fn accepts_valid_requests(source in good_source()) {
        let request = json!({ "source": source, "params": source }).to_string();
        if let Err(error) = check_request::<Sampler>(Verb::Put, request.as_bytes(), &console()) {
            prop_assert!(false, "{}: {:?}", request, lines(&error));
        }
        prop_assert_eq!(errors(Part::Source, &source), []);
    }

    #[test]
    fn no_message_contains_a_secret(secret in "[A-Za-z0-9]{12,20}", rest in any_json(), wrong in any_json()) {
        let nested = json!([{"host": rest, "key": secret}]);
        for (key, value) in [("token", json!(secret)), ("tokens", json!([secret, wrong])), ("nested", nested)] {
            let source = json!({ key: value, "state": secret, "uri": wrong, "submodules": rest });
            let console = console();
            let request = json!({ "source": source }).to_string();
            if let Err(error) = check_request::<Sampler>(Verb::Check, request.as_bytes(), &console) {
                for line in lines(&error) {
                    prop_assert!(!console.redactor().redact(line.text()).contains(&secret), "{}", line.text());
                }
            }
        }
    }
}
