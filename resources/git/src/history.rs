//! Finds the versions: commits of a branch, tags, branches, or sets of branches.

#[cfg(test)]
mod agrees_with_git;
mod branch_heads;
pub(crate) mod branches;
mod cache;
pub(crate) mod commits;
mod label;
mod label_repository;
pub(crate) mod labels;
pub(crate) mod message_filter;
mod tag_ancestors;
mod tags;
mod version_sort;
