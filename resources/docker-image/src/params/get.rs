//! The `params:` of a get step.

use jetway::{Parameters, Problems};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::shapes::Platform;

/// What stands under a get step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct GetParams {
    /// What the image becomes: `rootfs` is its files, with `metadata.json`; `oci` is `image.tar`, which engines load;
    /// `oci-layout` is the folder `oci` with every platform of the image.
    #[serde(default)]
    pub format: Format,

    /// Fetch nothing: write what the version says, and make sure that it is still there.
    #[serde(default)]
    pub skip_download: bool,

    /// With `format: rootfs`: write `image` too, an archive of the image that engines load.
    #[serde(default)]
    pub save: bool,

    /// With `format: rootfs`: write `rootfs.tar` too, the files as one archive.
    #[serde(default)]
    pub rootfs: bool,

    /// The platform whose image is meant, instead of the source's.
    pub platform: Option<Platform>,
}

/// What an image becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Its files.
    #[default]
    Rootfs,
    /// An archive that engines load.
    Oci,
    /// A folder as the OCI specifies it.
    OciLayout,
}

impl Parameters for GetParams {
    fn rules(&self, problems: &mut Problems) {
        for (key, given) in [("save", self.save), ("rootfs", self.rootfs)] {
            if given && self.format != Format::Rootfs {
                problems.add(key, "goes with `format: rootfs` alone");
            }
        }
    }
}
