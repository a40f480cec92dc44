//! The parts of a request.

use crate::schema::Leniency;

/// The parts of a request. Each has its own Rust type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `source:`.
    Source,
    /// `version:`.
    Version,
    /// `params:` of a get.
    GetParams,
    /// `params:` of a put.
    PutParams,
}

impl Part {
    /// Its key in a request.
    pub fn key(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Version => "version",
            Self::GetParams | Self::PutParams => "params",
        }
    }

    /// How closely it must match its type. Concourse returns a version as a program wrote it.
    pub(crate) fn leniency(self) -> Leniency {
        if self == Self::Version { Leniency::Verbatim } else { Leniency::Pipeline }
    }
}
