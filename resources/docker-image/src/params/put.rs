//! The `params:` of a put step.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::params::secrets::{Agents, BuildSecret};
use crate::params::steps::{Limit, Network};
use crate::source::text::set;

/// What stands under a put step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key that pipelines have, and none depends on another")]
pub struct PutParams {
    /// An image that is ready, in the inputs: an archive of `docker save`, an OCI layout as a directory or an archive, what
    /// `oci-build-task` leaves. It may be a pattern (`*`, `?`, `[a-z]`) that one path matches.
    pub image: Option<String>,

    /// A directory of the inputs with an image, as a get with `save` has left it.
    pub load: Option<String>,

    /// An archive of `docker save` in the inputs.
    pub load_file: Option<String>,

    /// With `load_file`: the repository of the image that is meant, where the archive holds several.
    pub load_repository: Option<String>,

    /// With `load_repository`: the tag of the image that is meant, when it is not `latest`.
    pub load_tag: Option<String>,

    /// A file system as a tar archive in the inputs, to make an image of.
    pub import_file: Option<String>,

    /// Another repository whose image is copied, from registry to registry: all of its platforms, or the source's `platform`.
    pub pull_repository: Option<String>,

    /// With `pull_repository`: the tag, when it is not `latest`.
    pub pull_tag: Option<String>,

    /// The directory of the inputs to build an image from. Building needs a container engine: see `docker_host`.
    pub build: Option<String>,

    /// The recipe, relative to the inputs, when it is not the `Dockerfile` in `build`.
    pub dockerfile: Option<String>,

    /// The stage of the recipe to build, when it is not the last.
    pub target_name: Option<String>,

    /// Build args. `$BUILD_NAME` and the like are filled in; `{file: path}` is what is in a file of the inputs. They stay in the
    /// image's history: see `secrets` for what must not.
    pub build_args: Option<Map<String, Value>>,

    /// A file of the inputs that holds more build args as a JSON object. They win over `build_args`, and are taken as they are.
    pub build_args_file: Option<String>,

    /// Secrets by their ids, for `RUN --mount=type=secret`: the secret itself, `{source: path}` for a file of the inputs, or
    /// `{env: NAME}`. The build is BuildKit's then.
    #[serde(default)]
    pub secrets: BTreeMap<String, BuildSecret>,

    /// A private key for `RUN --mount=type=ssh`, or several by the ids of agents. The build is BuildKit's then.
    pub ssh: Option<Agents>,

    /// Labels of the image.
    pub labels: Option<Map<String, Value>>,

    /// A file of the inputs that holds more labels as a JSON object.
    pub labels_file: Option<String>,

    /// Use the layers of the image that was pushed before, of `cache_tag`.
    #[serde(default)]
    pub cache: bool,

    /// The tag whose image `cache` uses, when it is not the one that is pushed.
    pub cache_tag: Option<String>,

    /// More images whose layers may be used: directories of the inputs that a get with `save` has filled, or names of images.
    #[serde(default)]
    pub cache_from: Vec<String>,

    /// Where the layers are kept for the next build: in the image itself, which with `registry` is pushed under `cache_tag` too.
    /// The build is BuildKit's then.
    pub cache_to: Option<CacheTo>,

    /// A directory of the inputs with an image to build upon, as a get with `save` has left it.
    pub load_base: Option<String>,

    /// More such directories.
    #[serde(default)]
    pub load_bases: Vec<String>,

    /// Build by BuildKit (`1`) or by the classic builder (`0`). The default is the engine's own, which is BuildKit since Docker 23.
    pub docker_buildkit: Option<String>,

    /// Do every step anew. What `cache` and `cache_from` name is left alone then.
    #[serde(default)]
    pub no_cache: bool,

    /// Look for newer images to build upon, also of those that the engine has.
    #[serde(default)]
    pub pull: bool,

    /// The network of the steps.
    pub network: Option<Network>,

    /// Hosts that the steps know, with their addresses: `db.test: 10.0.0.5`. `host-gateway` is the engine's machine.
    #[serde(default)]
    pub extra_hosts: BTreeMap<String, String>,

    /// How large `/dev/shm` is in the steps of the classic builder: `256m`.
    pub shm_size: Option<String>,

    /// The most memory that a step of the classic builder may use: `2g`.
    pub memory: Option<String>,

