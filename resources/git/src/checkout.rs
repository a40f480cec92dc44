//! The parts of a get: the work tree of a version, submodules, decryption, signature verification and metadata.

mod describe;
pub(crate) mod metadata;
pub(crate) mod more_refs;
mod packet_trace;
mod remote_head;
pub(crate) mod target;
pub(crate) mod verification;
mod web_url;
pub(crate) mod work_tree;
