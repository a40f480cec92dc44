//! The errors of helm and of the API server that are recognised by their text. helm exits with 1 for each of them, and prints the
//! API server's message without its code, so there is nothing else to recognise them by.
//!
//! This is the only table of such texts. The tests in `tests/helm-release/error_texts.rs` provoke each error with the real programs:
//! an upgrade that changes a text fails a test.

/// An error that is recognised by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownError {
    /// Another client has set a field that the chart sets.
    FieldConflict,
    /// An object exists that does not belong to the release.
    ForeignObject,
    /// An object is larger than the API server or its storage allows.
    TooLarge,
    /// The cluster does not have the kind of an object.
    UnknownKind,
    /// The cluster does not have the kind of an object of the deployed revision, which must be read or deleted.
    UnknownKindOfDeployedRevision,
    /// A field of an existing object cannot be changed.
    ImmutableField,
    /// The namespace of the release does not exist.
    MissingNamespace,
    /// Another operation holds the lock of the release, or has just taken it.
    Locked,
    /// The rollback or the uninstall of `--atomic` has failed, too.
    AtomicRollbackFailed,
    /// The versions in a chart's lock file do not satisfy its dependencies.
    ChartLockOutOfSync,
    /// Debug output: the reason why a release could not be deleted follows.
    NotDeleted,
    /// The description of a revision whose deploy has failed.
    FailedRevision,
}

/// A text by which an error is recognised. It is not the SDK's type: the versions of helm select the rows, and one row has one meaning.
#[derive(Debug, Clone, Copy)]
pub struct HelmErrorText {
    /// The error.
    pub error: KnownError,
    /// The parts of the message, all of which it contains.
    pub parts: &'static [&'static str],
    /// The major versions of helm whose output contains the text.
    pub helm: &'static [u32],
}

/// The text of [`KnownError::NotDeleted`] of helm 3. The reason follows, up to the next line of debug output.
pub(crate) const NOT_DELETED_HELM_3: &str = "uninstall: Failed to delete release: ";

/// The text of [`KnownError::NotDeleted`] of helm 4. The reason follows as a quoted string.
pub(crate) const NOT_DELETED_HELM_4: &str = "msg=\"uninstall: Failed to delete release\" error=";

/// All texts.
pub const ERROR_TEXTS: &[HelmErrorText] = &[
    // The API server's message, and that of helm around it. helm 3 does not apply objects on the server.
    HelmErrorText { error: KnownError::FieldConflict, parts: &["conflict with ", "Apply failed with"], helm: &[4] },
    HelmErrorText { error: KnownError::FieldConflict, parts: &["conflict with ", "conflict occurred"], helm: &[4] },
    HelmErrorText { error: KnownError::ForeignObject, parts: &["invalid ownership metadata"], helm: &[3, 4] },
    HelmErrorText {
        error: KnownError::ForeignObject,
        parts: &["cannot be imported into the current release"],
        helm: &[3, 4],
    },
    // Kubernetes says "must have at most" or "may not be more than", depending on its version.
    HelmErrorText { error: KnownError::TooLarge, parts: &["Too long: m", "1048576"], helm: &[3, 4] },
    HelmErrorText { error: KnownError::TooLarge, parts: &["etcdserver: request is too large"], helm: &[3, 4] },
    HelmErrorText { error: KnownError::TooLarge, parts: &["Request entity too large"], helm: &[3, 4] },
    HelmErrorText { error: KnownError::UnknownKind, parts: &["no matches for kind"], helm: &[3, 4] },
    HelmErrorText { error: KnownError::UnknownKind, parts: &["ensure CRDs are installed first"], helm: &[3, 4] },
    HelmErrorText {
        error: KnownError::UnknownKindOfDeployedRevision,
        parts: &["no matches for kind", "current release manifest"],
        helm: &[3, 4],
    },
    HelmErrorText {
        error: KnownError::UnknownKindOfDeployedRevision,
        parts: &["no matches for kind", "for delete"],
        helm: &[3, 4],
    },
    HelmErrorText { error: KnownError::ImmutableField, parts: &["field is immutable"], helm: &[3, 4] },
    HelmErrorText { error: KnownError::ImmutableField, parts: &["Forbidden: updates to "], helm: &[3, 4] },
    HelmErrorText { error: KnownError::MissingNamespace, parts: &["namespaces \"", "\" not found"], helm: &[3, 4] },
    HelmErrorText {
        error: KnownError::Locked,
        parts: &["another operation (install/upgrade/rollback) is in progress"],
        helm: &[3, 4],
    },
    // Another operation has created the record first: that of the next revision, or that of the first one.
    HelmErrorText { error: KnownError::Locked, parts: &["release: already exists"], helm: &[3, 4] },
    HelmErrorText { error: KnownError::Locked, parts: &["cannot re-use a name that is still in use"], helm: &[3] },
    HelmErrorText { error: KnownError::Locked, parts: &["cannot reuse a name that is still in use"], helm: &[4] },
    HelmErrorText {
        error: KnownError::AtomicRollbackFailed,
        parts: &["an error occurred while rolling back the release"],
        helm: &[3, 4],
    },
    HelmErrorText {
        error: KnownError::AtomicRollbackFailed,
        parts: &["an error occurred while uninstalling the release"],
        helm: &[3, 4],
    },
    // The digest of a lock file is wrong, or the chart in a local directory has another version than the lock file.
    HelmErrorText {
        error: KnownError::ChartLockOutOfSync,
        parts: &["is out of sync with the dependencies file"],
        helm: &[3, 4],
    },
    HelmErrorText { error: KnownError::ChartLockOutOfSync, parts: &["can't get a valid version for"], helm: &[3, 4] },
    HelmErrorText { error: KnownError::NotDeleted, parts: &[NOT_DELETED_HELM_3], helm: &[3] },
    HelmErrorText { error: KnownError::NotDeleted, parts: &[NOT_DELETED_HELM_4], helm: &[4] },
    HelmErrorText { error: KnownError::FailedRevision, parts: &["Release \"", "\" failed: "], helm: &[3, 4] },
    HelmErrorText { error: KnownError::FailedRevision, parts: &["Upgrade \"", "\" failed: "], helm: &[3, 4] },
    HelmErrorText { error: KnownError::FailedRevision, parts: &["Rollback \"", "\" failed: "], helm: &[3, 4] },
];

impl HelmErrorText {
    /// Whether the output contains this text.
    pub fn is_in(&self, output: &str) -> bool {
        self.parts.iter().all(|part| output.contains(part))
    }

    /// Whether the output begins with this text: with its first part, and the others follow.
    pub fn begins(&self, output: &str) -> bool {
        self.parts.first().is_some_and(|first| output.starts_with(first)) && self.is_in(output)
    }
}

impl KnownError {
    /// Whether the output of a command reports this error.
    pub fn is_in(self, output: &str) -> bool {
        self.texts().any(|text| text.is_in(output))
    }

    /// Whether a description in a record begins with the text of this error.
    pub fn begins(self, description: &str) -> bool {
        self.texts().any(|text| text.begins(description))
    }

    fn texts(self) -> impl Iterator<Item = &'static HelmErrorText> {
        ERROR_TEXTS.iter().filter(move |text| text.error == self)
    }
}
