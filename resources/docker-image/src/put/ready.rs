//! A put of an existing image: finds it, reads it, pushes it.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Error, Inputs, Response, Result};

use crate::cosign;
use crate::digest::Digest;
use crate::flavour::Flavour;
use crate::image::manifest::Content;
use crate::image::platform::RequestedPlatform;
use crate::local::archive::{self, Meant};
use crate::local::store::Store;
use crate::local::{Image, layout, rootfs};
use crate::params::put::{Origin, PutParams};
use crate::places::Places;
use crate::push::tags;
use crate::push::{self, Pushed};
use crate::put::glob;
use crate::reference::Repository;
use crate::registry::{Access, Reference, Registry};
use crate::source::Source;
use crate::version::Version;

/// The inputs of a put of an existing image.
pub(crate) struct Ready<'p> {
    context: &'p Context,
    flavour: Flavour,
    source: &'p Source,
    params: &'p PutParams,
    inputs: &'p Inputs,
}

impl<'p> Ready<'p> {
    pub(crate) fn new(
        context: &'p Context,
        flavour: Flavour,
        source: &'p Source,
        params: &'p PutParams,
        inputs: &'p Inputs,
    ) -> Self {
        Self { context, flavour, source, params, inputs }
    }

    /// Pushes the image of `origin`.
    pub(crate) async fn put(self, origin: Origin<'_>) -> Result<Response<Version>> {
        let key = cosign::signing_key(self.source)?;
        let places = Places::find(self.context, self.source, Access::PullAndPush).await?;
        let registry = places.origin();
        let tags = tags::of_put(registry, self.flavour, self.source, self.params, self.inputs).await?;
        let pushed = match origin {
            Origin::Elsewhere(name, tag) => self.copy(registry, name, tag, &tags).await?,
            local => push::local(registry, self.read(local).await?, &tags).await?,
        };
        if let Some(key) = key {
            cosign::sign(registry, &key, &pushed.root.digest).await?;
        }
        Ok(self.response(registry.repository(), &tags, &pushed))
    }

    /// Reads the image of `origin` from disk.
    async fn read(&self, origin: Origin<'_>) -> Result<Image> {
        let (name, image) = match origin {
            Origin::Pattern(pattern) => {
                let name = glob::only(self.inputs, pattern)?;
                let image = self.any(&name, Meant::Only).await;
                (name, image)
            }
            Origin::Directory(directory) => (directory.to_owned(), self.saved(directory).await),
            Origin::Archive(name, None) => (name.to_owned(), self.any(name, Meant::Only).await),
            Origin::Archive(name, Some((repository, tag))) => {
                (name.to_owned(), self.any(name, Meant::Named(format!("{repository}:{tag}"))).await)
            }
            Origin::Files(name) => {
                let wanted = RequestedPlatform::new(self.source.platform.as_ref());
                let store = self.file(name);
                let image = match store {
                    Ok(part) => rootfs::read(self.context, self.source, part, &wanted).await,
                    Err(error) => Err(error),
                };
                (name.to_owned(), image)
            }
            Origin::Elsewhere(name, _) => (name.to_owned(), Err(anyhow!("the image is not on disk"))),
        };
        image.with_context(|| format!("cannot read image `{name}`"))
    }

    /// The image in a directory (an OCI layout) or an archive.
    async fn any(&self, name: &str, meant: Meant) -> Result<Image> {
        let path = self.inputs.find(name)?.context("the file or directory does not exist in the inputs");
        let path = path.map_err(|error| match glob::nearby(self.inputs, name) {
            Some(hint) => error.hint(hint),
            None => error,
        })?;
        if path.is_dir() && !path.join("index.json").exists() {
            return Err(self.without_index(name, &path));
        }
        let store = Store::open(self.context, self.source, self.inputs, &path).await?;
        if path.is_dir() { layout::read(&store).await } else { archive::read(&store, &meant).await }
    }

