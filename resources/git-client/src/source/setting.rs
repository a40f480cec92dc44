//! A git setting from `git_config`.

use jetway::{Problems, userinfo_secret};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::remote::{Remote, decode};

/// One git setting.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Setting {
    /// The name of the setting, such as `http.proxy`.
    pub name: String,
    /// The value of the setting.
    pub value: String,
}

impl Setting {
    /// Validates the setting.
    pub fn validate(&self, index: usize, problems: &mut Problems) {
        // A section, an optional subsection, and a key that begins with a letter (git-config(1), "Syntax").
        let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let (section, key) = (self.name.split('.').next(), self.name.rsplit('.').next());
        let named = self.name.contains('.')
            && section.is_some_and(is_word)
            && key.is_some_and(|key| is_word(key) && key.starts_with(|c: char| c.is_ascii_alphabetic()))
            && !self.name.contains(['\n', '\0']);
        if !named {
            problems.add(format!("git_config[{index}].name"), "is not a git setting name, such as `core.longPaths`");
        }
        if self.value.contains('\0') {
            problems.add(format!("git_config[{index}].value"), "must not contain a NUL character");
        }
    }

    /// Whether the setting contains a credential, and must not be written into a clone.
    pub fn is_secret(&self) -> bool {
        self.is_credential() || self.is_inline_helper() || !self.secrets_in_addresses().is_empty()
    }

