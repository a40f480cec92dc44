//! A build's input files: the context directory, the Dockerfile and `.dockerignore`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Inputs, Result};

use crate::build::archive::{self, Extra};
use crate::build::arguments;
use crate::build::bases;
use crate::digest::Digest;
use crate::engine::connection::Body;
use crate::engine::session::offer::Directory;
use crate::files::ignore::Patterns;
use crate::files::walk::Selection;

/// The default name of the Dockerfile.
const RECIPE: &str = "Dockerfile";

/// The default name of the ignore file.
const IGNORE: &str = ".dockerignore";

/// A build's files.
#[derive(Debug)]
pub(super) struct BuildContext {
    root: PathBuf,
    recipe: PathBuf,
    /// The ignore file: `<Dockerfile>.dockerignore` beside the Dockerfile has precedence.
    ignore_file: Option<PathBuf>,
    ignore_text: String,
    ignore: Patterns,
}

impl BuildContext {
    /// Finds the directory `build` and the Dockerfile, each relative to the inputs.
    pub(super) fn find(inputs: &Inputs, build: &str, dockerfile: Option<&str>) -> Result<Self> {
        let root = inputs.find(build)?.with_context(|| format!("directory `{build}` does not exist in the inputs"))?;
        if !root.is_dir() {
            return Err(anyhow!("`{build}` is not a directory"))
                .hint("set `build` to the directory with the Dockerfile");
        }
        let usual = format!("{}/{RECIPE}", build.trim_end_matches('/'));
        let name = dockerfile.unwrap_or(&usual);
        let recipe = inputs.find(name)?.filter(|recipe| recipe.is_file());
        let recipe = recipe
            .with_context(|| format!("Dockerfile `{name}` does not exist in the inputs"))
            .hint("set `dockerfile` to its path, relative to the inputs like `build`")?;
        let mut own = recipe.clone().into_os_string();
        own.push(IGNORE);
        let candidates = [PathBuf::from(own), root.join(IGNORE)];
        let mut ignore_file = None;
        for candidate in candidates {
            let found = inputs.resolve(&candidate).with_context(|| format!("cannot use `{}`", candidate.display()))?;
            if let Some(found) = found.filter(|found| found.is_file()) {
                ignore_file = Some((candidate, found));
                break;
            }
        }
        let ignore_text = match &ignore_file {
            Some((name, found)) => {
                let bytes = inputs.read(found).with_context(|| format!("cannot read `{}`", name.display()))?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            None => String::new(),
        };
        let ignore = Patterns::of_file(&ignore_text).map_err(|problem| anyhow!(problem));
        let shown = ignore_file.as_ref().map_or(Path::new(IGNORE), |(name, _)| name);
        let ignore = ignore.with_context(|| format!("cannot use `{}`", shown.display()))?;
        Ok(Self { root, recipe, ignore_file: ignore_file.map(|(_, found)| found), ignore_text, ignore })
    }

    /// Possible registries of the Dockerfile's images, in its own text and in these texts.
    pub(super) fn registries<'t>(&self, others: impl Iterator<Item = &'t str>) -> Result<BTreeSet<String>> {
        let text = self.recipe_text()?;
        let mut all: BTreeSet<String> = bases::registries(&text).iter().map(|name| name.to_ascii_lowercase()).collect();
        all.extend(others.flat_map(bases::of_words).map(str::to_ascii_lowercase));
        Ok(all)
    }

