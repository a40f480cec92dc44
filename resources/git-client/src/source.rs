//! The parts of a source that describe a git server: plain data, parsed and validated.

pub mod address;
pub mod git_crypt_key;
pub mod private_key;
pub mod remote;
pub mod setting;
pub mod ssh_command;
pub mod submodule_credentials;
pub mod tunnel;
