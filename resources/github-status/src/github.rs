//! The client of GitHub's API for a source.

use std::ops::Deref;

use jetway::{Context, Result};

use crate::source::Source;

/// The client, and the source that it was created for.
pub(crate) struct GitHub<'c> {
    client: jetway_github::GitHub<'c>,
    source: &'c Source,
}

impl<'c> GitHub<'c> {
    /// Creates a client without a cache, for a get or a put.
    pub(crate) fn new(context: &'c Context, source: &'c Source) -> Result<Self> {
        Ok(Self { client: jetway_github::GitHub::new(context, source.access(), source.http())?, source })
    }

    /// Creates a client with a cache for the next check in the same container.
    pub(crate) fn for_check(context: &'c Context, source: &'c Source) -> Result<Self> {
        Ok(Self { client: jetway_github::GitHub::for_check(context, source.access(), source.http())?, source })
    }

    pub(crate) fn source(&self) -> &'c Source {
        self.source
    }
}

impl<'c> Deref for GitHub<'c> {
    type Target = jetway_github::GitHub<'c>;

    fn deref(&self) -> &Self::Target {
        &self.client
    }
}
