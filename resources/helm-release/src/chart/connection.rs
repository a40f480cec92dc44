//! How helm connects to a repository or a registry of charts.

use super::registries;
use crate::target::Target;

/// The options for a command that fetches from `place`, a name or an address.
pub(crate) fn options(target: &Target<'_>, place: &str) -> Vec<&'static str> {
    target.source.repositories().option(place).into_iter().chain(registries::options(target, place)).collect()
}
