//! The parts of a checkout that several resource types share: submodules and decryption.

pub mod git_crypt;
pub mod submodules;
