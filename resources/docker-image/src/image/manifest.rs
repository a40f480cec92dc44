//! Manifests: the registry's exact bytes, and their parsed content.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::any_case::AnyCase;
use crate::digest::Digest;
use crate::image::config::texts_by_name as texts;
use crate::image::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

/// The largest manifest that is read, in bytes. Registries accept 4 MiB.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 8 * 1024 * 1024;

/// A manifest.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    /// The exact bytes, so that the digest stays valid.
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) content: Content,
}

/// A manifest's content.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// An image for one platform.
    Image(Box<ImageManifest>),
    /// Images for several platforms.
    Index(Index),
}

/// An image for one platform.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ImageManifest {
    pub(crate) config: Descriptor,
    /// From the bottom to the top.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, deserialize_with = "texts")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Images for several platforms.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Index {
    #[serde(default, deserialize_with = "or_nothing")]
    pub(crate) manifests: Vec<Descriptor>,
}

/// A content descriptor.
///
/// The fields are in the order in which Go programs write them, so that a manifest built here has the same digest as
/// theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default, deserialize_with = "or_nothing")]
    pub(crate) media_type: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) digest: Digest,
    /// Other URLs from which the content can be downloaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_nothing")]
    pub(crate) urls: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<EntryPlatform>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
}

impl Descriptor {
    /// A descriptor with a type, a digest and a size.
    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            size,
            digest,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
        }
    }

    /// Whether this entry of an index is a manifest. Indexes also have other entries: a build cache has its layers
    /// there.
    pub(crate) fn is_manifest(&self) -> bool {
        let media_type = self.media_type.as_str();
        media_type.is_empty() || is_known(media_type) || media_type.contains(".manifest.")
    }
}

/// The total size of blobs. It saturates, since a manifest may contain any number.
pub(crate) fn total<'d>(blobs: impl IntoIterator<Item = &'d Descriptor>) -> u64 {
    blobs.into_iter().fold(0, |total, blob| total.saturating_add(blob.size))
}

/// The fields that distinguish the kinds of manifests.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    media_type: Option<String>,
    schema_version: Option<serde_json::Value>,
    #[serde(default)]
    manifests: Option<IgnoredAny>,
    #[serde(default)]
    config: Option<IgnoredAny>,
}

fn from_any_case<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> serde_json::Result<T> {
    serde_json::from_slice(bytes).map(|AnyCase(content)| content)
}

fn is_known(media_type: &str) -> bool {
    [DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX].contains(&media_type)
}

fn or_nothing<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The fields of a manifest that has a subject.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default)]
    subject: Option<Descriptor>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "texts")]
    annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// The digest of the manifest's subject.
    pub(crate) fn subject(&self) -> Option<Digest> {
        let AnyCase(reference) = serde_json::from_slice::<AnyCase<Reference>>(&self.bytes).ok()?;
        reference.subject.map(|subject| subject.digest)
    }

    /// The descriptor of this manifest in a list of referrers (OCI distribution specification, "Referrers Tag Schema").
    pub(crate) fn as_referrer(&self) -> Descriptor {
        let mut descriptor = Descriptor::new(&self.media_type, self.digest.clone(), self.bytes.len() as u64);
        if let Ok(AnyCase(reference)) = serde_json::from_slice::<AnyCase<Reference>>(&self.bytes) {
            let of_config = reference.config.map(|config| config.media_type);
            descriptor.artifact_type = reference.artifact_type.filter(|name| !name.is_empty()).or(of_config);
            descriptor.annotations = reference.annotations;
        }
        descriptor
    }

    /// Parses a manifest. The `Content-Type` counts only if the manifest has no media type.
    pub(crate) fn parse(bytes: Vec<u8>, content_type: &str) -> Result<Self, String> {
        let AnyCase(shape) = serde_json::from_slice::<AnyCase<Shape>>(&bytes).map_err(|error| {
            let kind = content_type.split(';').next().unwrap_or_default().trim();
            format!("the response is not a manifest (`{kind}`): {error}")
        })?;
        let named = shape.media_type.filter(|name| !name.is_empty());
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        let of_shape = || match (&shape.manifests, &shape.config) {
            (Some(_), None) => Some(OCI_INDEX.to_owned()),
            (None, Some(_)) => Some(OCI_MANIFEST.to_owned()),
            _ => None,
        };
        let media_type = named
            .or_else(|| is_known(content_type).then(|| content_type.to_owned()))
            .or_else(of_shape)
            .unwrap_or_else(|| content_type.to_owned());
        let read = |error: serde_json::Error| format!("cannot parse the manifest (`{media_type}`): {error}");
        let content = match media_type.as_str() {
            DOCKER_MANIFEST | OCI_MANIFEST => Content::Image(from_any_case(&bytes).map_err(read)?),
            DOCKER_LIST | OCI_INDEX => Content::Index(from_any_case(&bytes).map_err(read)?),
            _ if shape.schema_version == Some(1.into()) => {
                return Err("the image has Docker's manifest schema 1, which is no longer supported; push it again with a newer engine"
                    .to_owned());
            }
            other => {
                return Err(format!("the manifest has the type `{other}`; expected an image or an index of images"));
            }
        };
        let digest = Digest::of(&bytes);
        Ok(Self { bytes, digest, media_type, content })
    }
}

