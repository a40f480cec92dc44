//! The client of GitHub's API for a source.

use std::ops::Deref;

use jetway::{Context, Result};

use crate::source::Source;

/// The client, with the source that it was opened for.
pub(crate) struct GitHub<'c> {
    client: jetway_github::GitHub<'c>,
    source: &'c Source,
}

impl<'c> GitHub<'c> {
    /// For a verb whose container is not reused.
    pub(crate) fn new(context: &'c Context, source: &'c Source) -> Result<Self> {
        Ok(Self { client: jetway_github::GitHub::new(context, source.access(), source.http())?, source })
    }

    /// For a check, whose container may be reused.
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
