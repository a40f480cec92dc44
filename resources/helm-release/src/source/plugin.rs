//! The plugins of helm that a source names.

use jetway::Problems;
use jetway::http::Url;
use schemars::JsonSchema;
use serde::Deserialize;

/// A plugin of helm.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Plugin {
    /// Its address, or a directory in the inputs.
    pub url: String,
    /// Its version.
    pub version: Option<String>,
    /// Whether helm 4 verifies the signature of an archive; the default is helm's, which is true.
    pub verify: Option<bool>,
}

impl Plugin {
    /// Notes what is wrong with the plugin at that index.
    pub(crate) fn validate(&self, index: usize, problems: &mut Problems) {
        let key = format!("plugins[{index}].url");
        let url = self.url.trim();
        if url.is_empty() {
            problems.add(key, "must not be empty");
        } else if url.starts_with('-') {
            problems.add(key, "must not begin with `-`");
        } else if holds_secret(url) {
            problems.add(
                key,
                "must not contain a password or a token: helm gets it as an argument, which every process can read",
            );
        }
    }
}

/// Parts of the names of query parameters that hold secrets.
const SECRET_NAMES: [&str; 7] = ["token", "secret", "password", "passwd", "signature", "credential", "key"];

/// Whether an address contains a secret: a password, a token as its user, or either in the query. (A user alone is no secret in an
/// address for ssh, which also needs a key.)
pub(crate) fn holds_secret(url: &str) -> bool {
    Url::parse(url.trim()).is_ok_and(|url| {
        let has_user = !url.username().is_empty() && !url.scheme().contains("ssh");
        let is_secret = |name: &str| {
            let name = name.to_lowercase();
            name == "sig" || name == "auth" || SECRET_NAMES.iter().any(|part| name.contains(part))
        };
        let in_query = url.query_pairs().any(|(name, value)| is_secret(&name) && !value.is_empty());
        url.password().is_some() || has_user || in_query
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_secrets_in_addresses() {
        for url in [
            "https://bob:s3cret@git.example.com/p",
            "https://ghp_s3cret@git.example.com/p",
            "https://:s3cret@git.example.com/p",
            "https://git.example.com/p.tar.gz?private_token=s3cret",
            "https://files.example.com/p.tar.gz?v=1&X-Amz-Signature=s3cret",
            "https://files.example.com/p.tar.gz?sig=s3cret",
            "oci://ghp_s3cret@registry.example.com/p",
        ] {
            assert!(holds_secret(url), "{url}");
        }
        for url in [
            "https://git.example.com/p?ref=v1.2.3&design=x",
            "ssh://git@git.example.com/p",
            "git+ssh://git@git.example.com/p",
            "git@git.example.com:p",
            "plugins/mine",
        ] {
            assert!(!holds_secret(url), "{url}");
        }
    }
}
