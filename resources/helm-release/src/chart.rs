//! The chart of a put, in the inputs or elsewhere, and what helm needs to read it.

pub(crate) mod connection;
pub(crate) mod dependencies;
pub(crate) mod plugins;
pub(crate) mod post_renderer;
pub(crate) mod registries;
pub(crate) mod repositories;
pub(crate) mod values;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use jetway::{Advise as _, Result, anyhow};

use crate::target::Target;

/// The kinds of charts.
pub(crate) enum Chart {
    Directory(PathBuf),
    Archive(PathBuf),
    /// A chart in a repository of the source: the name of the repository, and `REPOSITORY/CHART`.
    Repository(String, String),
    /// A chart at an address.
    Address(String),
}

impl Chart {
    /// Finds the chart that `text` names: an address, a path in the inputs, or `REPOSITORY/CHART`.
    pub(crate) fn find(target: &Target<'_>, text: &str) -> Result<Self> {
        let text = text.trim();
        if text.contains("://") {
            return Ok(Self::Address(text.to_owned()));
        }
        match target.inputs.find(text)? {
            Some(path) if path.is_dir() => return Ok(Self::Directory(path)),
            Some(path) => return Ok(Self::Archive(path)),
            None => {}
        }
        let known = target.source.repositories().names();
        if let Some((repository, _)) = text.split_once('/')
            && known.contains(&repository)
        {
            return Ok(Self::Repository(repository.to_owned(), text.to_owned()));
        }
        let error = anyhow!("there is no chart `{text}` in the inputs");
        Err(if known.is_empty() {
            error.hint(
                "for a chart outside the inputs, set its URL (`oci://...` or `https://...`), or `REPOSITORY/CHART` \
                 with a repository in `repos` of the source",
            )
        } else {
            error.hint(format!("the repositories of the source are `{}`", known.join("`, `")))
        })
    }

    /// Fetches what helm needs to use the chart: the index of its repository, or the dependencies of a chart directory.
    pub(crate) async fn prepare(&self, target: &Target<'_>) -> Result<()> {
        match self {
            Self::Repository(name, _) => repositories::update(target, name).await,
            Self::Directory(directory) => dependencies::fetch(target, directory).await,
            Self::Archive(_) | Self::Address(_) => Ok(()),
        }
    }

    /// The chart's directory, unless it is an archive or comes from outside the inputs.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(path) => Some(path),
            _ => None,
        }
    }

    /// The argument that names the chart in a command of helm.
    pub(crate) fn argument(&self) -> &OsStr {
        match self {
            Self::Directory(path) | Self::Archive(path) => path.as_os_str(),
            Self::Repository(_, text) | Self::Address(text) => text.as_ref(),
        }
    }

    /// Whether the chart can have several versions.
    pub(crate) fn has_versions(&self) -> bool {
        matches!(self, Self::Repository(..) | Self::Address(_))
    }

    /// The options for a command that fetches the chart.
    pub(crate) fn options(&self, target: &Target<'_>) -> Vec<&'static str> {
        match self {
            Self::Repository(name, _) => connection::options(target, name),
            Self::Address(address) => connection::options(target, address),
            Self::Directory(_) | Self::Archive(_) => Vec::new(),
        }
    }
}
