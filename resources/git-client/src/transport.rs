//! Access to the server: runs the git program with its environment, credentials and ssh, retries it, and classifies its
//! errors.

pub(crate) mod agent;
pub(crate) mod askpass;
mod defaults;
pub mod error_texts;
pub mod git;
mod keys;
pub mod lfs;
pub mod ls_refs;
pub mod refusal;
pub mod repository;
mod retry;
pub mod settings;
pub(crate) mod ssh;
mod trust;
pub(crate) mod tunnel;
