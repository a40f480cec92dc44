//! The companion that gives git user names and passwords, and ssh passphrases (`GIT_ASKPASS`, `SSH_ASKPASS`).
//!
//! git names the host in its question, and the companion answers only with a login for that host. If a server redirects
//! git to another host, or a submodule is on another host, git does not get the login of the first host.

use std::path::{Path, PathBuf};

use jetway::{Companion, CompanionCall, CompanionOutcome, Context, Result, Secret};
use serde::Deserialize;

use crate::access::Access;
use crate::source::address::host_and_port;
use crate::source::remote::Remote;
use crate::source::submodule_credentials::Host;
use crate::transport::keys::Keys;
use crate::transport::settings;

/// Answers the questions of git and ssh.
pub(crate) const COMPANION: Companion = Companion { name: "jetway-askpass", run: answer };

/// The private file with the companion's configuration, in its directory.
const CONFIG_FILE: &str = "askpass.json";

/// The directory of the companion for submodules.
const FOR_SUBMODULES: &str = "submodules";

/// The companion's configuration. If a host has several logins, the first one is used.
#[derive(Debug, Default, Deserialize)]
struct AskpassConfig {
    logins: Vec<Login>,
    passphrases: Vec<Passphrase>,
}

/// A user and password, and the server that they may be sent to.
#[derive(Debug, Deserialize)]
struct Login {
    /// `None` matches http and https.
    scheme: Option<String>,
    host: String,
    /// `None` matches any port.
    port: Option<u16>,
    username: String,
    password: Secret,
}

/// The passphrase of a key file.
#[derive(Debug, Deserialize)]
struct Passphrase {
    file: PathBuf,
    passphrase: Secret,
}

/// The paths of the installed askpass companions.
#[derive(Debug)]
pub(crate) struct Askpass {
    /// For the repository: its logins come first.
    pub(crate) repository: PathBuf,
    /// For submodules: logins of `submodule_credentials` come first.
    pub(crate) submodules: PathBuf,
}

/// Installs the companions; `None` if there are no credentials.
pub(crate) fn install(context: &Context, access: &Access, remote: &Remote, keys: &Keys) -> Result<Option<Askpass>> {
    // `transport/settings` removes the logins from `url.<base>.insteadOf` rules, so the companion provides them.
    let of_rules = settings::remotes_with_logins(&access.git_config).filter_map(|remote| {
        let (scheme, authority) = remote.origin.as_deref()?.split_once("://")?;
        Some(login_at(scheme, authority, remote.user.as_deref()?, &remote.password.unwrap_or_default()))
    });
    let own: Vec<serde_json::Value> = of_rules.chain(source_logins(access, remote)).collect();
    let of_submodules: Vec<serde_json::Value> = access
        .submodule_credentials
        .iter()
        .filter_map(|entry| {
            let (host, username, password) = entry.login()?;
            Some(login(host.scheme, host.name, host.port, username, password.expose()))
        })
        .collect();
    let passphrases = keys.all().filter_map(|key| {
        Some(serde_json::json!({ "file": key.file, "passphrase": key.passphrase.as_ref()?.expose() }))
    });
    let passphrases: Vec<serde_json::Value> = passphrases.collect();
    if own.is_empty() && of_submodules.is_empty() && passphrases.is_empty() {
        return Ok(None);
    }
    let private = context.private_directory();
    let write = |directory: &Path, first: &[serde_json::Value], then: &[serde_json::Value]| {
        let logins = [first, then].concat();
        let config = serde_json::json!({ "logins": logins, "passphrases": passphrases });
        private.write(directory.join(CONFIG_FILE), config.to_string().as_bytes())
    };
    write(&private.path()?, &own, &of_submodules)?;
    write(&private.directory(FOR_SUBMODULES)?, &of_submodules, &own)?;
    Ok(Some(Askpass {
        repository: COMPANION.install(private)?,
        submodules: COMPANION.install_in(private, FOR_SUBMODULES)?,
    }))
}

