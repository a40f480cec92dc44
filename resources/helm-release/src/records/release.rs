//! A release in helm's record: JSON, compressed by gzip, in base64, and in a Secret in base64 once more.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::source::storage::Storage;

/// The maximum size of a decompressed record, in bytes. Real ones are far smaller, since the compressed record must fit into a
/// Kubernetes object; a few kilobytes of gzip can expand to gigabytes.
const MAX_RECORD_SIZE: u64 = 32 * 1024 * 1024;

/// The first bytes of gzip. Old versions of helm wrote records without compression.
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

/// One revision of a release. Other parts of a record (templates, files) are skipped.
#[derive(Debug, Deserialize)]
pub struct Release {
    /// The name.
    pub name: String,
    /// The namespace.
    #[serde(default)]
    pub namespace: String,
    /// The number of the revision.
    #[serde(default)]
    pub version: u64,
    /// The status and its time.
    #[serde(default)]
    pub info: Info,
    /// The chart of this revision.
    #[serde(default)]
    pub chart: Chart,
    /// The values of the user, without the chart's own.
    #[serde(default)]
    pub config: Option<Value>,
    /// The rendered manifest.
    #[serde(default)]
    pub manifest: String,
    /// How helm 4 has applied it: `ssa` on the server, `csa` on the client. Empty with helm 3.
    #[serde(default)]
    pub apply_method: String,
    /// The hooks, including tests.
    #[serde(default)]
    pub hooks: Option<Vec<Hook>>,
}

/// The status of a revision.
#[derive(Debug, Default, Deserialize)]
pub struct Info {
    /// When the release was first deployed, in RFC 3339.
    #[serde(default)]
    pub first_deployed: String,
    /// When this revision was deployed.
    #[serde(default)]
    pub last_deployed: String,
    /// helm's description of the status.
    #[serde(default)]
    pub description: String,
    /// The status, in helm's word.
    #[serde(default)]
    pub status: String,
    /// The chart's notes for users.
    #[serde(default)]
    pub notes: String,
}

/// The chart of a release.
#[derive(Debug, Default, Deserialize)]
pub struct Chart {
    /// Its `Chart.yaml`.
    #[serde(default)]
    pub metadata: Value,
    /// Its default values.
    #[serde(default)]
    pub values: Value,
}

/// A hook of a release.
#[derive(Debug, Deserialize)]
pub struct Hook {
    /// The name of its object.
    #[serde(default)]
    pub name: String,
    /// The kind of its object.
    #[serde(default)]
    pub kind: String,
    /// Its object.
    #[serde(default)]
    pub manifest: String,
    /// The events that run it.
    #[serde(default)]
    pub events: Option<Vec<String>>,
    /// When helm deletes its object: `before-hook-creation`, `hook-succeeded`, `hook-failed`.
    #[serde(default)]
    pub delete_policies: Option<Vec<String>>,
    /// The last run.
    #[serde(default)]
    pub last_run: LastRun,
}

/// The last run of a hook, which may belong to an earlier revision.
#[derive(Debug, Default, Deserialize)]
pub struct LastRun {
    /// When it started.
    #[serde(default)]
    pub started_at: String,
    /// When it ended.
    #[serde(default)]
    pub completed_at: String,
    /// `Succeeded`, `Failed`, or empty.
    #[serde(default)]
    pub phase: String,
}

impl Chart {
    /// The name and version, in helm's notation.
    pub(crate) fn label(&self) -> String {
        format!("{}-{}", self.field("name"), self.field("version"))
    }

    /// A text in `Chart.yaml`.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.metadata.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Release {
    /// A release of which only the manifest, including hooks, is known.
    pub(crate) fn of_manifest(name: &str, manifest: String) -> Self {
        let (name, namespace) = (name.to_owned(), String::new());
        let (info, chart) = (Info::default(), Chart::default());
        Self {
            name,
            namespace,
            version: 0,
            info,
            chart,
            config: None,
            manifest,
            apply_method: String::new(),
            hooks: None,
        }
    }

    /// A summary: `demo-1.2.3, app version 4.5`.
    pub(crate) fn summary(&self) -> String {
        let chart = self.chart.label();
        match self.chart.field("appVersion") {
            "" => chart,
            version => format!("{chart}, app version {version}"),
        }
    }

    /// The hooks with an event whose name contains `word`; events of tests have no `-`.
    pub(crate) fn hooks_of(&self, word: &str) -> impl Iterator<Item = &Hook> {
        let hooks = self.hooks.as_deref().unwrap_or_default().iter();
        hooks.filter(move |hook| hook.events.iter().flatten().any(|event| event.contains(word)))
    }

    /// The tests.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &Hook> {
        let hooks = self.hooks.as_deref().unwrap_or_default().iter();
        hooks.filter(|hook| hook.events.iter().flatten().any(|event| event == "test"))
    }
}

impl Hook {
    /// Whether helm may delete its object as soon as it has ended.
    pub(crate) fn is_deleted_when_done(&self) -> bool {
        let policies = self.delete_policies.iter().flatten();
        policies.into_iter().any(|policy| matches!(policy.as_str(), "hook-succeeded" | "hook-failed"))
    }
}

impl LastRun {
    /// Whether it started at `time` or later, and so was not copied from an earlier revision.
    pub(crate) fn started_since(&self, time: Timestamp) -> bool {
        parse_time(&self.started_at).is_some_and(|began| began >= time)
    }
}

