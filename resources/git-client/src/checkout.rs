//! The parts of a checkout that all types with a clone share: submodules and decryption.

pub mod git_crypt;
pub mod submodules;
