//! The keys of a step's `params:`.

pub(crate) mod get;
pub(crate) mod paths;
pub(crate) mod put;
pub(crate) mod secrets;
pub(crate) mod steps;
mod validation;