/// The platform of an index entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryPlatform {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub(crate) os_version: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZEROS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    fn parse(json: &str, content_type: &str) -> Result<Manifest, String> {
        Manifest::parse(json.as_bytes().to_vec(), content_type)
    }

    fn image(media_type: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,{media_type}"config":{{"mediaType":"m","digest":"{ZEROS}","size":1}},"layers":[],"annotations":null}}"#
        )
    }

    #[test]
    fn reads_media_type_from_the_manifest() {
        let named = image(&format!(r#""mediaType":"{DOCKER_MANIFEST}","#));
        assert_eq!(parse(&named, "text/plain").unwrap().media_type, DOCKER_MANIFEST);
        assert_eq!(
            parse(&image(""), &format!("{DOCKER_MANIFEST}; charset=utf-8")).unwrap().media_type,
            DOCKER_MANIFEST
        );
        assert_eq!(parse(&image(""), "application/json").unwrap().media_type, OCI_MANIFEST);
        assert_eq!(parse(r#"{"manifests":[]}"#, "application/json").unwrap().media_type, OCI_INDEX);
    }

    #[test]
    fn rejects_other_manifests_by_name() {
        for (json, content_type, says) in [
            ("<html>", "text/html", "the response is not a manifest (`text/html`): expected value at line 1 column 1"),
            (
                r#"{"schemaVersion":1,"fsLayers":[]}"#,
                "application/vnd.docker.distribution.manifest.v1+json",
                "schema 1",
            ),
            ("{}", "application/json", "the manifest has the type `application/json`"),
            (r#"{"mediaType":"application/x"}"#, OCI_INDEX, "the manifest has the type `application/x`"),
            (r#"{"config":{"digest":"sha256:../x","size":1}}"#, "", "): expected a digest"),
            (r#"{"config":{"digest":"x","size":-1}}"#, "", "cannot parse the manifest"),
        ] {
            let problem = parse(json, content_type).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        }
    }

    #[test]
    fn writes_descriptors_in_the_field_order_of_go() {
        let text = format!(
            r#"{{"mediaType":"m","size":1,"digest":"{ZEROS}","urls":["https://h/x"],"annotations":{{"a":"b"}},"platform":{{"architecture":"amd64","os":"linux"}}}}"#
        );
        let descriptor: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), text);
    }

    #[test]
    fn distinguishes_manifests_from_other_entries_of_an_index() {
        let entry = |media_type: &str| Descriptor::new(media_type, Digest::of(b""), 0);
        for media_type in ["", OCI_MANIFEST, DOCKER_LIST, "application/vnd.docker.distribution.manifest.v1+prettyjws"] {
            assert!(entry(media_type).is_manifest(), "{media_type}");
        }
        for media_type in ["application/vnd.buildkit.cacheconfig.v0", "application/vnd.oci.image.layer.v1.tar+gzip"] {
            assert!(!entry(media_type).is_manifest(), "{media_type}");
        }
    }

    #[test]
    fn null_is_empty() {
        let none = format!(r#"{{"config":{{"digest":"{ZEROS}","size":18446744073709551615}},"layers":null}}"#);
        let Content::Image(image) = parse(&none, OCI_MANIFEST).unwrap().content else { panic!("an image") };
        assert_eq!((image.layers.len(), total([&image.config, &image.config])), (0, u64::MAX));
        let Content::Index(index) = parse(r#"{"manifests":null}"#, OCI_INDEX).unwrap().content else {
            panic!("an index")
        };
        assert_eq!(index.manifests.len(), 0);
        // Some builders write an empty platform, which no pipeline can request.
        let entry = format!(r#"{{"manifests":[{{"digest":"{ZEROS}","size":1,"platform":{{}}}}]}}"#);
        let Content::Index(index) = parse(&entry, OCI_INDEX).unwrap().content else { panic!("an index") };
        assert!(crate::image::platform::RequestedPlatform::new(None).choose(&index).is_none());
    }

    /// Go programs, which wrote and read most of what registries hold, match keys case-insensitively.
    #[test]
    fn reads_keys_in_any_case_and_null_for_an_empty_text() {
        let text = format!(
            r#"{{"SchemaVersion":2,"MediaType":"{DOCKER_MANIFEST}","Config":{{"MediaType":"m","Digest":"{ZEROS}","Size":1}},
                "LAYERS":[{{"mediatype":"l","digest":"{ZEROS}","size":2,"URLs":["https://h/x"]}}],
                "Annotations":{{"org.Example":"A","none":null}},"Subject":{{"Digest":"{ZEROS}","Size":3}}}}"#
        );
        let manifest = parse(&text, "").unwrap();
        assert_eq!((manifest.media_type.as_str(), manifest.subject().is_some()), (DOCKER_MANIFEST, true));
        let Content::Image(image) = manifest.content else { panic!("an image") };
        assert_eq!((image.config.size, image.layers.len(), image.layers[0].urls.len()), (1, 1, 1));
        assert_eq!(image.annotations["org.Example"], "A");
        assert_eq!(image.annotations["none"], "");
        let text = format!(
            r#"{{"Manifests":[{{"Digest":"{ZEROS}","Size":1,"Platform":{{"Architecture":"arm64","OS":"linux","Variant":"v8"}}}}]}}"#
        );
        let Content::Index(index) = parse(&text, "").unwrap().content else { panic!("an index") };
        assert_eq!(index.manifests[0].platform.as_ref().unwrap().to_string(), "linux/arm64/v8");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), json in "\\{[\\{\\}\\[\\]:,\"a-z0-9]{0,80}") {
            let _ = Manifest::parse(bytes, OCI_INDEX);
            let _ = Manifest::parse(json.into_bytes(), "");
        }
    }
}
