//! The parts of a get: resolves the version, fetches and checks out its work tree, verifies signatures, writes
//! metadata.

mod describe;
pub(crate) mod metadata;
pub(crate) mod more_refs;
mod packet_trace;
mod remote_head;
pub(crate) mod target;
pub(crate) mod verification;
mod web_url;
pub(crate) mod work_tree;
