//! The files of a build: a walk through its directory, without what `.dockerignore` leaves out.

pub(crate) mod attributes;
pub(crate) mod ignore;
pub(crate) mod walk;
