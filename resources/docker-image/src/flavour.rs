//! All differences between the two resource types. Everything else is shared.

use std::fmt;
use std::marker::PhantomData;

use jetway::UnknownKeys;

use crate::digest::Digest;
use crate::version::Version;

/// The resource type that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Compatible with `docker-image`: one tag, `latest` by default; versions are digests.
    DockerImage,
    /// Compatible with `registry-image`: one tag or many; versions are tags with digests.
    RegistryImage,
}

/// A flavour as a type, for the generic implementation of the resource types.
pub trait Kind: fmt::Debug + 'static {
    /// The flavour.
    #[doc(hidden)]
    const IS_DOCKER_IMAGE: bool;
    /// The type's name.
    const NAME: &'static str;
    /// The one-line description of the type.
    const ABOUT: &'static str;
}

/// The kind `docker-image`.
#[derive(Debug)]
pub struct OfDockerImage;

impl Kind for OfDockerImage {
    const IS_DOCKER_IMAGE: bool = true;
    const NAME: &'static str = "docker-image";
    const ABOUT: &'static str = "Container images: follow a tag, fetch, unpack, build, push";
}

/// The kind `registry-image`.
#[derive(Debug)]
pub struct OfRegistryImage;

impl Kind for OfRegistryImage {
    const IS_DOCKER_IMAGE: bool = false;
    const NAME: &'static str = "registry-image";
    const ABOUT: &'static str = "Container images: follow tags or semantic versions, fetch, unpack, push";
}

/// A resource type of the kind `K`.
#[derive(Debug)]
pub struct Image<K>(PhantomData<K>);

impl Flavour {
    /// The flavour of a kind.
    pub(crate) const fn of<K: Kind>() -> Self {
        if K::IS_DOCKER_IMAGE { Self::DockerImage } else { Self::RegistryImage }
    }

    /// The default tag, if the source sets neither a tag nor a key that selects tags.
    pub(crate) fn usual_tag(self) -> Option<&'static str> {
        match self {
            Self::DockerImage => Some("latest"),
            Self::RegistryImage => None,
        }
    }

    /// How unknown keys are handled: the established docker-image resource ignores them, registry-image rejects them.
    pub(crate) fn unknown_keys(self) -> UnknownKeys {
        match self {
            Self::DockerImage => UnknownKeys::Ignored,
            Self::RegistryImage => UnknownKeys::Rejected,
        }
    }

    /// The version of an image.
    pub(crate) fn version(self, tag: &str, digest: &Digest) -> Version {
        let tag = match self {
            Self::DockerImage => None,
            Self::RegistryImage => Some(tag.to_owned()),
        };
        Version { tag, digest: Some(digest.to_string()) }
    }

    /// Whether a known version stays valid when its tag is deleted, as long as the registry still has the image.
    pub(crate) fn outlives_its_tag(self) -> bool {
        self == Self::DockerImage
    }

    /// Whether `tag_prefix` is added to the tags of `additional_tags`.
    pub(crate) fn prefixes_additional_tags(self) -> bool {
        self == Self::RegistryImage
    }

    /// The end of a file that holds one value.
    pub(crate) fn line_end(self) -> &'static str {
        match self {
            Self::DockerImage => "\n",
            Self::RegistryImage => "",
        }
    }
}