/// The source's login for each host that it may be sent to: those of `credential_hosts`, or the host of `uri`.
fn source_logins(access: &Access, remote: &Remote) -> Vec<serde_json::Value> {
    let given = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
    let Some(username) = given(&access.username).or_else(|| remote.user.clone()) else { return Vec::new() };
    let password = access.password.as_ref().map(|password| password.expose().to_owned());
    // If the user is a token (`https://TOKEN@host`), the password is empty.
    let password = given(&password).or_else(|| remote.password.clone()).unwrap_or_default();
    let origin = remote.origin.as_deref().and_then(|origin| origin.split_once("://"));
    if !access.credential_hosts.is_empty() {
        // If `uri` is https, the login is never sent over http.
        let is_encrypted = origin.is_none_or(|(scheme, _)| scheme == "https");
        let hosts = access.credential_hosts.iter().filter_map(|host| Host::parse(host));
        let logins = hosts.map(|host| {
            let scheme = host.scheme.or(is_encrypted.then_some("https"));
            login(scheme, host.name, host.port, &username, &password)
        });
        return logins.collect();
    }
    let Some((scheme, authority)) = origin else { return Vec::new() };
    let own = login_at(scheme, authority, &username, &password);
    let (host, port) = host_and_port(authority);
    // A redirect from http to https on the same host is allowed.
    let is_upgradable = scheme == "http" && port.is_none();
    let upgraded = is_upgradable.then(|| login(Some("https"), host, default_port("https"), &username, &password));
    [own].into_iter().chain(upgraded).collect()
}

/// The login for one server: `host` or `host:port`.
fn login_at(scheme: &str, authority: &str, username: &str, password: &str) -> serde_json::Value {
    let (host, port) = host_and_port(authority);
    login(Some(scheme), host, port.or_else(|| default_port(scheme)), username, password)
}

