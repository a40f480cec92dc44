//! get: writes an image as files.

mod archive;
mod describe;
mod file;
mod layout;
mod mount_points;
mod unpack;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::{Context, Response, Result, Unfinished, trimmed};

use self::archive::{Archive, Style};
use self::describe::Described;
use self::file::file;
use crate::background::{self, Stop};
use crate::digest::Digest;
use crate::flavour::Flavour;
use crate::image::config::{self, Config};
use crate::image::manifest::{ImageManifest, Manifest, total};
use crate::image::platform::RequestedPlatform;
use crate::layer::holes::Sparse;
use crate::layer::tar_writer::Writer;
use crate::params::get::{Format, GetParams};
use crate::pattern;
use crate::places::Places;
use crate::progress::amount;
use crate::reference::{Repository, is_tag};
use crate::registry::{Access, Registry};
use crate::source::Source;
use crate::version::Version;

/// The inputs of a get.
struct Work<'w> {
    flavour: Flavour,
    source: &'w Source,
    params: &'w GetParams,
    destination: &'w Path,
    /// The repository as the source names it, even if the image comes from a mirror.
    repository: &'w Repository,
    tag: &'w str,
    digest: &'w Digest,
    wanted: RequestedPlatform,
}

/// What a get reports about an image, besides the files.
#[derive(Default)]
struct ImageReport {
    id: Option<Digest>,
    /// Labels and annotations that `label_regex` and `annotation_regex` select.
    shown: Vec<(String, String)>,
}

/// The files of a get, not yet published.
#[derive(Default)]
struct UnpublishedFiles {
    /// The temporary directory with the files, and their names.
    place: Option<(Unfinished, Vec<&'static str>)>,
    report: ImageReport,
}

pub(crate) async fn get(
    context: &Context,
    flavour: Flavour,
    source: &Source,
    version: Option<Version>,
    params: &GetParams,
    destination: &Path,
) -> Result<Response<Version>> {
    let version = version.context("the request has no version")?;
    let digest = trimmed(version.digest.as_deref()).context("the version has no digest")?;
    let digest: Digest =
        digest.parse().map_err(|problem: String| anyhow!("the version's digest is not valid: {problem}"))?;
    let places = Places::find(context, source, Access::Pull).await?;
    let tag = version.tag.clone().unwrap_or_else(|| source.tag_or_usual(flavour).to_owned());
    let work = Work {
        flavour,
        source,
        params,
        destination,
        repository: places.repository(),
        tag: &tag,
        digest: &digest,
        wanted: RequestedPlatform::new(params.platform.as_ref().or(source.platform.as_ref())),
    };
    let UnpublishedFiles { place, report } =
        places.first_with(async |registry, _| work.fetch(registry).await.map(Some)).await?;
    let (unfinished, mut names) = place.context("the get produced no output")?;
    let name = work.name();
    for (file_name, value) in [("repository", &name), ("tag", &tag), ("digest", &digest.to_string())] {
        file(unfinished.path(), file_name, &format!("{value}{}", flavour.line_end()))?;
        names.push(file_name);
    }
    // Publish everything at once and last: a get that is killed earlier leaves nothing that looks like an image.
    unfinished.publish_all(&names)?;
    let mut response = Response::new(version).with("repository", name);
    if !tag.is_empty() || flavour == Flavour::RegistryImage {
        response = response.with("tag", tag.as_str());
    }
    if flavour == Flavour::DockerImage
        && let Some(id) = report.id
    {
        response = response.with("image", id.hex().get(..12).unwrap_or_default());
    }
    Ok(report.shown.into_iter().fold(response, |response, (name, value)| response.with(name, value)))
}

impl Work<'_> {
    /// The repository's name in files and metadata: as the pipeline wrote it, or the full ECR name if Amazon's
    /// credentials determined the registry.
    fn name(&self) -> String {
        let written = self.source.repository.trim();
        let same = written.parse::<Repository>().is_ok_and(|repository| repository == *self.repository);
        if same { written.to_owned() } else { self.repository.to_string() }
    }

    async fn fetch(&self, registry: &Registry<'_>) -> Result<UnpublishedFiles> {
        let unfinished = Unfinished::new(self.destination)?;
        let (names, report) = self.fetch_into(registry, unfinished.path()).await?;
        Ok(UnpublishedFiles { place: Some((unfinished, names)), report })
    }

    /// Writes the files that the params request into an empty directory, and returns their names.
    async fn fetch_into(&self, registry: &Registry<'_>, place: &Path) -> Result<(Vec<&'static str>, ImageReport)> {
        if self.params.skip_download && !self.tells_of_entries() {
            // A HEAD shows whether the image exists, and does not count as a pull.
            registry.require(self.digest).await?;
            return Ok((Vec::new(), ImageReport::default()));
        }
        let manifest = registry.manifest_of(self.digest).await?;
        if self.params.skip_download {
            return Ok((Vec::new(), self.only_tell(registry, manifest).await?));
        }
        if self.params.format == Format::OciLayout {
            let folder = place.join("oci");
            make_directory(&folder)?;
            let report = self.only_tell(registry, manifest.clone()).await?;
            layout::write(registry, manifest, self.at_once(), &folder).await?;
            return Ok((vec!["oci"], report));
        }
        let (_, image) = registry.image_for(manifest, &self.wanted).await?;
        let described = describe_image(registry, &image).await?;
        let mut names = if self.params.format == Format::Oci {
            self.archive(registry, &image, &described, Style::Registry, &place.join("image.tar")).await?;
            vec!["image.tar"]
        } else {
            self.rootfs(registry, &image, &described, place).await?
        };
        describe::labels(place, &described.config.execution.labels)?;
        names.push("labels.json");
        Ok((names, self.report(&image, described)))
    }