    /// The Dockerfile's text.
    pub(super) fn recipe_text(&self) -> Result<String> {
        let bytes = std::fs::read(&self.recipe).with_context(|| format!("cannot read `{}`", self.recipe.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The archive for the classic builder, and the name of the Dockerfile in it. `unique` is used for names that no
    /// file has.
    ///
    /// The engine itself removes the Dockerfile and `.dockerignore` if the ignore file excludes them, but it needs both
    /// before.
    pub(super) fn archive(&self, unique: &str) -> Result<(Body, String)> {
        let inside = self.recipe.strip_prefix(&self.root).ok().and_then(Path::to_str);
        let usual_ignore = self.ignore_file.as_ref().is_none_or(|file| *file == self.root.join(IGNORE));
        if let Some(name) = inside
            && usual_ignore
        {
            let needed = [IGNORE, name].into_iter().filter(|name| self.ignore.matches(name));
            let text = needed.fold(self.ignore_text.clone(), |text, name| format!("{text}\n!{}", escaped(name)));
            let ignore = Patterns::of_file(&text).map_err(|problem| anyhow!(problem))?;
            let selection = Selection { ignore, only: None };
            return Ok((archive::stream(self.root.clone(), selection, Vec::new()), name.to_owned()));
        }
        let name = format!("{IGNORE_PREFIX}{unique}");
        let own = self.root.join(IGNORE).exists();
        let hidden = if own { String::new() } else { format!("{IGNORE}\n") };
        let text = format!("{}\n{hidden}{name}\n", self.ignore_text);
        let content =
            std::fs::read(&self.recipe).with_context(|| format!("cannot read `{}`", self.recipe.display()))?;
        let extras =
            vec![Extra { name: IGNORE.to_owned(), content: text.into_bytes() }, Extra { name: name.clone(), content }];
        let selection = Selection { ignore: self.ignore.clone(), only: None };
        Ok((archive::stream(self.root.clone(), selection, extras), name))
    }

    /// The directories for BuildKit, and the Dockerfile's name.
    pub(super) fn directories(&self) -> ([(&'static str, Directory); 2], String) {
        let name = self.recipe.file_name().map_or(RECIPE.to_owned(), |name| name.to_string_lossy().into_owned());
        let mut aliases = std::collections::BTreeMap::from([(name.clone(), self.recipe.clone())]);
        if let Some(file) = &self.ignore_file {
            aliases.insert(format!("{name}{IGNORE}"), file.clone());
        }
        let context = Directory { root: self.root.clone(), aliases: std::collections::BTreeMap::new() };
        let dockerfile = Directory { root: self.root.clone(), aliases };
        ([("context", context), ("dockerfile", dockerfile)], name)
    }
}

/// The prefix of the name, in the archive, of a Dockerfile from outside the context.
const IGNORE_PREFIX: &str = ".dockerfile.";

/// A name, escaped as a pattern that matches only itself.
fn escaped(name: &str) -> String {
    let special = |character: char| r"*?[]\!".contains(character);
    name.chars().flat_map(|character| special(character).then_some('\\').into_iter().chain([character])).collect()
}

/// A directory of the inputs with an image, written by a get with `save`.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) archive: PathBuf,
    /// The image's id, if the directory has it.
    pub(super) id: Option<String>,
    /// The image's name and tag, if the directory has them.
    pub(super) name: Option<(String, String)>,
}

impl Saved {
    /// Reads a directory of the inputs; `None` when it does not exist.
    pub(super) fn find(inputs: &Inputs, directory: &str) -> Result<Option<Self>> {
        let Some(root) = inputs.find(directory)?.filter(|root| root.is_dir()) else { return Ok(None) };
        let file = |name: &str| inputs.resolve(&root.join(name)).map(|found| found.filter(|found| found.is_file()));
        let archive = match file("image")? {
            Some(archive) => Some(archive),
            None => file("image.tar")?,
        };
        let archive = archive
            .with_context(|| format!("`{directory}` has no file `image`"))
            .hint("set `save: true` (docker-image) or `format: oci` (registry-image) in the params of the get")?;
        let value = |name: &str| -> Result<Option<String>> {
            let path = format!("{}/{name}", directory.trim_end_matches('/'));
            if file(name)?.is_none() {
                return Ok(None);
            }
            Ok(Some(arguments::read(inputs, &path)?.trim().to_owned()).filter(|value| !value.is_empty()))
        };
        let id = value("image-id")?;
        if let Some(Err(problem)) = id.as_ref().map(|id| id.parse::<Digest>()) {
            return Err(anyhow!("`image-id` in `{directory}`: {problem}"));
        }
        let name = value("repository")?.zip(value("tag")?);
        Ok(Some(Self { archive, id, name }))
    }
}
