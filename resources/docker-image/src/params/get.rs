//! The `params` of a get step.

use jetway::{Parameters, Problems};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::shapes::Platform;

/// The `params` of a get step.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct GetParams {
    /// The output format: `rootfs` writes the image's files and `metadata.json`; `oci` writes `image.tar`, which
    /// engines can load; `oci-layout` writes the directory `oci` with all platforms of the image.
    #[serde(default)]
    pub format: Format,

    /// Do not download the layers: only verify that the image still exists, and write the metadata files.
    #[serde(default)]
    pub skip_download: bool,

    /// With `format: rootfs`: also write `image`, an archive that engines can load.
    #[serde(default)]
    pub save: bool,

    /// With `format: rootfs`: also write `rootfs.tar`, an archive of the files.
    #[serde(default)]
    pub rootfs: bool,

    /// The platform to select; overrides the source's `platform`.
    pub platform: Option<Platform>,
}

/// The output format of a get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// The image's files.
    #[default]
    Rootfs,
    /// An archive that engines can load.
    Oci,
    /// An OCI layout directory.
    OciLayout,
}

impl Parameters for GetParams {
    fn validate(&self, problems: &mut Problems) {
        for (key, given) in [("save", self.save), ("rootfs", self.rootfs)] {
            if given && self.format != Format::Rootfs {
                problems.add(key, "requires `format: rootfs`");
            }
        }
    }
}