    /// The error for a directory that is no image. It lists images inside the directory, since builders write an image
    /// into their output directory.
    fn without_index(&self, name: &str, path: &Path) -> Error {
        let error = anyhow!("the directory is not an OCI layout: it has no `index.json`");
        let meant = ["image.tar", "image", "oci", "layout"].into_iter().find(|meant| {
            let inside = path.join(meant);
            self.inputs.resolve(&inside).is_ok_and(|found| found.is_some())
                && (inside.is_file() || inside.join("index.json").is_file())
        });
        match meant {
            Some(meant) => error.hint(format!("did you mean `{}/{meant}`?", name.trim_end_matches('/'))),
            None => match glob::nearby(self.inputs, &format!("{}/.", name.trim_end_matches('/'))) {
                Some(hint) => error.hint(hint),
                None => error,
            },
        }
    }

    /// The image in a directory that a get wrote.
    async fn saved(&self, directory: &str) -> Result<Image> {
        let path = self.inputs.find(directory)?.context("the directory does not exist in the inputs")?;
        let below = |name: &str| self.inputs.resolve(&path.join(name));
        let id = match below("image-id")? {
            Some(file) => {
                let text =
                    String::from_utf8_lossy(&self.inputs.read(&file).context("cannot read `image-id`")?).into_owned();
                let id: Digest = text.trim().parse().map_err(|problem: String| anyhow!("`image-id`: {problem}"))?;
                Meant::Id(id)
            }
            None => Meant::Only,
        };
        for name in ["image", "image.tar"] {
            if let Some(file) = below(name)?.filter(|file| file.is_file()) {
                let store = Store::open(self.context, self.source, self.inputs, &file).await?;
                return archive::read(&store, &id).await;
            }
        }
        Err(anyhow!("it has no file `image`")).hint("set `save: true` in the params of the get")
    }

    fn file(&self, name: &str) -> Result<crate::local::store::Part> {
        let path = self.inputs.find(name)?.context("the file does not exist in the inputs")?;
        crate::local::store::Part::of_file(&path)
    }

    /// Copies an image from another repository.
    async fn copy(&self, to: &Registry<'_>, name: &str, tag: &str, tags: &[String]) -> Result<Pushed> {
        let repository: Repository = name.parse().map_err(|problem: String| anyhow!("`pull_repository`: {problem}"))?;
        let from = self.beside(to, repository)?;
        let read = async {
            let manifest = from.manifest(Reference::Tag(tag)).await?;
            let manifest = manifest.with_context(|| format!("`{name}` has no tag `{tag}`"))?;
            // With a platform, only its image is copied, otherwise the whole index.
            match &self.source.platform {
                Some(platform) => {
                    let (manifest, _) = from.image_for(manifest, &RequestedPlatform::new(Some(platform))).await?;
                    Ok::<_, jetway::Error>(manifest)
                }
                None => Ok(manifest),
            }
        };
        let manifest = read.await.with_context(|| format!("cannot copy `{name}:{tag}`"))?;
        push::copy(&from, to, manifest, tags).await
    }

    /// The repository to copy from. The source's credentials apply only to the source's own registry.
    fn beside(&self, to: &Registry<'_>, repository: Repository) -> Result<Registry<'p>> {
        let is_same = repository.registry() == to.repository().registry();
        let login = if is_same { to.login().clone() } else { self.source.login_for(repository.registry(), false) };
        Registry::new(self.context, self.source, repository, is_same, login, Access::Pull)
    }

    fn response(&self, repository: &Repository, tags: &[String], pushed: &Pushed) -> Response<Version> {
        let first = tags.first().map(String::as_str).unwrap_or_default();
        let mut response = Response::new(self.flavour.version(first, &pushed.root.digest));
        if let Content::Image(image) = &pushed.root.content
            && self.flavour == Flavour::DockerImage
        {
            // The short image id, as engines show it.
            response = response.with("image", image.config.digest.hex().chars().take(12).collect::<String>());
        }
        response.with("repository", repository.to_string()).with("tags", tags.join(" "))
    }
}
