//! The image model: manifests, indexes, configurations, platforms.

pub(crate) mod config;
pub(crate) mod manifest;
pub(crate) mod media_type;
pub(crate) mod platform;
pub(crate) mod walk;
