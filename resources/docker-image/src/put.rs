//! put: an image, in its registry.

mod glob;
pub(crate) mod ready;
pub(crate) mod tags;

use std::path::Path;

use anyhow::anyhow;
use jetway::{Advise as _, Context, Inputs, Parameters, Problems, Response, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::tag_version;
use crate::flavour::Flavour;
use crate::reference::{Repository, is_tag};
use crate::source::{Source, set};
use crate::version::Version;
use ready::Ready;

/// What stands under a put step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
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

    /// A semantic version to push under: `1.2` is the tag `1.2.0`. The source's `variant` is added.
    pub version: Option<String>,

    /// With `version`: push under `latest`, `1` and `1.2` too, each as far as the registry has no newer version of it.
    #[serde(default)]
    pub bump_aliases: bool,

    /// A file of the inputs that holds the tag. Without it, the source's.
    pub tag_file: Option<String>,

    /// The older name of `tag_file`.
    pub tag: Option<String>,

    /// What to put before the tag of `tag_file`; with `registry-image` before those of `additional_tags`, too.
    pub tag_prefix: Option<String>,

    /// Push under `latest` too.
    #[serde(default)]
    pub tag_as_latest: bool,

    /// A file of the inputs with more tags to push under, separated by spaces or lines.
    pub additional_tags: Option<String>,
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

impl Parameters for Params {
    fn rules(&self, problems: &mut Problems) {
        let paths = [
            ("image", &self.image),
            ("load", &self.load),
            ("load_file", &self.load_file),
            ("import_file", &self.import_file),
            ("tag_file", &self.tag_file),
            ("tag", &self.tag),
            ("additional_tags", &self.additional_tags),
        ];
        for (key, path) in paths {
            if let Some(path) = set(path.as_deref()) {
                problems.require_input(key, path);
            }
        }
        self.origin_rules(problems);
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
    fn origin_rules(&self, problems: &mut Problems) {
        let origins = [
            ("image", &self.image),
            ("load", &self.load),
            ("load_file", &self.load_file),
            ("import_file", &self.import_file),
            ("pull_repository", &self.pull_repository),
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
            problems.add("pull_tag", "is no tag: letters, digits, `_`, `.` and `-`, 128 of them at most");
        }
    }
}

/// Sends an image to its registry.
pub(crate) async fn put(
    context: &Context,
    flavour: Flavour,
    source: &Source,
    params: &Params,
    inputs: &Path,
) -> Result<Response<Version>> {
    let inputs = Inputs::new(inputs)?;
    let Some(origin) = params.origin() else {
        return Err(anyhow!("there is nothing to put"))
            .hint("`image`, `load`, `load_file`, `import_file` or `pull_repository` names an image that is ready");
    };
    Ready::new(context, flavour, source, params, &inputs).put(origin).await
}