/// Parses a time in a record; `None` if it is not valid.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Decodes a record, or returns what is wrong with it, as a phrase after "the record".
pub fn decode(text: &str, storage: Storage) -> Result<Release, String> {
    // The parser's message may quote values, which may be secret.
    serde_json::from_slice(&unpack(text, storage)?)
        .map_err(|error| format!("is not a valid release (line {}, column {})", error.line(), error.column()))
}

/// Changes the JSON in a record by `edit`, and returns the new text. Everything else stays unchanged.
pub(crate) fn edit(text: &str, storage: Storage, edit: impl FnOnce(&mut Value)) -> Result<String, String> {
    let mut value: Value =
        serde_json::from_slice(&unpack(text, storage)?).map_err(|_| "is not valid JSON".to_owned())?;
    edit(&mut value);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(value.to_string().as_bytes()).and_then(|()| encoder.finish());
    let inner = STANDARD.encode(packed.map_err(|error| format!("cannot be packed: {error}"))?);
    Ok(if storage == Storage::Secret { STANDARD.encode(inner) } else { inner })
}

/// The JSON in a record's text.
fn unpack(text: &str, storage: Storage) -> Result<Vec<u8>, String> {
    let damaged = |_| "is damaged: it is not base64".to_owned();
    let mut bytes = STANDARD.decode(text.trim()).map_err(damaged)?;
    if storage == Storage::Secret {
        bytes = STANDARD.decode(bytes.trim_ascii()).map_err(damaged)?;
    }
    if bytes.starts_with(&GZIP) {
        let mut plain = Vec::new();
        let read = GzDecoder::new(bytes.as_slice()).take(MAX_RECORD_SIZE + 1).read_to_end(&mut plain);
        read.map_err(|_| "is damaged: its gzip data is truncated or invalid".to_owned())?;
        if plain.len() as u64 > MAX_RECORD_SIZE {
            return Err(format!("is larger than {} MiB", MAX_RECORD_SIZE / 1024 / 1024));
        }
        bytes = plain;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn encode(bytes: &[u8], storage: Storage) -> String {
        let inner = STANDARD.encode(bytes);
        if storage == Storage::Secret { STANDARD.encode(inner) } else { inner }
    }

    #[test]
    fn decodes_records_in_each_format() {
        let json = br#"{"name": "demo", "version": 3, "chart": {"metadata": {"name": "c", "version": "1.0"}, "templates": [{"data": "e30="}]}, "unknown": {"a": [1]}, "hooks": null, "config": null}"#;
        for storage in [Storage::Secret, Storage::Configmap] {
            for bytes in [json.to_vec(), gzip(json)] {
                let release = decode(&encode(&bytes, storage), storage).unwrap();
                assert_eq!((release.name.as_str(), release.version), ("demo", 3));
                assert_eq!(release.chart.field("version"), "1.0");
            }
        }
    }

    #[test]
    fn edit_changes_nothing_else() {
        let json = br#"{"name":"demo","info":{"status":"pending-upgrade"},"config":{"b":1.10,"a":12345678901234567890123,"e":1e400}}"#;
        for storage in [Storage::Secret, Storage::Configmap] {
            let mark_failed = |value: &mut Value| value["info"]["status"] = "failed".into();
            let text = edit(&encode(&gzip(json), storage), storage, mark_failed).unwrap();
            let plain = String::from_utf8(unpack(&text, storage).unwrap()).unwrap();
            let expected = String::from_utf8(json.to_vec()).unwrap().replace("pending-upgrade", "failed");
            assert_eq!(plain, expected.replace("1e400", "1e+400"));
        }
    }

    #[test]
    fn rejects_a_gzip_bomb_without_decompressing_it() {
        let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
        let zeros = vec![b' '; 1024 * 1024];
        for _ in 0..33 {
            bomb.write_all(&zeros).unwrap();
        }
        let problem = decode(&encode(&bomb.finish().unwrap(), Storage::Secret), Storage::Secret).unwrap_err();
        assert_eq!(problem, "is larger than 32 MiB");
    }

    #[test]
    fn errors_do_not_quote_the_record() {
        for (text, words) in [
            ("hunter2!".to_owned(), "not base64"),
            (encode(&[0x1f, 0x8b, 0x08, 1], Storage::Secret), "gzip data is truncated"),
            (encode(br#"{"name": ["hunter2"]}"#, Storage::Secret), "line 1, column 9"),
            (encode(&gzip(b"[]"), Storage::Secret), "not a valid release"),
            (encode("[".repeat(100_000).as_bytes(), Storage::Secret), "not a valid release"),
        ] {
            let problem = decode(&text, Storage::Secret).unwrap_err();
            assert!(problem.contains(words) && !problem.contains("hunter2"), "{problem}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn decode_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".*") {
            for storage in [Storage::Secret, Storage::Configmap] {
                let _ = decode(&text, storage);
                let _ = decode(&encode(&bytes, storage), storage);
                let _ = decode(&encode(&gzip(&bytes), storage), storage);
            }
        }

        #[test]
        fn decode_reads_what_was_encoded(name in "[a-z]{1,20}", version in 0_u64..1000, notes in ".*") {
            let json = serde_json::json!({ "name": name, "version": version, "info": { "notes": notes } });
            let release = decode(&encode(&gzip(json.to_string().as_bytes()), Storage::Secret), Storage::Secret).unwrap();
            prop_assert_eq!((release.name, release.version, release.info.notes), (name, version, notes));
        }
    }
}
