//! `override_values`: the values that helm gets, and where hidden values do not appear.

use std::fmt::Write as _;
use std::fs;

use jetway_tests::kubernetes::{Helm, Namespace, cluster};
use jetway_tests::scratch;
use jetway_tests::verb::Verb;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::{get, inputs, messages, put, revisions, source, values_of, watched};

#[test]
fn values_keep_their_types() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[
            (
                "values.yaml",
                "replicas: 3\nhosts: [{name: a, flag: on, mode: 0755}, {name: b}]\nsettings: {a: 1, b: 2}\n",
            ),
            ("tag", "1.2.3\n\n"),
            ("number", "7\n"),
            ("ca.pem", "a\nb\n"),
        ]);
        let overrides = json!([
            { "key": "replicas", "value": 1 },
            { "key": "off", "value": false },
            { "key": "none", "value": null },
            { "key": "list", "value": [1, "two", { "three": [] }] },
            { "key": "settings", "value": { "b": 3 } },
            { "key": "text", "value": r"1,admin=true\,{}" },
            { "key": "json", "value": "{\"auths\": {}}" },
            { "key": "braces", "value": "{a,1}" },
            { "key": r"annotations.prometheus\.io/scrape", "value": "true", "type": "string" },
            { "key": "word", "value": "true" },
            { "key": "share", "value": 1.5 },
            { "key": "escaped", "value": r"a\,b", "type": "helm" },
            { "key": "version", "value": 1.1, "type": "string" },
            { "key": "tag", "path": "tag", "value": "loses" },
            { "key": "number", "path": "number" },
            { "key": "ca", "value": "ca.pem", "type": "file" },
            { "key": "ca2", "path": "ca.pem", "type": "file" },
            { "key": "hosts[1].name", "value": "c" },
            { "key": "hosts[2].name", "value": "d" },
            { "key": "account.id", "value": 123_456_789_012_u64 },
            { "key": "account.pin", "value": 98_765_432, "hide": true },
        ]);
        let params = json!({ "chart": "chart", "values": "values.yaml", "override_values": overrides });
        let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        outcome.succeeded();
        assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
        assert_eq!(
            values_of(&namespace, helm),
            json!({
                "replicas": 1, "off": false, "none": null, "list": [1, "two", { "three": [] }],
                "settings": { "a": 1, "b": 3 }, "text": r"1,admin=true\,{}", "json": "{\"auths\": {}}",
                "braces": ["a", 1], "annotations": { "prometheus.io/scrape": "true" }, "word": true, "share": 1.5,
                "escaped": "a,b", "version": "1.1", "tag": "1.2.3", "number": 7, "ca": "a\nb\n", "ca2": "a\nb\n",
                "hosts": [{ "name": "a", "flag": true, "mode": 493 }, { "name": "c" }, { "name": "d" }],
                "account": { "id": 123_456_789_012_u64, "pin": "98765432" },
            }),
            "{helm:?}"
        );
    }
}

/// Texts that YAML or Go would read as numbers or as other values: most are short hashes.
const TAGS: [&str; 12] =
    ["5060547", "29111998", "6063e25", "1e10", "0012345", "00e1234", "1_000", "0x1f", "1.10", "2024-01-01", "~", "yes"];

#[test]
fn tags_that_look_like_numbers_stay_as_they_are_in_the_file() {
    let Some(cluster) = cluster() else { return };
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tags}\ndata:\n\
                    {{ range $name, $tag := .Values.tags }}  {{ $name }}: \"{{ $tag }}\"\n{{ end }}";
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("chart/templates/tags.yaml", template)]);
        let mut overrides = Vec::new();
        for (index, tag) in TAGS.into_iter().enumerate() {
            fs::write(inputs.path().join(format!("tag{index}")), format!("{tag}\n")).unwrap();
            overrides.push(json!({ "key": format!("tags.t{index}"), "path": format!("tag{index}") }));
        }
        let shown = || {
            let data = namespace.kubectl_json(&["get", "configmap", "tags", "--output=jsonpath={.data}"]);
            (0..TAGS.len()).map(|index| data[format!("t{index}")].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let run = |params: Value| put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        run(json!({ "chart": "chart", "override_values": overrides })).succeeded();
        assert_eq!(shown(), TAGS, "{helm:?}");
        let more = json!([{ "key": "replicas", "value": 2 }]);
        run(json!({ "chart": "chart", "reuse_values": true, "override_values": more })).succeeded();
        assert_eq!(shown(), TAGS, "{helm:?}, reused");
        for revision in [1, 2] {
            let (outcome, directory) = get(&source(&namespace), revisions([revision])[0].clone());
            outcome.succeeded();
            let values: Value =
                serde_json::from_str(&fs::read_to_string(directory.path().join("values.json")).unwrap()).unwrap();
            for (index, tag) in TAGS.into_iter().enumerate() {
                let value = &values["tags"][format!("t{index}")];
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                assert_eq!(text, tag, "{helm:?}, revision {revision}");
            }
        }
    }
}

