//! Docker's `config.json`, with the credentials of `docker login`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::any_case::AnyCase;
use crate::login::Login;
use crate::reference::registry_of;

/// The part of a `config.json` that holds credentials. Helpers are programs, and are not run.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Config {
    /// The credentials by registry: `registry.example.com`, or `https://index.docker.io/v1/` for Docker Hub.
    #[serde(default)]
    pub auths: BTreeMap<String, Entry>,
}

/// The credentials of a registry.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Entry {
    /// `user:password` in base64.
    pub auth: Option<Secret>,
    /// The user name, if `auth` is absent.
    pub username: Option<String>,
    /// The password of `username`.
    pub password: Option<Secret>,
    /// A refresh token, used instead of a password.
    pub identitytoken: Option<Secret>,
    /// Accepted for compatibility, without effect.
    #[allow(dead_code, reason = "Docker writes this field")]
    pub email: Option<String>,
}

/// Parses a `config.json`. The error does not repeat its text, which holds secrets.
pub(crate) fn parse(text: &str) -> Result<Config, String> {
    if text.trim().is_empty() {
        return Ok(Config::default());
    }
    let AnyCase(config) = serde_json::from_str::<AnyCase<Config>>(text).map_err(|error| {
        format!("is not a valid Docker `config.json` (line {}, column {})", error.line(), error.column())
    })?;
    match config.auths.iter().find(|(_, entry)| entry.auth.is_some() && entry.user_and_password().is_none()) {
        Some((registry, _)) => Err(format!("`auth` of `{registry}` is not a base64-encoded `user:password`")),
        None => Ok(config),
    }
}

impl Config {
    /// The credentials for a registry.
    pub(crate) fn login_for(&self, registry: &str) -> Option<Login> {
        let is_for = |name: &str| registry_of(name).is_ok_and(|(host, _)| host == registry);
        let (_, entry) = self.auths.iter().find(|(name, _)| is_for(name))?;
        if let Some(token) = entry.identitytoken.as_ref().filter(|token| !token.is_empty()) {
            return Some(Login::Refresh(token.clone()));
        }
        let (user, password) = entry.user_and_password()?;
        Some(Login::Password { user, password })
    }

    /// All secrets in it, for redaction: passwords, tokens and encoded credentials.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let of = |entry: &Entry| {
            let password = entry.user_and_password().map(|(_, password)| password);
            [password, entry.identitytoken.clone(), entry.auth.clone()]
                .map(|secret| secret.map(|secret| secret.expose().to_owned()))
        };
        self.auths.values().flat_map(of).flatten().collect()
    }
}

impl Entry {
    fn user_and_password(&self) -> Option<(String, Secret)> {
        let Some(auth) = self.auth.as_ref().filter(|auth| !auth.is_empty()) else {
            return Some((self.username.clone()?, self.password.clone()?));
        };
        let decoded = String::from_utf8(STANDARD.decode(auth.expose().trim()).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        // Some tools pad the password with zeros.
        Some((user.to_owned(), Secret::new(password.trim_end_matches('\0'))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(config: &Config, registry: &str) -> Option<String> {
        match config.login_for(registry)? {
            Login::Password { user, password } => Some(format!("{user}:{}", password.expose())),
            Login::Refresh(token) => Some(token.expose().to_owned()),
            Login::Anonymous => None,
        }
    }

    #[test]
    fn finds_credentials_by_registry() {
        let text = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "aHViOnA6dw=="}, "h:5000": {"username": "u", "password": "p"},
            "acr.example": {"auth": "MDA6", "identitytoken": "refresh"}}, "credsStore": "pass", "HttpHeaders": {}}"#;
        let config = parse(text).unwrap();
        assert_eq!(user(&config, "registry-1.docker.io").as_deref(), Some("hub:p:w"));
        assert_eq!(user(&config, "h:5000").as_deref(), Some("u:p"));
        assert_eq!(user(&config, "acr.example").as_deref(), Some("refresh"));
        assert_eq!(user(&config, "h"), None);
        assert!(config.secrets().contains(&"p:w".to_owned()));
    }

    #[test]
    fn reports_invalid_config_without_its_text() {
        for text in ["hunter2", r#"{"auths": {"h": {"auth": "hunter2!"}}}"#, r#"{"auths": ["hunter2"]}"#] {
            let problem = parse(text).unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
