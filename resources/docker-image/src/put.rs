//! put: an image, in its registry.

mod glob;
mod paths;
pub(crate) mod ready;
pub(crate) mod tags;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use jetway::{Advise as _, Context, Inputs, Parameters, Problems, Response, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::build::{Agents, Build, BuildSecret, Limit, Network, options};
use crate::check::tag_version;
use crate::engine::found::Found;
use crate::flavour::Flavour;
use crate::reference::{Repository, is_tag};
use crate::source::{Source, set};
use crate::version::Version;
use ready::Ready;

/// What is wrong with what is no tag.
const NO_TAG: &str = "is no tag: letters, digits, `_`, `.` and `-`, 128 of them at most";

/// What stands under a put step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key that pipelines have, and none depends on another")]
pub struct Params {
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

/// Where the image comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'p> {
    /// `image`.
    Found(&'p str),
    /// `load`.
    Directory(&'p str),
    /// `load_file`, and what the image in it is called.
    Archive(&'p str, Option<(&'p str, &'p str)>),
    /// `import_file`.
    Files(&'p str),
    /// `pull_repository`, and the tag.
    Elsewhere(&'p str, &'p str),
}

impl Params {
    /// Where a ready image comes from; `None` when no key says so.
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

/// A switch as environments have it.
pub(crate) fn switch(word: &str) -> Option<bool> {
    match word.trim().to_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

impl Parameters for Params {
    fn rules(&self, problems: &mut Problems) {
        let paths = [
            ("image", &self.image),
            ("load", &self.load),
            ("load_file", &self.load_file),
            ("import_file", &self.import_file),
            ("tag_file", &self.tag_file),
            ("tag", &self.tag),
            ("tags_file", &self.tags_file),
            ("additional_tags", &self.additional_tags),
            ("build", &self.build),
            ("dockerfile", &self.dockerfile),
            ("build_args_file", &self.build_args_file),
            ("labels_file", &self.labels_file),
            ("load_base", &self.load_base),
        ];
        for (key, path) in paths {
            if let Some(path) = set(path.as_deref()) {
                problems.require_input(key, paths::relative(path));
            }
        }
        self.origin_rules(problems);
        self.build_rules(problems);
        self.tag_rules(problems);
        if let Some(text) = set(self.version.as_deref())
            && tag_version::parse(text).is_none()
        {
            problems.add(
                "version",
                format!("`{text}` is no semantic version that can be a tag, such as `1.2.3` or `1.2.3-rc.1`"),
            );
        }
    }
}

impl Params {
    /// The key that asks for BuildKit.
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

    fn tag_rules(&self, problems: &mut Problems) {
        for (index, tag) in self.tags.iter().enumerate() {
            if !set(Some(tag)).is_none_or(is_tag) {
                problems.add(format!("tags[{index}]"), NO_TAG);
            }
        }
        let one = [("tag_file", &self.tag_file), ("tag", &self.tag)];
        let one = one.into_iter().find(|(_, value)| set(value.as_deref()).is_some());
        let all = [
            ("tags", self.tags.iter().any(|tag| set(Some(tag)).is_some())),
            ("tags_file", set(self.tags_file.as_deref()).is_some()),
        ];
        if let (Some((one, _)), Some((all, _))) = (one, all.into_iter().find(|(_, is_set)| *is_set)) {
            problems.add(
                all,
                format!("stands beside `{one}`, a file with one tag; `additional_tags` is a file with more than that"),
            );
        }
    }

    fn build_rules(&self, problems: &mut Problems) {
        for (index, path) in self.load_bases.iter().enumerate() {
            problems.require_input(&format!("load_bases[{index}]"), paths::relative(path));
        }
        if let Some(word) = set(self.docker_buildkit.as_deref())
            && switch(word).is_none()
        {
            problems.add("docker_buildkit", format!("expected `1` or `0`, found `{word}`"));
        }
        if let Some(tag) = set(self.cache_tag.as_deref()) {
            if !is_tag(tag) {
                problems.add("cache_tag", NO_TAG);
            }
        } else if self.cache_to == Some(CacheTo::Registry) {
            problems.add("cache_to", "`registry` goes with the `cache_tag` that the image is pushed under too");
        }
        options::rules(self, problems);
    }

    fn origin_rules(&self, problems: &mut Problems) {
        let origins = [
            ("image", &self.image),
            ("load", &self.load),
            ("load_file", &self.load_file),
            ("import_file", &self.import_file),
            ("pull_repository", &self.pull_repository),
            ("build", &self.build),
        ];
        let given: Vec<&str> =
            origins.iter().filter(|(_, value)| set(value.as_deref()).is_some()).map(|(key, _)| *key).collect();
        if let [first, second, ..] = given.as_slice() {
            problems.add(*second, format!("stands beside `{first}`; one of the two names the image"));
        }
        for (key, value, needed, other) in [
            ("load_repository", &self.load_repository, "load_file", &self.load_file),
            ("load_tag", &self.load_tag, "load_repository", &self.load_repository),
            ("pull_tag", &self.pull_tag, "pull_repository", &self.pull_repository),
        ] {
            if set(value.as_deref()).is_some() && set(other.as_deref()).is_none() {
                problems.add(key, format!("stands without the `{needed}` that it belongs to"));
            }
        }
        if let Some(Err(problem)) = set(self.pull_repository.as_deref()).map(str::parse::<Repository>) {
            problems.add("pull_repository", problem);
        }
        if let Some(tag) = set(self.pull_tag.as_deref())
            && !is_tag(tag)
        {
            problems.add("pull_tag", NO_TAG);
        }
    }
}

/// Sends an image to its registry, and signs it there.
pub(crate) async fn put(
    context: &Context,
    flavour: Flavour,
    source: &Source,
    mut params: Params,
    inputs: &Path,
) -> Result<Response<Version>> {
    if source.content_trust.is_some() {
        return Err(anyhow!("`content_trust` asks for signatures of Notary, which this release does not make"))
            .hint("Notary's first version has been retired; `cosign` has a key to sign with as cosign does");
    }
    paths::make_relative(&mut params, inputs);
    let params = &params;
    let inputs = Inputs::new(inputs)?;
    if let Some(directory) = set(params.build.as_deref()) {
        let build = Build::plan(context, flavour, source, params, directory, &inputs).await?;
        let found = Found::find(context, source, &build.registries(), build.features()).await?;
        let outcome = build.run(&found.engine).await;
        found.stop().await;
        return outcome;
    }
    let Some(origin) = params.origin() else {
        return Err(anyhow!("there is nothing to put"))
            .hint("`image`, `load`, `load_file`, `import_file` or `pull_repository` names an image that is ready, `build` a directory to build one from");
    };
    Ready::new(context, flavour, source, params, &inputs).put(origin).await
}
