//! Registry credentials from a cloud provider.

pub(crate) mod acr;
pub(crate) mod ecr;
