//! Reads archives of `docker save`: `manifest.json`, configurations, and layers, which are mostly not compressed.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use jetway::http::Bytes;
use jetway::{Advise as _, Result};
use serde::{Deserialize, Deserializer};

use crate::any_case::AnyCase;
use crate::digest::Digest;
use crate::image::config;
use crate::image::manifest::Descriptor;
use crate::local::store::Store;
use crate::local::{Image, Layer, Layered, layout};

/// The largest `manifest.json` that is read, in bytes.
const MAX_MANIFEST_BYTES: u64 = 8 * 1024 * 1024;

/// Selects one of an archive's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meant {
    /// The only one.
    Only,
    /// The one with this id.
    Id(Digest),
    /// The one with this name.
    Named(String),
}

/// An image of an archive.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default, deserialize_with = "or_none")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "or_none")]
    layers: Vec<String>,
    /// Descriptors by `diff_id`, of layers that are compressed or foreign.
    #[serde(default, deserialize_with = "or_default")]
    layer_sources: BTreeMap<String, Descriptor>,
}

/// The part of a configuration that lists the layers.
#[derive(Debug, Deserialize)]
struct Configuration {
    rootfs: RootFs,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "or_none")]
    diff_ids: Vec<Digest>,
}

/// Go encodes an empty list as null.
fn or_none<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    or_default(deserializer)
}

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The digests of the layers' uncompressed tar archives, from a configuration.
pub(crate) fn diff_ids(config: &[u8]) -> Result<Vec<Digest>> {
    let AnyCase(config) =
        serde_json::from_slice::<AnyCase<Configuration>>(config).context("cannot parse the configuration")?;
    Ok(config.rootfs.diff_ids)
}

/// Reads the selected image. An archive without `manifest.json` may be an OCI layout.
pub(crate) async fn read(store: &Store, meant: &Meant) -> Result<Image> {
    let Some(file) = store.find("manifest.json")? else {
        if *meant == Meant::Only && store.find("index.json")?.is_some() {
            return layout::read(store).await;
        }
        return Err(anyhow!("it has no `manifest.json`")).hint("expected an archive of `docker save` or an OCI layout");
    };
    let bytes = file.read(MAX_MANIFEST_BYTES).context("cannot read `manifest.json`")?;
    let AnyCase(images) =
        serde_json::from_slice::<AnyCase<Vec<Saved>>>(&bytes).context("cannot read `manifest.json`")?;
    let (saved, config) = choose(store, images, meant)?;
    let diff_ids = diff_ids(&config).with_context(|| format!("`{}`", saved.config))?;
    if diff_ids.len() != saved.layers.len() {
        let (layers, ids) = (saved.layers.len(), diff_ids.len());
        return Err(anyhow!(
            "the number of layers differs: {layers} in the archive, {ids} in the image's configuration"
        ));
    }
    let mut layers = Vec::new();
    for (name, diff_id) in saved.layers.iter().zip(diff_ids) {
        let part = store.find(name)?.with_context(|| format!("layer `{name}` is missing"))?;
        let compression = part.compression().with_context(|| format!("cannot read layer `{name}`"))?;
        let source = saved.layer_sources.get(&diff_id.to_string()).cloned();
        layers.push(Layer { diff_id, part, compression, source });
    }
    Ok(Image::Layered(Layered { config: Bytes::from(config), layers }))
}

/// The selected image, and its configuration.
fn choose(store: &Store, images: Vec<Saved>, meant: &Meant) -> Result<(Saved, Vec<u8>)> {
    let config = |saved: &Saved| -> Result<Vec<u8>> {
        let part = store.find(&saved.config)?;
        let part = part.with_context(|| format!("configuration `{}` is missing", saved.config))?;
        part.read(config::MAX_CONFIG_BYTES).with_context(|| format!("cannot read configuration `{}`", saved.config))
    };
    let names = || -> String {
        let names: Vec<&str> = images.iter().flat_map(|image| &image.repo_tags).map(String::as_str).collect();
        if names.is_empty() { "no name".to_owned() } else { format!("`{}`", names.join("`, `")) }
    };
    let count = images.len();
    let missing =
        match meant {
            Meant::Only if count == 1 => None,
            Meant::Only => Some(anyhow!("the archive has {count} images; expected one").hint(format!(
                "it has {}; to select one, set `load_file` with `load_repository` and `load_tag`",
                names()
            ))),
            Meant::Named(name) => (!images.iter().any(|image| image.is_called(name)))
                .then(|| anyhow!("the archive has no image `{name}`").hint(format!("it has {}", names()))),
            Meant::Id(_) => None,
        };
    if let Some(error) = missing {
        return Err(error);
    }
    for saved in images {
        let is_meant = match meant {
            Meant::Only => true,
            Meant::Named(name) => saved.is_called(name),
            Meant::Id(id) => id.is_of(&config(&saved)?),
        };
        if is_meant {
            let config = config(&saved)?;
            return Ok((saved, config));
        }
    }
    match meant {
        Meant::Id(id) => Err(anyhow!("the archive has no image with the id `{id}` of `image-id`")),
        _ => Err(anyhow!("the archive has no image")),
    }
}

impl Saved {
    /// Docker shortens names on Docker Hub: it omits the host and `library`.
    fn is_called(&self, name: &str) -> bool {
        let short = |name: &str| -> String {
            let name = ["index.docker.io/", "docker.io/", "registry-1.docker.io/"]
                .iter()
                .find_map(|host| name.strip_prefix(host))
                .unwrap_or(name);
            name.strip_prefix("library/").unwrap_or(name).to_owned()
        };
        self.repo_tags.iter().any(|tag| short(tag) == short(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_with_and_without_docker_hub() {
        let saved = Saved {
            config: String::new(),
            repo_tags: vec!["debian:12".to_owned()],
            layers: Vec::new(),
            layer_sources: BTreeMap::new(),
        };
        for name in ["debian:12", "docker.io/library/debian:12", "library/debian:12"] {
            assert!(saved.is_called(name), "{name}");
        }
        for name in ["debian:13", "debian", "h:5000/debian:12"] {
            assert!(!saved.is_called(name), "{name}");
        }
    }

    #[test]
    fn config_without_layers_has_no_diff_ids() {
        assert!(diff_ids(br#"{"rootfs":{"type":"layers","diff_ids":null}}"#).unwrap().is_empty());
        assert!(diff_ids(b"{}").is_err());
        assert!(diff_ids(br#"{"rootfs":{"diff_ids":["x"]}}"#).is_err());
    }
}
