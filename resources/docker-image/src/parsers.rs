//! Entry points for fuzzing the parsers of untrusted input: they may reject any input, but must not panic.

use std::io::{Read as _, sink};

use crate::build::bases;
use crate::constraint::Constraint;
use crate::image::config::Config;
use crate::image::manifest::Manifest;
use crate::image::media_type::OCI_INDEX;
use crate::layer::decompress::decompressed;
use crate::layer::tar::Archive;
use crate::layer::tree::Name;
use crate::pattern;
use crate::reference::{Repository, is_tag, registry_of};
use crate::registry::challenge::Challenge;
use crate::tag_version;

/// The most decompressed bytes of a layer that are read.
const MAX_LAYER_BYTES: u64 = 16 * 1024 * 1024;

/// Parses a layer.
pub fn layer(bytes: &[u8]) {
    let Ok(layer) = decompressed(bytes) else { return };
    let mut archive = Archive::new(layer.take(MAX_LAYER_BYTES));
    while let Ok(Some(entry)) = archive.next() {
        let _ = (Name::new(&entry.path), Name::new(&entry.target));
        let _ = std::io::copy(&mut archive.content(), &mut sink());
    }
}

/// Parses a manifest, an index or a configuration.
pub fn manifest(bytes: &[u8]) {
    let _ = Manifest::parse(bytes.to_vec(), OCI_INDEX);
    let _ = Config::parse(bytes);
}

/// Parses a name, a tag, a constraint, a challenge, a Dockerfile.
pub fn text(text: &str) {
    let _ = text.parse::<Repository>();
    let _ = registry_of(text);
    let _ = is_tag(text);
    let _ = pattern::compile(text);
    let _ = Challenge::parse(text);
    let _ = bases::registries(text);
    if let Some(version) = tag_version::parse(text)
        && let Ok(constraint) = text.parse::<Constraint>()
    {
        constraint.admits(&version);
    }
}
