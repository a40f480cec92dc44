//! The keys of a source with the prefix `gcloud_`.

use jetway::http::Url;
use jetway::web_token::SigningKey;
use jetway::{Problems, Secret};
use serde::Deserialize;

/// The JSON key of a service account.
#[derive(Deserialize)]
pub(crate) struct ServiceAccount {
    pub(crate) client_email: String,
    pub(crate) private_key: Secret,
    pub(crate) private_key_id: Option<String>,
    pub(crate) token_uri: String,
    pub(crate) project_id: Option<String>,
}

impl ServiceAccount {
    /// Parses the JSON key of a service account. The error does not quote the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // The parser's message may quote the text.
        serde_json::from_str(text)
            .map_err(|_| "expected the JSON key of a service account (client_email, private_key, token_uri)".to_owned())
    }
}

/// The keys that name a cluster of Google and its login.
pub(crate) struct GoogleKeys<'s> {
    pub(crate) service_account: Option<&'s Secret>,
    pub(crate) uses_workload_identity: bool,
    pub(crate) cluster: Option<&'s str>,
    pub(crate) zone: Option<&'s str>,
    pub(crate) project: Option<&'s str>,
}

impl GoogleKeys<'_> {
    /// Notes what is wrong with the keys.
    pub(crate) fn validate(&self, problems: &mut Problems) {
        match (self.service_account, self.uses_workload_identity) {
            (Some(_), true) => {
                problems
                    .add("gcloud_service_account_key_file", "has no effect with `gcloud_workload_identity_enabled`");
            }
            (Some(key), false) => match ServiceAccount::parse(key.expose()) {
                Err(problem) => problems.add("gcloud_service_account_key_file", problem),
                Ok(account) => {
                    if let Err(problem) = SigningKey::parse(account.private_key.expose()) {
                        problems.add("gcloud_service_account_key_file", format!("its `private_key` {problem}"));
                    }
                    if !is_address(&account.token_uri) {
                        problems.add("gcloud_service_account_key_file", "its `token_uri` is not an `https://` address");
                    }
                }
            },
            (None, false) => problems.add_with_hint(
                "gcloud_service_account_key_file",
                "required, but missing",
                "set `gcloud_workload_identity_enabled` instead on a worker that has a Google service account",
            ),
            (None, true) => {}
        }
        for (key, value) in [
            ("gcloud_k8s_cluster_name", self.cluster),
            ("gcloud_k8s_zone", self.zone),
            ("gcloud_project_name", self.project),
        ] {
            match value {
                None if key != "gcloud_project_name" => problems.add(key, "required, but missing"),
                Some(text) if !is_name(text) => problems.add(key, format!("`{text}` is not a valid name")),
                _ => {}
            }
        }
    }
}

/// The private key in the JSON key of a service account.
pub(crate) fn private_key(key: &Secret) -> Option<String> {
    ServiceAccount::parse(key.expose()).ok().map(|account| account.private_key.expose().to_owned())
}

/// Whether a name contains no characters with a special meaning in a URL. (A project may be `example.com:name`.)
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte)) && !text.starts_with('.')
}

/// Whether secrets may be sent to this address.
fn is_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let is_near = url.host_str().is_some_and(|host| host == "localhost" || host == "127.0.0.1");
        url.scheme() == "https" || (url.scheme() == "http" && is_near)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_names_and_addresses_with_special_characters() {
        assert!(
            is_name("my-project") && is_name("example.com:p") && !is_name("a/b") && !is_name("..") && !is_name("a?b")
        );
        assert!(is_address("https://oauth2.googleapis.com/token") && is_address("http://127.0.0.1:1/token"));
        assert!(!is_address("http://oauth2.googleapis.com/token") && !is_address("token"));
    }
}
