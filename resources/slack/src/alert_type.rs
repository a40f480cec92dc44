//! The alert types: their presets, and when each is sent.

use schemars::JsonSchema;
use serde::Deserialize;

/// The type of an alert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertType {
    /// No headline.
    #[default]
    Default,
    /// "Success", green.
    Success,
    /// "Failed", red.
    Failed,
    /// "Started", yellow.
    Started,
    /// "Aborted", brown.
    Aborted,
    /// "Errored", orange.
    Errored,
    /// "Fixed", green; sent only if the job's previous build did not succeed.
    Fixed,
    /// "Broke", red; sent only if the job's previous build succeeded.
    Broke,
}

impl AlertType {
    /// The name in pipelines and metadata.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Started => "started",
            Self::Aborted => "aborted",
            Self::Errored => "errored",
            Self::Fixed => "fixed",
            Self::Broke => "broke",
        }
    }

    /// The colour, icon and message.
    pub(crate) fn preset(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Default => ("#35495c", "pending", ""),
            Self::Success => ("#32cd32", "succeeded", "Success"),
            Self::Failed => ("#d00000", "failed", "Failed"),
            Self::Started => ("#f7cd42", "started", "Started"),
            Self::Aborted => ("#8d4b32", "aborted", "Aborted"),
            Self::Errored => ("#f5a623", "errored", "Errored"),
            Self::Fixed => ("#32cd32", "succeeded", "Fixed"),
            Self::Broke => ("#d00000", "failed", "Broke"),
        }
    }

    /// Whether the alert depends on the status of the job's previous build.
    pub(crate) fn depends_on_previous_build(self) -> bool {
        matches!(self, Self::Fixed | Self::Broke)
    }

    /// Whether to send the alert after a build with this status; `None` if there was no previous build.
    pub(crate) fn is_due_after(self, status: Option<&str>) -> bool {
        let succeeded = status == Some("succeeded");
        match self {
            Self::Fixed => !succeeded,
            Self::Broke => succeeded,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_and_broke_are_sent_when_the_outcome_changes() {
        for (status, fixed, broke) in [
            (Some("succeeded"), false, true),
            (Some("failed"), true, false),
            (Some("errored"), true, false),
            (Some("aborted"), true, false),
            (Some("started"), true, false),
            (None, true, false),
        ] {
            assert_eq!(AlertType::Fixed.is_due_after(status), fixed, "{status:?}");
            assert_eq!(AlertType::Broke.is_due_after(status), broke, "{status:?}");
        }
    }
}
