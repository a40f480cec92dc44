//! The chart of a put: in the inputs, or elsewhere.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use jetway::{Advise as _, Result, anyhow};
use serde::Deserialize;

use crate::repositories;
use crate::source::Source;
use crate::target::Target;

/// Where a chart comes from.
pub(crate) enum Chart {
    Directory(PathBuf),
    Archive(PathBuf),
    /// In a repository of the source's: that one's name, and both names as helm has them.
    Repository(String, String),
    /// At an address.
    Elsewhere(String),
}

impl Chart {
    /// The chart that `text` names: by its address, in the inputs, or in a repository.
    pub(crate) fn find(target: &Target<'_>, text: &str) -> Result<Self> {
        let text = text.trim();
        if text.contains("://") {
            return Ok(Self::Elsewhere(text.to_owned()));
        }
        match target.inputs.find(text)? {
            Some(path) if path.is_dir() => return Ok(Self::Directory(path)),
            Some(path) => return Ok(Self::Archive(path)),
            None => {}
        }
        let known = target.source.repositories();
        if let Some((repository, _)) = text.split_once('/')
            && known.contains(&repository)
        {
            return Ok(Self::Repository(repository.to_owned(), text.to_owned()));
        }
        let error = anyhow!("there is no chart `{text}` in the inputs");
        Err(if known.is_empty() {
            error.hint(
                "a chart from elsewhere is written with its address, `oci://...` or `https://...`, or as \
                 `REPOSITORY/CHART` with a repository in `repos` of the source",
            )
        } else {
            error.hint(format!("the repositories of the source are `{}`", known.join("`, `")))
        })
    }

    /// Fetches what it takes to use it: the index of its repository, or the charts that one in a directory depends on.
    pub(crate) async fn prepare(&self, target: &Target<'_>) -> Result<()> {
        match self {
            Self::Repository(name, _) => repositories::update(target, name).await,
            Self::Directory(directory) => {
                let Some(dependencies) = dependencies(directory) else { return Ok(()) };
                target.context.console().step("fetching the charts that the chart depends on");
                let options: BTreeSet<_> =
                    dependencies.iter().flat_map(|address| connection_options(target.source, address)).collect();
                let update = target.helm.command("dependency").arg("update").args(options).arg("--").arg(directory);
                update.relay_stdout().run().await?.success().map(|_| ())
            }
            Self::Archive(_) | Self::Elsewhere(_) => Ok(()),
        }
    }

    /// What helm is told.
    pub(crate) fn argument(&self) -> &OsStr {
        match self {
            Self::Directory(path) | Self::Archive(path) => path.as_os_str(),
            Self::Repository(_, text) | Self::Elsewhere(text) => text.as_ref(),
        }
    }

    /// Whether there may be several versions of it.
    pub(crate) fn has_versions(&self) -> bool {
        matches!(self, Self::Repository(..) | Self::Elsewhere(_))
    }

    /// The options for a command that fetches it.
    pub(crate) fn options(&self, source: &Source) -> Vec<&'static str> {
        match self {
            Self::Repository(name, _) => connection_options(source, name),
            Self::Elsewhere(address) => connection_options(source, address),
            Self::Directory(_) | Self::Archive(_) => Vec::new(),
        }
    }
}

/// How to connect to a repository (its name or address) or a registry, where it is not as usual.
fn connection_options(source: &Source, place: &str) -> Vec<&'static str> {
    source.repository_option(place).into_iter().chain(source.registry_options(place)).collect()
}

/// Where the charts come from that a chart needs; `None` when it needs none. Helm reads more than this program does, and complains
/// better: what cannot be read here and speaks of dependencies has some.
fn dependencies(chart: &Path) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Metadata {
        dependencies: Option<Vec<Dependency>>,
    }
    #[derive(Deserialize)]
    struct Dependency {
        repository: Option<String>,
    }
    // Charts of helm 2's form have a file of their own for it.
    let texts = ["Chart.yaml", "requirements.yaml"].map(|name| std::fs::read_to_string(chart.join(name)).ok());
    let mut has_some = false;
    let mut places = Vec::new();
    for text in texts.into_iter().flatten() {
        match serde_saphyr::from_str::<Metadata>(&text) {
            Ok(metadata) => {
                let dependencies = metadata.dependencies.unwrap_or_default();
                has_some |= !dependencies.is_empty();
                places.extend(dependencies.into_iter().filter_map(|dependency| dependency.repository));
            }
            Err(_) => has_some |= text.lines().any(|line| line.starts_with("dependencies:")),
        }
    }
    has_some.then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helm_alone_can_read_may_have_dependencies() {
        let some = |places: &[&str]| Some(places.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>());
        for (text, expected) in [
            ("name: a\nversion: 1.0.0\n", None),
            ("name: a\ndependencies:\n", None),
            ("name: a\ndependencies:\n- {name: b, repository: file://../b}\n- {name: c}\n", some(&["file://../b"])),
            // Twice the same key, which helm takes.
            ("name: a\nname: a\ndependencies:\n- {name: b, repository: file://../b}\n", some(&[])),
            ("name: a\nname: a\n", None),
        ] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join("Chart.yaml"), text).unwrap();
            assert_eq!(dependencies(directory.path()), expected, "{text}");
        }
    }
}
