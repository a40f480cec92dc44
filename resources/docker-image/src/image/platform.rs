//! Platforms: selects an image of an index.

use jetway::trimmed;
use std::fmt;

use crate::image::manifest::{Descriptor, EntryPlatform, Index};
use crate::source::shapes;

/// The requested platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestedPlatform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl RequestedPlatform {
    /// The platform that a pipeline requests; the default is that of this program.
    pub(crate) fn new(asked: Option<&shapes::Platform>) -> Self {
        let (os, architecture, variant) = match asked {
            None => (None, None, None),
            Some(shapes::Platform::Parts { architecture, os, variant }) => {
                (os.as_deref(), architecture.as_deref(), variant.as_deref())
            }
            Some(shapes::Platform::Text(text)) => match text.split_once('/') {
                Some((os, architecture)) => (Some(os), Some(architecture), None),
                None => (None, Some(text.as_str()), None),
            },
        };
        let architecture = trimmed(architecture).unwrap_or(std::env::consts::ARCH);
        // Tools write both in one, as `arm64/v8`.
        let (architecture, of_architecture) =
            architecture.split_once('/').map_or((architecture, None), |(name, variant)| (name, Some(variant)));
        let variant = trimmed(variant).or(of_architecture).map(str::to_owned);
        Self {
            os: trimmed(os).unwrap_or(std::env::consts::OS).to_ascii_lowercase(),
            architecture: architecture_in_go(&architecture.to_ascii_lowercase()).to_owned(),
            variant,
        }
    }

    /// The operating system, as images name it.
    pub(crate) fn os(&self) -> &str {
        &self.os
    }

    /// The architecture, as images name it.
    pub(crate) fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The architecture's variant.
    pub(crate) fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// The first entry of an index for this platform. An entry without platform is for linux/amd64.
    pub(crate) fn choose<'i>(&self, index: &'i Index) -> Option<&'i Descriptor> {
        let fits = |descriptor: &&Descriptor| match &descriptor.platform {
            None => self.os == "linux" && self.architecture == "amd64",
            Some(entry) => self.fits(entry),
        };
        // An entry with the exact variant is preferred to one without a variant.
        let exact = |descriptor: &&Descriptor| {
            fits(descriptor) && descriptor.platform.as_ref().is_some_and(|entry| entry.variant == self.variant)
        };
        let entries = || index.manifests.iter().filter(|entry| entry.is_manifest());
        entries().find(|entry| self.variant.is_some() && exact(entry)).or_else(|| entries().find(fits))
    }

    fn fits(&self, entry: &EntryPlatform) -> bool {
        let variant_fits = match (&self.variant, trimmed(entry.variant.as_deref())) {
            (None, _) | (_, None) => true,
            (Some(wanted), Some(has)) => wanted == has,
        };
        self.os == entry.os && self.architecture == architecture_in_go(&entry.architecture) && variant_fits
    }
}

/// The platforms of an index, for the error when none matches.
pub(crate) fn platforms(index: &Index) -> String {
    let names = index.manifests.iter().filter(|entry| entry.is_manifest()).map(|entry| match &entry.platform {
        None => "linux/amd64".to_owned(),
        Some(platform) => platform.to_string(),
    });
    // Attestations, which builders attach to an image, have this platform.
    let mut names: Vec<String> = names.filter(|name| name != "unknown/unknown").collect();
    names.dedup();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl fmt::Display for EntryPlatform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        match trimmed(self.variant.as_deref()) {
            Some(variant) => write!(formatter, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for RequestedPlatform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(formatter, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// The Go name of an architecture, which images use.
fn architecture_in_go(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" | "i386" | "i686" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn index(platforms: &[&str]) -> Index {
        let manifests = platforms.iter().map(|text| {
            let mut parts = text.split('/').map(str::to_owned);
            let platform = (!text.is_empty()).then(|| EntryPlatform {
                os: parts.next().unwrap(),
                architecture: parts.next().unwrap(),
                variant: parts.next(),
                os_version: None,
            });
            Descriptor { platform, ..Descriptor::new("", Digest::of(text.as_bytes()), 1) }
        });
        Index { manifests: manifests.collect() }
    }

    fn chosen(wanted: &str, platforms: &[&str]) -> Option<usize> {
        let index = index(platforms);
        let wanted = RequestedPlatform::new(Some(&shapes::Platform::Text(wanted.to_owned())));
        let chosen = wanted.choose(&index)?;
        index.manifests.iter().position(|entry| std::ptr::eq(entry, chosen))
    }

    #[test]
    fn selects_the_first_image_for_the_platform() {
        let all = ["linux/amd64", "linux/arm/v7", "linux/arm/v6", "linux/arm64/v8", "unknown/unknown", "windows/amd64"];
        for (wanted, position) in [
            ("linux/amd64", Some(0)),
            ("linux/x86_64", Some(0)),
            ("linux/arm", Some(1)),
            ("linux/arm/v6", Some(2)),
            ("linux/arm/v5", None),
            ("linux/arm64", Some(3)),
            ("linux/arm64/v8", Some(3)),
            ("linux/aarch64", Some(3)),
            ("windows/amd64", Some(5)),
            ("linux/s390x", None),
        ] {
            assert_eq!(chosen(wanted, &all), position, "{wanted}");
        }
        assert_eq!(chosen("linux/amd64", &[""]), Some(0));
        assert_eq!(chosen("linux/arm64", &[""]), None);
        assert_eq!(chosen("linux/arm64/v8", &["linux/arm64", "linux/arm64/v8"]), Some(1));
        assert_eq!(platforms(&index(&all)), "linux/amd64, linux/arm/v7, linux/arm/v6, linux/arm64/v8, windows/amd64");
    }
}