#[test]
fn null_removes_a_default_as_in_helm() {
    let Some(cluster) = cluster() else { return };
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-{{ .Chart.Name }}'}\n\
                    data: {values: {{ toJson (omit .Values \"global\") | quote }}}\n";
    let inputs = inputs(&[("chart/templates/values.yaml", template)]);
    let chart = inputs.path().join("chart");
    let sub = chart.join("charts/sub");
    fs::create_dir_all(sub.join("templates")).unwrap();
    fs::write(sub.join("Chart.yaml"), "apiVersion: v2\nname: sub\nversion: 1.0.0\n").unwrap();
    fs::write(sub.join("templates/values.yaml"), template).unwrap();
    fs::write(sub.join("values.yaml"), "probe: {httpGet: {path: /}, period: 5}\n").unwrap();
    let mut values = fs::read_to_string(chart.join("values.yaml")).unwrap();
    values.push_str("security: {user: 1000, group: 2000}\nplain: x\n");
    fs::write(chart.join("values.yaml"), values).unwrap();
    // No chart has a default for the last two.
    for key in ["security", "plain", "security.user", "sub.probe.httpGet", "security.none", "new.key"] {
        for helm in Helm::BOTH {
            let (ours, theirs) = (cluster.namespace(), cluster.namespace());
            let params = json!({ "chart": "chart", "override_values": [{ "key": key, "value": null }] });
            put(helm, cluster.programs(), &source(&ours), params, inputs.path()).run().succeeded();
            let set = format!("--set={key}=null");
            theirs.helm(helm, &["upgrade", "--install", "demo", chart.to_str().unwrap(), &set]);
            for name in ["demo-demo", "demo-sub"] {
                let of = |namespace: &Namespace| {
                    namespace.kubectl(&["get", "configmap", name, "--output=jsonpath={.data.values}"])
                };
                assert_eq!(of(&ours), of(&theirs), "{helm:?}, {key}, {name}");
            }
        }
    }
}

#[test]
fn template_shows_large_numbers_unchanged() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[(
            "chart/templates/NOTES.txt",
            "id {{ .Values.id }} {{ (index .Values.list 1).id }} pin {{ .Values.pin }}\n",
        )]);
        let overrides = json!([
            { "key": "id", "value": 123_456_789_012_u64 },
            { "key": "list", "value": [{}, { "id": 7_654_321 }] },
            { "key": "pin", "value": 98_765_432, "hide": true },
        ]);
        let params = json!({ "chart": "chart", "override_values": overrides });
        let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        outcome.succeeded();
        assert!(outcome.stderr.contains("id 123456789012 7654321 pin ((redacted))"), "{}", outcome.stderr);
    }
}

#[test]
fn hidden_value_is_in_no_argument_and_no_output() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let notes =
            "password {{ .Values.password }} of {{ .Values.account.key }} {{ .Values.fromFile }} {{ .Values.pin }}\n";
        let inputs = inputs(&[("chart/templates/NOTES.txt", notes), ("key", "hunter4-of-file\n")]);
        let (programs, log) = watched(helm, cluster.programs(), inputs.path());
        let overrides = json!([
            { "key": "password", "value": "hunter2,secret", "hide": true },
            { "key": "account", "value": { "key": "hunter3-nested" }, "hide": true },
            { "key": "fromFile", "path": "key", "hide": true },
            { "key": "pin", "value": 98_765_432, "hide": true },
            { "key": "shown", "value": "hunter5-shown" },
        ]);
        let params = json!({ "chart": "chart", "override_values": overrides });
        let outcome = put(helm, &programs, &source(&namespace), params, inputs.path()).run();
        outcome.succeeded();
        assert_eq!(values_of(&namespace, helm)["password"], "hunter2,secret");
        let notes = "password ((redacted)) of ((redacted)) ((redacted)) ((redacted))";
        assert!(outcome.stderr.contains(notes), "{}", outcome.stderr);
        let log = fs::read_to_string(log).unwrap();
        assert!(log.contains("--values\n") && log.contains("\n600 "), "{log}");
        for secret in ["hunter2", "hunter3", "hunter4", "98765432", "hunter5"] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
    }
}

