//! The logs of hooks and tests that a put has already shown.

use std::cell::RefCell;
use std::collections::BTreeSet;

/// The logs that have been shown, by the pod's uid and the container's name.
#[derive(Debug, Default)]
pub(crate) struct ShownLogs(RefCell<BTreeSet<(String, String)>>);

impl ShownLogs {
    /// Whether the log of that container has been shown.
    pub(crate) fn contains(&self, uid: &str, container: &str) -> bool {
        self.0.borrow().contains(&(uid.to_owned(), container.to_owned()))
    }

    /// Notes that the log of that container has been shown.
    pub(crate) fn add(&self, uid: &str, container: &str) {
        self.0.borrow_mut().insert((uid.to_owned(), container.to_owned()));
    }
}
