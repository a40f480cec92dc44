//! Registry errors: what they mean, and hints for them.

use jetway::http::{HttpResponse, StatusCode, StatusError, is_transient};
use jetway::{Advise as _, Error};

use crate::registry::client::Registry;
use crate::registry::host::host_of;
use crate::registry::status::{has_code, is_of_code, messages, refusal, status_of};

impl Registry<'_> {
    /// The error for a 401 that no login can resolve.
    pub(super) async fn refused(&self, response: HttpResponse) -> Error {
        let host = host_of(response.url());
        let is_own = self.is_own(response.url());
        let error = Error::new(response.into_error().await);
        if is_own && self.auth.has_shown() {
            error.hint(format!("`{host}` rejected the credentials"))
        } else if is_own {
            error.hint(format!(
                "`{}` requires credentials: set `username` and `password`",
                self.host.repository.registry()
            ))
        } else {
            error.hint(format!(
                "`{}` redirects to `{host}`, which requires credentials: add them to `additional_private_registries`",
                self.host.repository.registry()
            ))
        }
    }

    /// Adds a hint to an error of a pull.
    pub(super) fn explain(&self, error: Error) -> Error {
        let repository = &self.host.repository;
        match status_of(&error) {
            Some(StatusCode::FORBIDDEN | StatusCode::PRECONDITION_FAILED) if is_of_policy(&error) => {
                error.hint("a policy of the registry blocks the pull of this image; its administrators can exempt it")
            }
            Some(StatusCode::NOT_FOUND) if has_code(&error, &["BLOB_UNKNOWN"]) => error.hint(format!(
                "`{repository}` has the image's manifest, but lacks some of its blobs; push the image again"
            )),
            Some(StatusCode::NOT_FOUND) => {
                error.hint(format!("check that the repository `{repository}` exists and can be read"))
            }
            Some(StatusCode::FORBIDDEN) if self.auth.has_shown() => {
                error.hint(format!("the credentials have no access to `{repository}`"))
            }
            Some(StatusCode::FORBIDDEN) if self.auth.is_anonymous() => {
                error.hint(format!("anonymous users cannot read `{repository}`: set `username` and `password`"))
            }
            _ => error,
        }
    }

    /// Adds a hint to an error of a push.
    pub(super) fn unpushable(&self, error: Error) -> Error {
        let hint = error.downcast_ref::<StatusError>().and_then(|refusal| {
            // The code is more precise than the status: one registry uses one status with several codes.
            self.hint_of_words(refusal).or_else(|| self.hint_of_code(refusal)).or_else(|| self.hint_of_status(refusal))
        });
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// Two causes have no code in the specification, so they are recognized by the registries' messages.
    fn hint_of_words(&self, refusal: &StatusError) -> Option<String> {
        // A quota of requests is not one of space.
        if is_transient(refusal.status()) {
            return None;
        }
        let words = messages(refusal).to_ascii_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        if has(&["quota", "configured upper limit", "storage limit"]) {
            return Some(format!(
                "the storage quota of `{}` is exceeded; delete images, or raise the quota",
                self.host.repository.path()
            ));
        }
        has(&["immutab", "cannot be overwritten", "does not allow updating"])
            .then(|| "the registry does not allow this tag to be overwritten; push under a new tag".to_owned())
    }

    fn hint_of_code(&self, refusal: &StatusError) -> Option<String> {
        let is = |codes: &[&str]| is_of_code(refusal, codes);
        let path = self.host.repository.path();
        if is(&["BLOB_UPLOAD_UNKNOWN"]) {
            let hint = "the registry lost the upload; all instances of a registry must share their storage and secret";
            return Some(hint.to_owned());
        }
        if is(&["BLOB_UPLOAD_INVALID"]) {
            let hint = "the registry could not continue the upload: its storage may be full or failing, or its instances do not share their storage and secret";
            return Some(hint.to_owned());
        }
        if is(&["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"]) {
            let hint = "the registry does not have the uploaded blobs yet; run the put again";
            return Some(hint.to_owned());
        }
        if is(&["SIZE_INVALID", "DIGEST_INVALID"]) {
            let hint =
                "the registry received different bytes than were sent; a proxy may have truncated or changed them";
            return Some(hint.to_owned());
        }
        if is(&["TAG_INVALID"]) {
            return Some("the registry rejected this tag: it may have rules for tag names".to_owned());
        }
        if is(&["MANIFEST_UNVERIFIED"]) {
            return Some("the registry requires a signature on pushed images".to_owned());
        }
        if is(&["MANIFEST_INVALID"]) || refusal.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            let hint = "the registry does not accept this type of manifest: some registries accept only Docker formats, some only OCI formats, and some no artifacts or indexes";
            return Some(hint.to_owned());
        }
        if is(&["NAME_INVALID"]) {
            return Some(format!("the registry rejected the name `{path}`: it may require a project as a prefix"));
        }
        if is(&["NAME_UNKNOWN"]) {
            return Some(self.hint_of_no_repository());
        }
        is(&["DENIED"]).then(|| self.hint_of_login())?
    }

    fn hint_of_status(&self, refusal: &StatusError) -> Option<String> {
        match refusal.status() {
            StatusCode::UNAUTHORIZED if self.auth.has_shown() => self.hint_of_login(),
            StatusCode::FORBIDDEN => self.hint_of_login(),
            StatusCode::NOT_FOUND => Some(self.hint_of_no_repository()),
            StatusCode::METHOD_NOT_ALLOWED => Some("the registry may be a mirror or read-only".to_owned()),
            StatusCode::PAYLOAD_TOO_LARGE => {
                Some("the registry, or a proxy in front of it, does not accept requests of this size".to_owned())
            }
            _ => None,
        }
    }

    fn hint_of_no_repository(&self) -> String {
        format!(
            "check that the repository `{}` exists; some registries do not create repositories on push",
            self.host.repository
        )
    }

    fn hint_of_login(&self) -> Option<String> {
        let repository = &self.host.repository;
        if self.auth.has_shown() {
            let path = repository.path();
            return Some(format!("to push, the credentials require the scope `push` for `{path}`"));
        }
        self.auth
            .is_anonymous()
            .then(|| format!("pushing to `{repository}` requires credentials: set `username` and `password`"))
    }
}

/// Whether a registry blocks an image because of its scan result, or because it was not scanned.
fn is_of_policy(error: &Error) -> bool {
    refusal(error).is_some_and(|refusal| {
        let words = messages(refusal).to_ascii_lowercase();
        ["configured policy", "policy violation", "vulnerabilit"].iter().any(|part| words.contains(part))
            || is_of_code(refusal, &["PROJECTPOLICYVIOLATION", "PROJECT_POLICY_VIOLATION"])
    })
}