    /// The secrets in the setting, to redact.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.secrets_in_addresses();
        if self.is_credential() || self.is_inline_helper() {
            // In a header, the credential is the last word.
            secrets.extend(
                [Some(self.value.as_str()), self.value.split_whitespace().last()]
                    .into_iter()
                    .flatten()
                    .map(str::to_owned),
            );
        }
        if self.is_inline_helper() {
            let is_end = |c: char| c.is_whitespace() || ";'\"}&|".contains(c);
            let values = self.value.split("password=").skip(1);
            secrets.extend(values.filter_map(|value| value.split(is_end).next()).map(str::to_owned));
        }
        secrets
    }

    /// Whether the value of this setting is a credential by definition.
    fn is_credential(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        ["extraheader", "password", "passwd", "token", "secret", "cookie"].iter().any(|word| name.contains(word))
    }

    /// Whether the value is an inline credential helper: a shell command (`!...`) that contains the password.
    fn is_inline_helper(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        name.starts_with("credential.") && name.ends_with(".helper") && self.value.trim_start().starts_with('!')
    }

    /// Removes the login from a rewrite rule (`url.https://bob:PASSWORD@host/.insteadOf`); returns the new rule and the
    /// parsed address. git passes the address to its transports as an argument, where a password would be visible.
    pub fn without_login(&self) -> Option<(Self, Remote)> {
        let (section, key) = (self.name.get(..4)?, self.name.rsplit_once('.')?.1);
        let is_rule = section.eq_ignore_ascii_case("url.")
            && ["insteadof", "pushinsteadof"].iter().any(|rule| key.eq_ignore_ascii_case(rule));
        let address = self.name.get(4..self.name.len() - key.len() - 1).filter(|_| is_rule)?;
        let (userinfo, _) = address.split_once("://")?.1.split('/').next()?.rsplit_once('@')?;
        userinfo_secret(userinfo)?;
        let remote = Remote::parse(address);
        let name = format!("url.{}.{key}", remote.address);
        remote.is_http().then(|| (Self { name, value: self.value.clone() }, remote))
    }

    /// The passwords and tokens in addresses (`url.https://bob:PASSWORD@host/.insteadOf`, `http.proxy`), as written and
    /// decoded.
    fn secrets_in_addresses(&self) -> Vec<String> {
        let is_proxy = self.name.to_ascii_lowercase().ends_with("proxy");
        // The scheme of a proxy address is optional.
        let without_scheme = Some(self.value.as_str()).filter(|value| is_proxy && !value.contains("://"));
        let authorities = [&self.name, &self.value].into_iter().flat_map(|text| text.split("://").skip(1));
        let is_end = |c: char| c == '/' || c.is_whitespace() || "'\"".contains(c);
        let authorities = authorities.chain(without_scheme).filter_map(|rest| rest.split(is_end).next());
        let userinfo = authorities.filter_map(|authority| authority.rsplit_once('@').map(|(userinfo, _)| userinfo));
        let secret = userinfo.filter_map(userinfo_secret);
        secret
            .flat_map(|secret| [Some(secret.to_owned()), decode(secret)])
            .flatten()
            .filter(|secret| !secret.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(name: &str, value: &str) -> Vec<String> {
        let setting = Setting { name: name.to_owned(), value: value.to_owned() };
        let mut secrets = setting.secrets();
        secrets.dedup();
        assert_eq!(setting.is_secret(), !secrets.is_empty(), "{name}");
        secrets
    }

    #[test]
    fn credentials_are_found_in_names_values_and_helpers() {
        assert_eq!(secrets("http.extraHeader", "Authorization: Basic abc"), ["Authorization: Basic abc", "abc"]);
        assert_eq!(secrets("url.https://oauth2:t0ken@host/.insteadOf", "https://host/"), ["t0ken"]);
        let token = "ghp_0123456789abcdefghij";
        assert_eq!(secrets(&format!("url.https://{token}@host/.insteadOf"), "https://host/"), [token]);
        assert_eq!(secrets(&format!("url.https://{token}:x-oauth-basic@host/.insteadOf"), "git@host:"), [token]);
        assert_eq!(secrets("http.proxy", "http://bob:p%40ss@proxy:3128"), ["p%40ss", "p@ss"]);
        assert_eq!(secrets("http.https://host/.proxy", "bob:pass@proxy:3128"), ["pass"]);
        assert_eq!(
            secrets("credential.https://host.helper", "!f() { echo username=x; echo password=pa55; }; f"),
            ["!f() { echo username=x; echo password=pa55; }; f", "f", "pa55"]
        );
    }

    #[test]
    fn login_is_split_from_rewrite_rule() {
        let split = |name: &str| {
            let setting = Setting { name: name.to_owned(), value: "x".to_owned() };
            let (setting, Remote { origin, user, password, .. }) = setting.without_login()?;
            Some([setting.name, origin?, user?, password.unwrap_or_default()].join(" "))
        };
        let token = "ghp_0123456789abcdefghij";
        for (name, expected) in [
            (
                "url.https://bob:p%40ss@host:8443/x/.insteadOf",
                "url.https://host:8443/x/.insteadOf https://host:8443 bob p@ss",
            ),
            ("URL.http://bob:s3cret@host.pushInsteadOf", "url.http://host.pushInsteadOf http://host bob s3cret"),
            (
                &format!("url.https://{token}@host/.insteadOf"),
                &format!("url.https://host/.insteadOf https://host {token} "),
            ),
            (
                &format!("url.https://{token}:x-oauth-basic@host/.insteadOf"),
                &format!("url.https://host/.insteadOf https://host {token} x-oauth-basic"),
            ),
        ] {
            assert_eq!(split(name).as_deref(), Some(expected), "{name}");
        }
        for name in [
            "url.https://bob@host/.insteadOf",
            "url.ssh://bob:s3cret@host/.insteadOf",
            "url.https://host/a:b@c.insteadOf",
            "url.insteadOf",
            "url.x",
            "http.https://bob:s3cret@host/.proxy",
        ] {
            assert_eq!(split(name), None, "{name}");
        }
    }

    #[test]
    fn other_settings_are_not_secret() {
        for (name, value) in [
            ("core.longPaths", "true"),
            ("url.https://host/.insteadOf", "git@host:"),
            ("url.git@host:.insteadOf", "https://host/"),
            ("url.ssh://git@host/.insteadOf", "https://org@host/"),
            ("http.proxy", "http://proxy:3128"),
            ("credential.helper", "store --file=/x"),
            ("user.email", "a:b@example.com"),
        ] {
            assert_eq!(secrets(name, value), Vec::<String>::new(), "{name}");
        }
    }
}
