//! Credentials that a cloud gives for its registry.

pub(crate) mod acr;
pub(crate) mod ecr;