fn login(scheme: Option<&str>, host: &str, port: Option<u16>, username: &str, password: &str) -> serde_json::Value {
    serde_json::json!({
        "scheme": scheme,
        "host": host,
        "port": port,
        "username": username,
        "password": password,
    })
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn answer(call: &CompanionCall) -> Result<CompanionOutcome> {
    let config: AskpassConfig = match std::fs::read(call.directory.join(CONFIG_FILE)) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(_) => AskpassConfig::default(),
    };
    let question = call.arguments.first().map(|argument| argument.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(match config.answer(&question) {
        Some(answer) => CompanionOutcome::Print(format!("{answer}\n").into_bytes()),
        None => CompanionOutcome::Fail,
    })
}

impl AskpassConfig {
    fn answer(&self, question: &str) -> Option<&str> {
        let lower = question.to_lowercase();
        if lower.starts_with("enter passphrase for") {
            // ssh asks `Enter passphrase for key 'FILE': `, ssh-add asks `Enter passphrase for FILE: `. If the
            // passphrase is wrong, they ask again with another text, which gets no answer.
            let opens = |known: &&Passphrase| {
                let file = known.file.to_string_lossy();
                question.contains(&format!(" '{file}': ")) || question.contains(&format!(" {file}: "))
            };
            return self.passphrases.iter().find(opens).map(|known| known.passphrase.expose());
        }
        // git asks `Username for 'https://host': ` and `Password for 'https://user@host': `; git-lfs uses double
        // quotes.
        let url = question.split(['\'', '"']).nth(1)?;
        let (scheme, rest) = url.split_once("://")?;
        let (host, port) = host_and_port(rest.split('/').next()?.rsplit('@').next()?);
        let port = port.or_else(|| default_port(scheme));
        let is_for = |login: &&Login| {
            login.scheme.as_ref().is_none_or(|only| only == scheme)
                && login.host.eq_ignore_ascii_case(host)
                && login.port.is_none_or(|only| Some(only) == port)
        };
        let login = self.logins.iter().find(is_for)?;
        if lower.starts_with("username for") {
            Some(&login.username)
        } else if lower.starts_with("password for") {
            Some(login.password.expose())
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(uri: &str) -> AskpassConfig {
        config_with_hosts(uri, &[])
    }

    fn config_with_hosts(uri: &str, hosts: &[&str]) -> AskpassConfig {
        let access = Access {
            uri: uri.to_owned(),
            username: Some("bob".to_owned()),
            password: Some(Secret::new("s3cret")),
            credential_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ..Access::default()
        };
        let logins = source_logins(&access, &access.remote());
        let other = login(None, "sub.example", Some(8443), "eve", "other");
        let passphrases = [("/x/key", "open"), ("/x/key_0", "sesame")];
        let passphrases =
            passphrases.map(|(file, passphrase)| serde_json::json!({ "file": file, "passphrase": passphrase }));
        let logins = [logins, vec![other]].concat();
        let all = serde_json::json!({ "logins": logins, "passphrases": passphrases });
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn answers_for_the_host_of_the_uri() {
        let config = config("https://example.org:8443/x");
        assert_eq!(config.answer("Username for 'https://example.org:8443': "), Some("bob"));
        assert_eq!(config.answer("Password for 'https://bob@Example.org:8443': "), Some("s3cret"));
        assert_eq!(config.answer("Password for \"https://bob@example.org:8443/x/info/lfs\""), Some("s3cret"));
    }

    #[test]
    fn answers_only_for_credential_hosts() {
        for uri in ["https://example.org/x", "git@example.org:x"] {
            let config = config_with_hosts(uri, &["Example.org", "library.example:8443"]);
            for url in ["https://example.org", "https://example.org:444", "https://library.example:8443"] {
                assert_eq!(config.answer(&format!("Username for '{url}': ")), Some("bob"), "{url}");
            }
            for url in ["https://library.example", "http://example.org", "https://evil.example"] {
                assert_eq!(config.answer(&format!("Password for '{url}': ")), None, "{url}");
            }
        }
        let elsewhere = config_with_hosts("https://example.org/x", &["library.example"]);
        assert_eq!(elsewhere.answer("Password for 'https://example.org': "), None);
        let in_clear = config_with_hosts("http://example.org/x", &["example.org"]);
        assert_eq!(in_clear.answer("Password for 'http://example.org': "), Some("s3cret"));
    }

    #[test]
    fn answers_for_a_submodule_host_with_its_own_login() {
        let config = config("https://example.org/x");
        assert_eq!(config.answer("Password for 'http://eve@sub.example:8443': "), Some("other"));
        assert_eq!(config.answer("Password for 'https://sub.example': "), None);
        assert_eq!(config.answer("Password for 'https://example.org:443': "), Some("s3cret"));
    }

    #[test]
    fn answers_with_the_passphrase_of_the_requested_key() {
        let config = config("git@host:x");
        assert_eq!(config.answer("Enter passphrase for key '/x/key': "), Some("open"));
        assert_eq!(config.answer("Enter passphrase for /x/key_0: "), Some("sesame"));
        assert_eq!(config.answer("Enter passphrase for key '/y/key': "), None);
        assert_eq!(config.answer("Bad passphrase, try again for /x/key: "), None);
    }

    #[test]
    fn answers_for_https_on_the_same_host_as_http() {
        let config = config("http://example.org/x");
        assert_eq!(config.answer("Password for 'https://bob@example.org': "), Some("s3cret"));
        assert_eq!(config.answer("Password for 'https://bob@example.org:8443': "), None);
    }

    #[test]
    fn answers_for_no_other_host_port_or_scheme() {
        let config = config("https://example.org:8443/x");
        for url in [
            "https://example.org",
            "http://example.org:8443",
            "https://evil.example:8443",
            "https://example.org:8443@evil",
        ] {
            assert_eq!(config.answer(&format!("Password for '{url}': ")), None, "{url}");
        }
    }
}