    /// Limits of the processes of the classic builder's steps, by docker's names: `nofile: 4096`, or `soft` and `hard`.
    #[serde(default)]
    pub ulimits: BTreeMap<String, Limit>,

    /// Make one layer of all that the steps add, by the classic builder alone. An engine of `docker_host` needs its experimental
    /// features for that.
    #[serde(default)]
    pub squash: bool,

    /// A semantic version to push under: `1.2` is the tag `1.2.0`. The source's `variant` is added.
    pub version: Option<String>,

    /// With `version`: push under `latest`, `1` and `1.2` too, each as far as the registry has no newer version of it.
    #[serde(default)]
    pub bump_aliases: bool,

    /// A file of the inputs that holds the tag. Without it, the source's.
    pub tag_file: Option<String>,

    /// The older name of `tag_file`.
    pub tag: Option<String>,

    /// The tags to push under, instead of the source's.
    #[serde(default)]
    pub tags: Vec<String>,

    /// A file of the inputs with the tags to push under, separated by spaces or lines, instead of the source's. Those of `tags` come
    /// before them.
    pub tags_file: Option<String>,

    /// What to put before the tag of `tag_file` and those of `tags_file`; with `registry-image` before those of `additional_tags`, too.
    pub tag_prefix: Option<String>,

    /// Push under `latest` too.
    #[serde(default)]
    pub tag_as_latest: bool,

    /// A file of the inputs with more tags to push under, separated by spaces or lines.
    pub additional_tags: Option<String>,
}

/// Where a build's layers are kept for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheTo {
    /// In the image itself.
    Inline,
    /// In the image, under `cache_tag` too.
    Registry,
}

/// The source of the image.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'p> {
    /// `image`.
    Found(&'p str),
    /// `load`.
    Directory(&'p str),
    /// `load_file`, and the image's name in it.
    Archive(&'p str, Option<(&'p str, &'p str)>),
    /// `import_file`.
    Files(&'p str),
    /// `pull_repository`, and the tag.
    Elsewhere(&'p str, &'p str),
}

impl PutParams {
    /// The source of an existing image; `None` if no key sets one.
    pub(crate) fn origin(&self) -> Option<Origin<'_>> {
        let named = set(self.load_repository.as_deref());
        let named = named.map(|name| (name, set(self.load_tag.as_deref()).unwrap_or("latest")));
        let tag = set(self.pull_tag.as_deref()).unwrap_or("latest");
        None.or_else(|| set(self.load.as_deref()).map(Origin::Directory))
            .or_else(|| set(self.load_file.as_deref()).map(|file| Origin::Archive(file, named)))
            .or_else(|| set(self.import_file.as_deref()).map(Origin::Files))
            .or_else(|| set(self.pull_repository.as_deref()).map(|name| Origin::Elsewhere(name, tag)))
            .or_else(|| set(self.image.as_deref()).map(Origin::Found))
    }
}

/// Parses a boolean environment variable.
pub(crate) fn switch(word: &str) -> Option<bool> {
    match word.trim().to_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

impl PutParams {
    /// The key that requests BuildKit.
    pub(crate) fn asks_for_buildkit(&self) -> Option<&'static str> {
        let asked = set(self.docker_buildkit.as_deref()).is_some_and(|word| switch(word) == Some(true));
        let keys = [
            ("docker_buildkit", asked),
            ("secrets", !self.secrets.is_empty()),
            ("ssh", self.ssh.is_some()),
            ("cache_to", self.cache_to.is_some()),
        ];
        keys.into_iter().find(|(_, asks)| *asks).map(|(key, _)| key)
    }
}

impl PutParams {
    /// The keys in use that only the classic builder supports. An engine's BuildKit may ignore them silently.
    pub(super) fn keys_of_classic_builder(&self) -> impl Iterator<Item = &'static str> {
        let keys = [
            ("shm_size", set(self.shm_size.as_deref()).is_some()),
            ("memory", set(self.memory.as_deref()).is_some()),
            ("ulimits", !self.ulimits.is_empty()),
            ("squash", self.squash),
        ];
        keys.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key)
    }

    /// The key that requests the classic builder.
    pub(crate) fn asks_for_classic_builder(&self) -> Option<&'static str> {
        self.keys_of_classic_builder().next()
    }
}
