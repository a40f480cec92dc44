//! The companion that answers when git asks for a user name or password, and ssh for a passphrase.
//!
//! It answers for the host of `uri` only: when a server redirects git elsewhere, or a submodule lives on another host,
//! git asks in that host's name, and gets nothing.

use jetway::{Companion, CompanionAnswer, CompanionCall, Context, Result, Secret};
use serde::Deserialize;

use crate::remote::Remote;
use crate::source::Source;

/// Answers git's and ssh's questions.
pub(crate) const COMPANION: Companion = Companion { name: "jetway-askpass", run: answer };

/// What it knows, in a private file beside it.
const KNOWLEDGE: &str = "askpass.json";

#[derive(Debug, Default, Deserialize)]
struct Knowledge {
    origin: Option<String>,
    username: Option<String>,
    password: Option<Secret>,
    passphrase: Option<Secret>,
}

/// Installs the companion when there is anything to answer; returns its path.
pub(crate) fn install(context: &Context, source: &Source, remote: &Remote) -> Result<Option<std::path::PathBuf>> {
    let text = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
    let username = text(&source.username).or_else(|| remote.user.clone());
    let given = source.password.as_ref().map(|password| password.expose().to_owned());
    // A token in place of the user (`https://TOKEN@host`) goes with an empty password.
    let password =
        text(&given).or_else(|| remote.password.clone()).or_else(|| username.as_ref().map(|_| String::new()));
    let passphrase = source.private_key_passphrase.as_ref().map(Secret::expose).filter(|text| !text.is_empty());
    if (username.is_none() || !remote.is_http()) && passphrase.is_none() {
        return Ok(None);
    }
    let knowledge = serde_json::json!({
        "origin": remote.origin,
        "username": username,
        "password": password,
        "passphrase": passphrase,
    });
    context.private_directory().write(KNOWLEDGE, knowledge.to_string().as_bytes())?;
    COMPANION.install(context.private_directory()).map(Some)
}

fn answer(call: &CompanionCall) -> Result<CompanionAnswer> {
    let knowledge: Knowledge = match std::fs::read(call.directory.join(KNOWLEDGE)) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(_) => Knowledge::default(),
    };
    let question = call.arguments.first().map(|argument| argument.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(match knowledge.answer(&question) {
        Some(answer) => CompanionAnswer::Print(format!("{answer}\n").into_bytes()),
        None => CompanionAnswer::Refuse,
    })
}

impl Knowledge {
    fn answer(&self, question: &str) -> Option<&str> {
        let lower = question.to_lowercase();
        if lower.starts_with("enter passphrase for") {
            return self.passphrase.as_ref().map(Secret::expose);
        }
        // git asks `Username for 'https://host': ` and `Password for 'https://user@host': `, git-lfs with other quotes.
        let url = question.split(['\'', '"']).nth(1)?;
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.split('/').next()?.rsplit('@').next()?;
        let host = host.to_ascii_lowercase();
        let asked = format!("{scheme}://{host}");
        // A server that sends us from http to https of its own is the same server, and safer.
        let is_upgrade = scheme == "https" && !host.contains(':') && self.origin == Some(format!("http://{host}"));
        if self.origin.as_deref() != Some(&asked) && !is_upgrade {
            return None;
        }
        if lower.starts_with("username for") {
            self.username.as_deref()
        } else if lower.starts_with("password for") {
            self.password.as_ref().map(Secret::expose)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knowledge() -> Knowledge {
        Knowledge {
            origin: Some("https://example.org:8443".into()),
            username: Some("bob".into()),
            password: Some(Secret::new("s3cret")),
            passphrase: Some(Secret::new("open")),
        }
    }

    #[test]
    fn answers_for_the_host_of_the_uri() {
        let knowledge = knowledge();
        assert_eq!(knowledge.answer("Username for 'https://example.org:8443': "), Some("bob"));
        assert_eq!(knowledge.answer("Password for 'https://bob@Example.org:8443': "), Some("s3cret"));
        assert_eq!(knowledge.answer("Password for \"https://bob@example.org:8443/x/info/lfs\""), Some("s3cret"));
        assert_eq!(knowledge.answer("Enter passphrase for key '/x/key': "), Some("open"));
    }

    #[test]
    fn answers_for_https_where_the_same_host_was_asked_by_http() {
        let knowledge = Knowledge { origin: Some("http://example.org".into()), ..knowledge() };
        assert_eq!(knowledge.answer("Password for 'https://bob@example.org': "), Some("s3cret"));
        assert_eq!(knowledge.answer("Password for 'https://bob@example.org:8443': "), None);
    }

    #[test]
    fn answers_for_no_other_host_port_or_scheme() {
        let knowledge = knowledge();
        for url in [
            "https://example.org",
            "http://example.org:8443",
            "https://evil.example:8443",
            "https://example.org:8443@evil",
        ] {
            assert_eq!(knowledge.answer(&format!("Password for '{url}': ")), None, "{url}");
        }
    }
}
