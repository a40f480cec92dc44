//! The docker-image and registry-image resource types: images in registries, without a container engine.
//!
//! Both share the code; [`flavour`](Image) has the differences. A check ([`check`]) resolves tags to digests, a get
//! ([`get`]) downloads, verifies and unpacks, a put ([`put`]) reads a [`local`] image and pushes it ([`push`]).
//! Everything goes through [`places`] (mirrors, then the origin) to a [`registry`], which logs in with its
//! [`credentials`].

mod any_case;
mod background;
mod build;
mod check;
mod concurrent;
mod constraint;
mod cosign;
mod credentials;
mod digest;
mod engine;
mod files;
mod flavour;
mod get;
mod image;
mod layer;
mod local;
mod login;
mod params;
#[doc(hidden)]
pub mod parsers;
mod pattern;
mod places;
mod progress;
mod push;
mod put;
mod reference;
mod registry;
mod signing_key;
mod source;
mod tag_version;
mod version;

use std::path::Path;

use jetway::{Context, Part, Resource, Response, Result, UnknownKeys, Verb};

pub use engine::error_texts as engine_error_texts;
pub use flavour::{Image, Kind, OfDockerImage, OfRegistryImage};
pub use params::get::GetParams;
pub use params::put::PutParams;
pub use source::Source;
pub use source::docker_config::{Config as DockerConfigKeys, Entry as DockerConfigEntry};
pub use source::shapes::{
    CaCertificate, ClientCertificate, Cosign, DockerConfig, Insecure, Mirror, MirrorEntry, Mirrors, Platform,
    PrivateRegistry,
};
pub use version::Version;

use flavour::Flavour;

/// The resource type `docker-image`.
pub type DockerImage = Image<OfDockerImage>;

/// The resource type `registry-image`.
pub type RegistryImage = Image<OfRegistryImage>;

impl<K: Kind> Resource for Image<K> {
    const NAME: &'static str = K::NAME;
    const ABOUT: &'static str = K::ABOUT;
    const RELEASE: &'static str = env!("CARGO_PKG_VERSION");

    type Source = Source;
    type Version = Version;
    type GetParams = GetParams;
    type PutParams = PutParams;

    fn unknown_keys(_: Verb, _: Part) -> UnknownKeys {
        Flavour::of::<K>().unknown_keys()
    }

    async fn check(context: &Context, source: Source, version: Option<Version>) -> Result<Vec<Version>> {
        source.warn(context.console());
        check::check(context, Flavour::of::<K>(), &source, version).await
    }

    async fn get(
        context: &Context,
        source: Source,
        version: Option<Version>,
        params: GetParams,
        destination: &Path,
    ) -> Result<Response<Version>> {
        source.warn(context.console());
        // Boxed, since its state is large, and each verb's future would be as large as the largest one.
        Box::pin(get::get(context, Flavour::of::<K>(), &source, version, &params, destination)).await
    }

    async fn put(context: &Context, source: Source, params: PutParams, inputs: &Path) -> Result<Response<Version>> {
        source.warn(context.console());
        Box::pin(put::put(context, Flavour::of::<K>(), &source, params, inputs)).await
    }
}
