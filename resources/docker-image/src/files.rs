//! The files of a build: walks through its directory, without the files that `.dockerignore` excludes.

pub(crate) mod attributes;
pub(crate) mod go_glob;
pub(crate) mod ignore;
pub(crate) mod walk;