    async fn archive(
        &self,
        registry: &Registry<'_>,
        image: &ImageManifest,
        described: &Described,
        style: Style,
        path: &Path,
    ) -> Result<()> {
        let name = match style {
            Style::Registry => self.repository.full_name(),
            Style::Engine => self.name(),
        };
        // An engine refuses a name with a digest after the colon.
        let name = is_tag(self.tag).then(|| format!("{name}:{}", self.tag));
        let archive = Archive { style, name: name.as_deref(), path };
        archive.write(registry, image, described, self.at_once()).await
    }

    fn at_once(&self) -> usize {
        usize::try_from(self.source.downloads_at_once()).unwrap_or(1)
    }

    async fn only_tell(&self, registry: &Registry<'_>, manifest: Manifest) -> Result<ImageReport> {
        if !self.tells_of_entries() {
            return Ok(ImageReport::default());
        }
        let (_, image) = registry.image_for(manifest, &self.wanted).await?;
        let described = describe_image(registry, &image).await?;
        Ok(ImageReport { id: None, ..self.report(&image, described) })
    }

    /// Whether the metadata shows labels or annotations.
    fn tells_of_entries(&self) -> bool {
        [&self.source.label_regex, &self.source.annotation_regex]
            .iter()
            .any(|pattern| trimmed(pattern.as_deref()).is_some())
    }

    async fn rootfs(
        &self,
        registry: &Registry<'_>,
        image: &ImageManifest,
        described: &Described,
        place: &Path,
    ) -> Result<Vec<&'static str>> {
        let made = |name: &str| place.join(name);
        let rootfs = made("rootfs");
        let mut names = Vec::new();
        let size = total(&image.layers);
        let console = registry.context().console();
        if !image.layers.is_empty() || self.flavour == Flavour::DockerImage {
            make_directory(&rootfs)?;
            let count = image.layers.len();
            console.step(format_args!("fetching {count} layer{}, {}", if count == 1 { "" } else { "s" }, amount(size)));
            let layers = unpack::layers(image, &described.config)?;
            unpack::unpack(registry, &layers, self.at_once(), &rootfs, place)
                .await
                .with_context(|| format!("cannot unpack `{}@{}`", self.repository, self.digest))?;
            if self.flavour == Flavour::DockerImage {
                mount_points::make(&rootfs).with_context(|| format!("cannot write into `{}`", rootfs.display()))?;
            }
            if self.params.rootfs {
                write_archive(registry.context(), &rootfs, &made("rootfs.tar")).await?;
                names.push("rootfs.tar");
            }
            names.push("rootfs");
        }
        if self.params.save {
            self.archive(registry, image, described, Style::Engine, &made("image")).await?;
            names.push("image");
        }
        describe::metadata(self.flavour, place, &rootfs, &described.config.execution)?;
        names.push("metadata.json");
        if self.flavour == Flavour::DockerImage {
            file(place, "image-id", &format!("{}\n", described.id))?;
            describe::inspect(place, described, &self.name(), self.tag, self.digest, size)?;
            names.extend(["image-id", "docker_inspect.json"]);
        }
        Ok(names)
    }

    fn report(&self, image: &ImageManifest, described: Described) -> ImageReport {
        let mut shown = Vec::new();
        for (pattern, entries) in [
            (&self.source.label_regex, &described.config.execution.labels),
            (&self.source.annotation_regex, &image.annotations),
        ] {
            // The pattern was validated with the source.
            let Some(Ok(pattern)) = trimmed(pattern.as_deref()).map(pattern::compile) else { continue };
            let matching = entries.iter().filter(|(name, _)| pattern.is_match(name));
            shown.extend(matching.map(|(name, value)| (name.clone(), value.clone())));
        }
        ImageReport { id: Some(described.id), shown }
    }
}

async fn describe_image(registry: &Registry<'_>, image: &ImageManifest) -> Result<Described> {
    let bytes = registry.small_blob(&image.config, config::MAX_CONFIG_BYTES).await?;
    let read = |error| jetway::Error::new(error).context("cannot parse the image's configuration");
    let config = Config::parse(&bytes).map_err(read)?;
    let raw = serde_json::from_slice(&bytes).map_err(read)?;
    Ok(Described { id: image.config.digest.clone(), bytes, raw, config })
}

/// Writes a directory tree as a tar archive.
async fn write_archive(context: &Context, root: &Path, path: &Path) -> Result<()> {
    let (root, target) = (root.to_owned(), path.to_owned());
    let write = background::run(context, move |stop| {
        let file = Sparse::new(File::create(target)?);
        let mut archive = Writer::new(BufWriter::with_capacity(256 * 1024, Stoppable { file, stop }));
        archive.append_tree(&root)?;
        let written = archive.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Ok(written.file.finish().map(drop)?)
    });
    write.await.with_context(|| format!("cannot write `{}`", path.display()))
}

/// A file whose writes fail once the verb is interrupted.
struct Stoppable<'s> {
    file: Sparse,
    stop: &'s Stop,
}

impl std::io::Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stop.check().map_err(std::io::Error::other)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Creates a directory with mode 755.
fn make_directory(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir(path)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot create directory `{}`", path.display()))
}
