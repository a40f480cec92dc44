//! The chart of a put: in the inputs, or elsewhere.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use jetway::{Advise as _, Context, Inputs, Result};
use serde::Deserialize;

use crate::helm::Helm;

/// Where a chart comes from.
pub(crate) enum Chart {
    Directory(PathBuf),
    Archive(PathBuf),
    Elsewhere(String),
}

impl Chart {
    /// The chart that `text` names: by its address, or in the inputs.
    pub(crate) fn find(inputs: &Inputs, text: &str) -> Result<Self> {
        if text.contains("://") {
            return Ok(Self::Elsewhere(text.to_owned()));
        }
        match inputs.find(text)? {
            Some(path) if path.is_dir() => Ok(Self::Directory(path)),
            Some(path) => Ok(Self::Archive(path)),
            None => Err(anyhow!("there is no chart `{text}` in the inputs")
                .hint("a chart from elsewhere is written with its address, `oci://...` or `https://...`")),
        }
    }

    /// Fetches the charts that one in a directory depends on, when it names any.
    pub(crate) async fn complete(&self, context: &Context, helm: &Helm<'_>) -> Result<()> {
        let Self::Directory(directory) = self else { return Ok(()) };
        if has_dependencies(directory) {
            context.console().step("fetching the charts that the chart depends on");
            helm.command("dependency").arg("update").arg("--").arg(directory).relay_stdout().run().await?.success()?;
        }
        Ok(())
    }

    /// What helm is told.
    pub(crate) fn argument(&self) -> &OsStr {
        match self {
            Self::Directory(path) | Self::Archive(path) => path.as_os_str(),
            Self::Elsewhere(address) => address.as_ref(),
        }
    }
}

/// Whether a chart needs others. One that cannot be read is for helm to complain about.
fn has_dependencies(chart: &Path) -> bool {
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(default)]
        dependencies: Vec<serde::de::IgnoredAny>,
    }
    let of_chart = std::fs::read_to_string(chart.join("Chart.yaml")).ok();
    let parsed = of_chart.and_then(|text| serde_saphyr::from_str::<Metadata>(&text).ok());
    chart.join("requirements.yaml").exists() || parsed.is_some_and(|metadata| !metadata.dependencies.is_empty())
}
