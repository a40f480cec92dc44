//! What a get brings: the work tree of a version, what comes besides the repository's own files, and what is known of the commit.

pub(crate) mod git_crypt;
pub(crate) mod metadata;
pub(crate) mod more_refs;
mod remote_head;
pub(crate) mod submodules;
pub(crate) mod target;
pub(crate) mod verification;
mod web_url;
pub(crate) mod work_tree;