#[test]
fn keys_set_the_same_values_as_in_helm() {
    let Some(cluster) = cluster() else { return };
    // Names of any characters, and list indexes; no key begins with `set`.
    let name = r"[-a-z0-9_/ \]{}:é\\.=,\[]{1,6}";
    let step = prop_oneof![3 => name.prop_map(Err), 1 => (0_usize..4).prop_map(Ok)];
    let path = (name, proptest::collection::vec(step, 0..5));
    let escaped = |name: &str| {
        let special = |character| matches!(character, '\\' | '.' | '=' | ',' | '[');
        name.chars()
            .flat_map(|character| special(character).then_some('\\').into_iter().chain([character]))
            .collect::<String>()
    };
    let mut runner = TestRunner::deterministic();
    let keys: Vec<String> = (0..150)
        .map(|number| {
            let (first, steps) = path.new_tree(&mut runner).unwrap().current();
            let mut key = format!("set{number}{}", escaped(&first));
            for step in steps {
                match step {
                    Ok(index) => write!(key, "[{index}]").unwrap(),
                    Err(name) => write!(key, ".{}", escaped(&name)).unwrap(),
                }
            }
            key
        })
        .collect();
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let overrides: Vec<Value> =
            keys.iter().enumerate().map(|(index, key)| json!({ "key": key, "value": format!("v{index}") })).collect();
        let params = json!({ "chart": "chart", "override_values": overrides });
        put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run().succeeded();
        let ours = values_of(&namespace, helm);
        let chart = inputs.path().join("chart");
        let mut arguments =
            vec!["upgrade".to_owned(), "--install".to_owned(), "demo".to_owned(), chart.display().to_string()];
        for (index, key) in keys.iter().enumerate() {
            arguments.extend(["--set-string".to_owned(), format!("{key}=v{index}")]);
        }
        namespace.helm(helm, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let theirs = values_of(&namespace, helm);
        for (name, value) in theirs.as_object().unwrap() {
            assert_eq!(&ours[name], value, "{helm:?}: {name}");
        }
        assert_eq!(ours, theirs, "{helm:?}");
    }
}

#[test]
fn rejects_contradictory_keys() {
    let inputs = scratch::directory();
    let overrides = json!([
        { "key": "a..b", "value": 1 },
        { "key": "a" },
        { "value": 1 },
        { "key": "a", "path": "../x" },
        { "key": "a", "value": ["x"], "type": "file" },
        { "key": "a", "value": "1,b=2", "type": "helm" },
        { "key": "a", "value": "x", "type": "strnig" },
    ]);
    let verb = |overrides: Value| {
        let source = json!({ "cluster_url": "http://127.0.0.1:1", "release": "demo" });
        let params = json!({ "chart": "chart", "override_values": overrides });
        Verb::put("helm-release").dir(inputs.path()).request(&json!({ "source": source, "params": params })).run()
    };
    let outcome = verb(overrides.clone());
    outcome.failed();
    for line in [
        "`params.override_values[2].key`: required, but missing\n",
        "`params.override_values[6].type`: expected `string`, `file` or `helm`, found `strnig`; did you mean `string`?",
    ] {
        assert!(messages(&outcome).contains(line), "{}", messages(&outcome));
    }
    let mut overrides = overrides;
    overrides.as_array_mut().unwrap().retain(|one| one["key"].is_string() && one["type"] != "strnig");
    let outcome = verb(overrides);
    outcome.failed();
    for line in [
        "`params.override_values[0].key`: has a part without a name\n",
        "`params.override_values[1].value`: required, but missing; set `path` instead to read the value from \
         a file in the inputs\n",
        "`params.override_values[2].path`: must stay inside the directory of the inputs\n",
        "`params.override_values[3].value`: expected the name of a file in the inputs\n",
        "`params.override_values[4].value`: contains a comma, which ends the value; write `\\,` for a literal comma",
    ] {
        assert!(messages(&outcome).contains(line), "{}", messages(&outcome));
    }
}
