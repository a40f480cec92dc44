//! Access to the server: the git program with its environment, credentials, ssh, retries and the interpretation of its
//! errors.

pub(crate) mod agent;
pub(crate) mod askpass;
mod defaults;
pub(crate) mod git;
mod keys;
pub(crate) mod lfs;
pub(crate) mod ls_refs;
pub(crate) mod refusal;
pub(crate) mod repository;
mod retry;
pub(crate) mod settings;
pub(crate) mod ssh;
mod trust;
pub(crate) mod tunnel;
