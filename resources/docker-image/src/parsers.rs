//! The parsers of what comes from outside, for fuzzing: they are handed anything, and must do no more than refuse it.

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

/// The most that is read of what a layer is decompressed to, in bytes.
const MOST: u64 = 16 * 1024 * 1024;

/// Reads a layer.
pub fn layer(bytes: &[u8]) {
    let Ok(layer) = decompressed(bytes) else { return };
    let mut archive = Archive::new(layer.take(MOST));
    while let Ok(Some(entry)) = archive.next() {
        let _ = (Name::new(&entry.path), Name::new(&entry.target));
        let _ = std::io::copy(&mut archive.content(), &mut sink());
    }
}

/// Reads a manifest, an index or a configuration.
pub fn manifest(bytes: &[u8]) {
    let _ = Manifest::parse(bytes.to_vec(), OCI_INDEX);
    let _ = Config::parse(bytes);
}

/// Reads a name, a tag, a constraint, a challenge, a recipe.
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
