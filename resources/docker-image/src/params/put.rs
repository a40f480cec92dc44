//! The `params` of a put step.

use jetway::trimmed;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::params::secrets::{Agents, BuildSecret};
use crate::params::steps::{Limit, Network};

/// The `params` of a put step.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each field is a key in pipelines, independent of the others")]
pub struct PutParams {
    /// An existing image in the inputs: an archive of `docker save`, an OCI layout as a directory or an archive, or the
    /// output of `oci-build-task`. It may be a pattern (`*`, `?`, `[a-z]`) that matches exactly one path.
    pub image: Option<String>,

    /// A directory in the inputs with an image, as written by a get with `save`.
    pub load: Option<String>,

    /// An archive of `docker save` in the inputs.
    pub load_file: Option<String>,

    /// With `load_file`: the repository of the image to select, if the archive has several.
    pub load_repository: Option<String>,

    /// With `load_repository`: the tag of the image to select; defaults to `latest`.
    pub load_tag: Option<String>,

    /// A tar archive of a root file system in the inputs, to import as an image.
    pub import_file: Option<String>,

    /// Another repository to copy the image from, registry to registry: with all platforms, or only the source's `platform`.
    pub pull_repository: Option<String>,

    /// With `pull_repository`: the tag to copy; defaults to `latest`.
    pub pull_tag: Option<String>,

    /// The directory in the inputs to build an image from. A build requires a container engine: see `docker_host`.
    pub build: Option<String>,

    /// The path of the Dockerfile, relative to the inputs; defaults to `Dockerfile` in `build`.
    pub dockerfile: Option<String>,

    /// The stage of the Dockerfile to build; defaults to the last one.
    pub target_name: Option<String>,

    /// Build args. `$BUILD_NAME` and other build metadata are expanded; `{file: path}` reads a file in the inputs.
    /// Build args are stored in the image's history: use `secrets` for secrets.
    pub build_args: Option<Map<String, Value>>,

    /// A file in the inputs with more build args as a JSON object. They override `build_args`, and are not expanded.
    pub build_args_file: Option<String>,

    /// Secrets by id, for `RUN --mount=type=secret`: the secret itself, `{source: path}` for a file in the inputs, or
    /// `{env: NAME}`. Requires BuildKit.
    #[serde(default)]
    pub secrets: BTreeMap<String, BuildSecret>,

    /// A private key for `RUN --mount=type=ssh`, or several keys by agent id. Requires BuildKit.
    pub ssh: Option<Agents>,

    /// Labels to set on the image.
    pub labels: Option<Map<String, Value>>,

    /// A file in the inputs with more labels as a JSON object.
    pub labels_file: Option<String>,

    /// Use the layers of the previously pushed image (`cache_tag`) as a cache.
    #[serde(default)]
    pub cache: bool,

    /// The tag of the image that `cache` uses; defaults to the tag that is pushed.
    pub cache_tag: Option<String>,

    /// More images to use as a cache: directories in the inputs, as written by a get with `save`, or image names.
    #[serde(default)]
    pub cache_from: Vec<String>,

    /// Where to store the cache for the next build: `inline` in the image, or `registry` in the image, which is then
    /// also pushed under `cache_tag`. Requires BuildKit.
    pub cache_to: Option<CacheTo>,

    /// A directory in the inputs with a base image, as written by a get with `save`.
    pub load_base: Option<String>,

    /// More directories with base images.
    #[serde(default)]
    pub load_bases: Vec<String>,

    /// Build with BuildKit (`1`) or with the classic builder (`0`). Defaults to the engine's default, which is BuildKit
    /// since Docker 23.
    pub docker_buildkit: Option<String>,

    /// Build without a cache. Ignores `cache` and `cache_from`.
    #[serde(default)]
    pub no_cache: bool,

    /// Always pull base images, even if the engine already has them.
    #[serde(default)]
    pub pull: bool,

    /// The network of the build steps.
    pub network: Option<Network>,

    /// Additional host names for the build steps and their IP addresses: `db.test: 10.0.0.5`. `host-gateway` is the
    /// engine's host.
    #[serde(default)]
    pub extra_hosts: BTreeMap<String, String>,

    /// The size of `/dev/shm` in the build steps: `256m`. Requires the classic builder.
    pub shm_size: Option<String>,

    /// The memory limit of a build step: `2g`. Requires the classic builder.
    pub memory: Option<String>,

    /// The ulimits of the build steps, by Docker's names: `nofile: 4096`, or `soft` and `hard`. Requires the classic builder.
    #[serde(default)]
    pub ulimits: BTreeMap<String, Limit>,

    /// Squash the layers of the build steps into one. Requires the classic builder, and the experimental features of an
    /// engine at `docker_host`.
    #[serde(default)]
    pub squash: bool,

    /// A semantic version to push as a tag: `1.2` is pushed as `1.2.0`. The source's `variant` is appended.
    pub version: Option<String>,

    /// With `version`: also push the aliases `latest`, `1` and `1.2`, except those for which the registry has a newer version.
    #[serde(default)]
    pub bump_aliases: bool,

    /// A file in the inputs with the tag to push. Defaults to the source's `tag`.
    pub tag_file: Option<String>,

    /// An alias of `tag_file`.
    pub tag: Option<String>,

    /// The tags to push, instead of the source's `tag`.
    #[serde(default)]
    pub tags: Vec<String>,

    /// A file in the inputs with the tags to push, separated by white space, instead of the source's `tag`. They follow
    /// those of `tags`.
    pub tags_file: Option<String>,

    /// A prefix for the tags in `tag_file` and `tags_file`; with `registry-image` also for those in `additional_tags`.
    pub tag_prefix: Option<String>,

    /// Also push the tag `latest`.
    #[serde(default)]
    pub tag_as_latest: bool,

    /// A file in the inputs with more tags to push, separated by white space.
    pub additional_tags: Option<String>,
}

/// Where to store the cache for the next build.
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
    Pattern(&'p str),
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
        let named = trimmed(self.load_repository.as_deref());
        let named = named.map(|name| (name, trimmed(self.load_tag.as_deref()).unwrap_or("latest")));
        let tag = trimmed(self.pull_tag.as_deref()).unwrap_or("latest");
        None.or_else(|| trimmed(self.load.as_deref()).map(Origin::Directory))
            .or_else(|| trimmed(self.load_file.as_deref()).map(|file| Origin::Archive(file, named)))
            .or_else(|| trimmed(self.import_file.as_deref()).map(Origin::Files))
            .or_else(|| trimmed(self.pull_repository.as_deref()).map(|name| Origin::Elsewhere(name, tag)))
            .or_else(|| trimmed(self.image.as_deref()).map(Origin::Pattern))
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
        let asked = trimmed(self.docker_buildkit.as_deref()).is_some_and(|word| switch(word) == Some(true));
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
            ("shm_size", trimmed(self.shm_size.as_deref()).is_some()),
            ("memory", trimmed(self.memory.as_deref()).is_some()),
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
