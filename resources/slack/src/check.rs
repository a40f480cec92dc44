//! check: messages are made by puts, so that there is nothing to look for.

use crate::version::Version;

/// The version that is known already, since nobody but a put makes one. No request is made.
pub(crate) fn check(version: Option<Version>) -> Vec<Version> {
    version.filter(|version| !version.is_empty()).into_iter().collect()
}
