//! What a registry's errors mean, and what can be done about them.

use anyhow::anyhow;
use jetway::http::{HttpResponse, StatusCode, StatusError};
use jetway::{Advise as _, Error};
use serde::Deserialize;

use crate::registry::Registry;

/// The body of an error (the distribution specification of the OCI, "Error Codes").
#[derive(Deserialize)]
struct Body {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
}

/// The status of an answer that was not accepted, when the error is that.
pub(crate) fn status_of(error: &Error) -> Option<StatusCode> {
    error.downcast_ref::<StatusError>().map(StatusError::status)
}

/// Whether a registry gave one of these codes as the reason.
pub(super) fn has_code(error: &Error, codes: &[&str]) -> bool {
    error.downcast_ref::<StatusError>().is_some_and(|status| is_of_code(status, codes))
}

fn is_of_code(error: &StatusError, codes: &[&str]) -> bool {
    let body: Option<Body> = error.json();
    body.is_some_and(|body| body.errors.iter().any(|entry| codes.contains(&entry.code.as_str())))
}

/// An error for what the registry sent.
pub(crate) fn nonsense(problem: impl Into<String>) -> Error {
    let problem: String = problem.into();
    anyhow!(problem)
}

impl Registry<'_> {
    /// The error of an answer 401 that nothing can be done about.
    pub(super) async fn refused(&self, response: HttpResponse) -> Error {
        let host = super::host_of(response.url());
        let is_own = self.is_own(response.url());
        let error = Error::new(response.into_error().await);
        if is_own && self.auth.has_shown() {
            error.hint(format!("`{host}` does not take these credentials"))
        } else if is_own {
            error.hint(format!("`{}` asks for credentials: `username` and `password`", self.repository.registry()))
        } else {
            error.hint(format!(
                "`{}` redirects to `{host}`, which wants a login; `additional_private_registries` holds one for it",
                self.repository.registry()
            ))
        }
    }

    /// Says why the registry does not hand something out, in the words that people know.
    pub(super) fn explain(&self, error: Error) -> Error {
        let repository = &self.repository;
        match status_of(&error) {
            Some(StatusCode::NOT_FOUND) if has_code(&error, &["BLOB_UNKNOWN"]) => {
                error.hint(format!("`{repository}` has the image's manifest, and not all that it names; push it again"))
            }
            Some(StatusCode::NOT_FOUND) => {
                error.hint(format!("is there a repository `{repository}`, and may it be read?"))
            }
            Some(StatusCode::FORBIDDEN) if self.auth.has_shown() => {
                error.hint(format!("the credentials do not reach `{repository}`"))
            }
            Some(StatusCode::FORBIDDEN) if self.auth.is_anonymous() => {
                error.hint(format!("`{repository}` may not be read without a login: `username` and `password`"))
            }
            _ => error,
        }
    }

    /// Says why the registry does not take something, in the words that people know.
    pub(super) fn unpushable(&self, error: Error) -> Error {
        let repository = &self.repository;
        match status_of(&error) {
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) if self.auth.has_shown() => error.hint(format!(
                "to push, the credentials need the right (the scope) `push` for `{}`",
                repository.path()
            )),
            Some(StatusCode::FORBIDDEN) if self.auth.is_anonymous() => {
                error.hint(format!("to push to `{repository}` takes a login: `username` and `password`"))
            }
            Some(_) if has_code(&error, &["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"]) => error.hint(
                "the registry has lost the upload; several instances of one registry have to share their storage and secret",
            ),
            Some(_) if has_code(&error, &["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"]) => {
                error.hint("the registry does not see what was sent to it a moment ago; the same put once more may succeed")
            }
            Some(StatusCode::NOT_FOUND) => {
                error.hint(format!("is there a repository `{repository}`? some registries do not make one by a push"))
            }
            Some(StatusCode::METHOD_NOT_ALLOWED) => {
                error.hint("a mirror, or a registry that is read-only, takes nothing")
            }
            Some(StatusCode::PAYLOAD_TOO_LARGE) => {
                error.hint("the registry, or a proxy in front of it, does not take bodies of this size")
            }
            _ => error,
        }
    }
}
