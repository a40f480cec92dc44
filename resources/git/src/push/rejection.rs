//! Parses the result of a push: the created refs and the refused refs.

use std::fmt;

use jetway::Finished;
use jetway_git_client::transport::error_texts::{Meaning, means};

/// A ref that the server, or git itself, refused to update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// The ref's name on the server.
    pub(crate) name: String,
    /// git's reason, such as `[rejected] (fetch first)`.
    reason: String,
}

impl Rejection {
    /// Whether the ref on the server has commits that HEAD does not contain.
    pub(crate) fn has_moved(&self) -> bool {
        means(&self.reason, Meaning::MovedRef)
    }

    /// Whether a lease failed.
    fn is_stale(&self) -> bool {
        means(&self.reason, Meaning::StaleLease)
    }

    /// Whether the server has the tag on another object, and `force` is not set.
    fn exists_already(&self) -> bool {
        means(&self.reason, Meaning::ExistingTag)
    }

    /// Whether the ref was refused only because another ref of the atomic push was refused.
    pub(crate) fn is_side_effect(&self) -> bool {
        means(&self.reason, Meaning::AtomicSideEffect)
    }

    /// The hint for the user.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        if self.exists_already() {
            Some("the tag already exists on another commit; `force: true` overwrites it")
        } else if self.is_stale() {
            Some(
                "the branch was updated since the get, and `force: lease` does not overwrite newer commits; get the branch again",
            )
        } else if self.has_moved() {
            Some("the branch has commits that HEAD lacks; `rebase: true` rebases onto them")
        } else {
            None
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`: {}", self.name, self.reason)
    }
}

/// The refused refs in the output of `git push --porcelain`: `FLAG<tab>FROM:TO<tab>SUMMARY (REASON)`.
pub(crate) fn rejections_in(finished: &Finished) -> Vec<Rejection> {
    parse(&finished.text())
}

/// The full names of the refs that the push created.
pub(crate) fn created_refs_in(finished: &Finished) -> Vec<String> {
    created_refs(&finished.text())
}

fn created_refs(porcelain: &str) -> Vec<String> {
    let created_refs = porcelain.lines().filter_map(|line| line.strip_prefix("*\t"));
    let name = |line: &str| Some(line.split_once('\t')?.0.rsplit(':').next()?.to_owned());
    created_refs.filter_map(name).collect()
}

pub(super) fn parse(porcelain: &str) -> Vec<Rejection> {
    let refused = porcelain.lines().filter_map(|line| line.strip_prefix("!\t"));
    let rejection = |line: &str| {
        let (refs, reason) = line.split_once('\t')?;
        let name = refs.rsplit(':').next()?;
        Some(Rejection { name: name.to_owned(), reason: reason.to_owned() })
    };
    refused.filter_map(rejection).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_created_and_refused_refs() {
        let refused = parse(
            "To file:///x\n\
             *\tHEAD:refs/heads/new\t[new branch]\n\
             !\tHEAD:refs/heads/main\t[rejected] (fetch first)\n\
             !\trefs/tags/v1:refs/tags/v1\t[rejected] (already exists)\n\
             Done\n",
        );
        assert_eq!(
            created_refs("*\tHEAD:refs/heads/new\t[new branch]\n=\tHEAD:refs/heads/x\t[up to date]\n"),
            ["refs/heads/new"]
        );
        let names: Vec<&str> = refused.iter().map(|rejection| rejection.name.as_str()).collect();
        assert_eq!(names, ["refs/heads/main", "refs/tags/v1"]);
        assert_eq!(refused.iter().map(Rejection::has_moved).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn hint_matches_the_reason() {
        let hint = |reason: &str| {
            let refused = parse(&format!("!\tHEAD:refs/tags/v1\t{reason}\n"));
            refused.first().and_then(Rejection::hint).unwrap_or_default()
        };
        assert!(hint("[rejected] (already exists)").contains("the tag already exists"));
        assert!(hint("[rejected] (stale info)").contains("`force: lease`"));
        assert!(hint("[rejected] (fetch first)").contains("`rebase: true`"));
        assert_eq!(hint("[remote rejected] (pre-receive hook declined)"), "");
        assert_eq!(hint("[remote rejected] (protected tag)"), "");
    }
}
