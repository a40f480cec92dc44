//! The keys of `source:` in a pipeline.

pub(crate) mod commit_filter;
pub(crate) mod followed;
pub(crate) mod get_params;
pub(crate) mod key_id;
pub(crate) mod labels;
pub(crate) mod names;
pub(crate) mod openpgp;
pub(crate) mod put_params;
mod text;
mod trust;
mod validation;
mod verification;

use std::time::Duration;

use jetway::{Console, Secret};
use jetway_git_client::source::address::host_and_port;
use jetway_git_client::source::remote::Remote;
use jetway_git_client::source::setting::Setting;
use jetway_git_client::source::submodule_credentials::{Host, SubmoduleCredential};
use jetway_git_client::source::tunnel::Tunnel;
use jetway_git_client::{Access, Hints};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::commit_filter::CommitFilter;
use crate::source::labels::{TagBehaviour, TagSort, VersionType};
use crate::source::text::trimmed;

/// The `source:` of a resource: the repository, its credentials, and which commits are versions.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "the keys are the established resource's")]
pub struct Source {
    /// The address of the repository: `https://`, `http://`, `ssh://`, `file://`, `user@host:path` or a path. A user
    /// and password in it are used as `username` and `password`, and are shown nowhere.
    pub uri: String,

    /// The branch to follow and to push to. If it is not set, checks and gets follow the remote's default branch, and a
    /// put needs `branch` in its params.
    #[serde(default, deserialize_with = "trimmed")]
    pub branch: Option<String>,

    /// A private SSH key in PEM or OpenSSH form, for `ssh://` and `user@host:path`.
    pub private_key: Option<Secret>,

    /// The SSH user, if `uri` has none.
    pub private_key_user: Option<String>,

    /// The passphrase of `private_key`.
    pub private_key_passphrase: Option<Secret>,

    /// Forward an ssh agent that holds `private_key` to the host of `uri` (`ssh -A`), so that the host can use the key
    /// during the connection. Without `private_key`, the agent of `SSH_AUTH_SOCK` is forwarded.
    #[serde(default)]
    pub forward_agent: bool,

    /// The lines of a `known_hosts` file to verify SSH host keys with. If it is not set, any host key is accepted.
    pub known_hosts: Option<String>,

    /// The HTTP proxy for SSH connections.
    pub https_tunnel: Option<Tunnel>,

    /// The user name for `https://` and `http://`. It is sent only to the host of `uri`, unless `credential_hosts` is
    /// set.
    pub username: Option<String>,

    /// The password or token for `https://` and `http://`. It is sent only to the host of `uri`, unless
    /// `credential_hosts` is set.
    pub password: Option<Secret>,

    /// The hosts that `username` and `password` are sent to, instead of the host of `uri`. An entry with a port
    /// (`host:8443`) applies to that port only.
    #[serde(default)]
    pub credential_hosts: Vec<String>,

    /// Credentials for submodules on other hosts, or with their own keys.
    #[serde(default)]
    pub submodule_credentials: Vec<SubmoduleCredential>,

    /// Git pathspecs: only commits that change a matching file are versions.
    #[serde(default)]
    pub paths: Vec<String>,

    /// Git pathspecs: commits that change only matching files are not versions.
    #[serde(default)]
    pub ignore_paths: Vec<String>,

    /// Include commits with `[ci skip]` or `[skip ci]` in their message. By default they are skipped.
    #[serde(default)]
    pub disable_ci_skip: bool,

    /// Include or exclude commits by their messages.
    #[serde(default)]
    pub commit_filter: CommitFilter,

    /// The kind of versions that a check returns.
    #[serde(default)]
    pub version_type: VersionType,

    /// A glob, as in `git tag --list` (`*` also matches `/`): the matching tags are the versions.
    #[serde(default, deserialize_with = "trimmed")]
    pub tag_filter: Option<String>,

    /// With `version_type: tags`, a list of globs like `tag_filter`: tags that match at least one of them are the
    /// versions.
    #[serde(default)]
    pub tag_filters: Vec<String>,

    /// An extended regular expression (POSIX): the matching tags are the versions. It must match the whole name. With
    /// `version_type: tags`, it may match any part of the name, and is ignored if a glob is set.
    #[serde(default, deserialize_with = "trimmed")]
    pub tag_regex: Option<String>,

    /// With `version_type: tags`, the sort order of tags: `creatordate` (the default) or `version`.
    pub tag_sort: Option<TagSort>,

    /// Whether the versions are the matching tags, or the commits in the history of the matching tags.
    #[serde(default)]
    pub tag_behaviour: TagBehaviour,

    /// With `version_type: branches` or `branch_heads`, a list of globs (`*` also matches `/`): only branches that
    /// match at least one of them are included.
    #[serde(default)]
    pub branch_filters: Vec<String>,

    /// Like `branch_filters`, with an extended regular expression (POSIX) that matches any part of the name. It is
    /// ignored when `branch_filters` is set.
    #[serde(default, deserialize_with = "trimmed")]
    pub branch_regex: Option<String>,

    /// How many of the newest versions the first check returns.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub version_depth: u32,

    /// Whether gets fetch all tags (`true`) or none (`false`). The params of a get override it.
    pub fetch_tags: Option<bool>,

    /// Patterns of the files to check out, in the syntax of `.gitignore`. By default, a get checks out all files.
    #[serde(default)]
    pub sparse_paths: Vec<String>,

    /// If a get cannot fetch the version by its hash, search the tips of all refs on the server, not only the branch.
    #[serde(default)]
    pub search_remote_refs: bool,

    /// Armored GPG public keys: a get fails unless a key in this list, in `commit_verification_key_ids` or in
    /// `allowed_signers` signed the commit.
    #[serde(default)]
    pub commit_verification_keys: Vec<String>,

    /// The fingerprints (40 digits) or long ids (16 digits) of GPG keys to fetch from `gpg_keyserver`, used like
    /// `commit_verification_keys`.
    #[serde(default)]
    pub commit_verification_key_ids: Vec<String>,

    /// The keyserver for `commit_verification_key_ids`: `hkps://`, `hkp://`, `https://` or `http://`.
    #[serde(default = "ubuntu")]
    pub gpg_keyserver: String,

    /// The SSH keys whose signatures are accepted, used like `commit_verification_keys`. The format is that of git's
    /// `gpg.ssh.allowedSignersFile`: one line for each key.
    pub allowed_signers: Option<String>,

    /// The git-crypt key for decrypting files in gets: the output of `git-crypt export-key` in base64.
    pub git_crypt_key: Option<Secret>,

    /// Git settings for all git commands of this resource; a get also writes them into the clone, except credentials.
    #[serde(default)]
    pub git_config: Vec<Setting>,

    /// CA certificates to trust in addition to the system's, in PEM format.
    #[serde(default)]
    pub ca_certs: Vec<String>,

    /// Do not verify the server's TLS certificate.
    #[serde(default)]
    pub skip_ssl_verification: bool,

    /// The silence limit in seconds: a command fails if the server sends nothing for this long. The limit of a push is
    /// ten times as long, since the server may run hooks.
    #[serde(default = "two_minutes")]
    #[schemars(range(min = 1, max = 86400))]
    pub network_timeout: u32,

    /// Show git's trace (`GIT_TRACE`, `GIT_CURL_VERBOSE`), with secrets redacted.
    #[serde(default)]
    pub debug: bool,
}

fn one() -> u32 {
    1
}

fn two_minutes() -> u32 {
    120
}

fn ubuntu() -> String {
    "hkps://keyserver.ubuntu.com".to_owned()
}

impl Source {
    /// The parsed address of the repository.
    pub(crate) fn remote(&self) -> Remote {
        Remote::parse(&self.uri)
    }

    /// The silence limit.
    pub(crate) fn server_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.network_timeout))
    }

    /// The part of the source that describes the server.
    pub(crate) fn access(&self) -> Access {
        Access {
            uri: self.uri.clone(),
            private_key: self.private_key.clone(),
            private_key_user: self.private_key_user.clone(),
            private_key_passphrase: self.private_key_passphrase.clone(),
            forward_agent: self.forward_agent,
            known_hosts: self.known_hosts.clone(),
            https_tunnel: self.https_tunnel.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            credential_hosts: self.credential_hosts.clone(),
            submodule_credentials: self.submodule_credentials.clone(),
            git_config: self.git_config.clone(),
            ca_certs: self.ca_certs.clone(),
            skip_ssl_verification: self.skip_ssl_verification,
            network_timeout: self.network_timeout,
            debug: self.debug,
            hints: Hints::default(),
        }
    }

    /// The git-crypt key; `None` if it is empty, as it is when a pipeline variable is not set.
    pub(crate) fn git_crypt_key(&self) -> Option<&Secret> {
        self.git_crypt_key.as_ref().filter(|key| !key.is_empty())
    }

    /// Whether the source sets any ssh option. If not, ssh uses the machine's configuration.
    pub(crate) fn configures_ssh(&self) -> bool {
        let has_key = self.private_key.as_ref().is_some_and(|key| !key.is_empty());
        let has_tunnel = self.https_tunnel.as_ref().is_some_and(|tunnel| tunnel.proxy_host.is_some());
        let for_submodules = self.submodule_credentials.iter().any(|entry| entry.key().is_some());
        has_key || has_tunnel || for_submodules || self.known_hosts.is_some() || self.forward_agent
    }

    /// The pathspecs of `paths` and `ignore_paths`; empty if every path matches.
    pub(crate) fn pathspecs(&self) -> Vec<String> {
        // The established resource's default is `.` alone, which filters nothing.
        let everything = self.paths.iter().all(|path| path == "." || path == "/");
        let included = self.paths.iter().filter(|_| !everything).map(|path| from_root(path));
        included.chain(self.ignore_paths.iter().map(|path| exclude(&from_root(path)))).collect()
    }

    /// The keys that are set but have no effect with this `version_type`.
    pub(crate) fn ineffective_keys(&self) -> Vec<&'static str> {
        if !matches!(self.version_type, VersionType::Tags | VersionType::Branches) {
            return Vec::new();
        }
        let has_globs = self.tag_filter.is_some() || !self.tag_filters.is_empty();
        let keys = [
            ("branch", self.branch.is_some()),
            ("paths", !self.paths.is_empty()),
            ("ignore_paths", !self.ignore_paths.is_empty()),
            ("commit_filter", !self.commit_filter.is_empty()),
            ("tag_behaviour", self.tag_behaviour != TagBehaviour::default()),
            ("fetch_tags", self.fetch_tags.is_some()),
            ("sparse_paths", !self.sparse_paths.is_empty()),
            ("search_remote_refs", self.search_remote_refs),
            ("tag_regex", self.version_type == VersionType::Tags && has_globs && self.tag_regex.is_some()),
            ("version_depth", self.version_type == VersionType::Branches && self.version_depth != 1),
        ];
        keys.into_iter().filter_map(|(key, is_given)| is_given.then_some(key)).collect()
    }

    /// Warns about keys that have no effect.
    pub(crate) fn warn(&self, console: &Console) {
        let has_password = self.password.as_ref().is_some_and(|password| !password.is_empty());
        if has_password
            && self.username.is_none()
            && let remote = self.remote()
            && remote.origin.is_some()
            && remote.user.is_none()
        {
            console.warn("`password` has no effect without `username`: requests carry no credentials");
        }
        if !self.credential_hosts.is_empty()
            && let Some((_, authority)) = self.remote().origin.as_deref().and_then(|origin| origin.split_once("://"))
            && let (name, _) = host_and_port(authority)
            && !self.credential_hosts.iter().filter_map(|host| Host::parse(host)).any(|host| host.is_named(name))
        {
            console.warn(format_args!(
                "`credential_hosts` does not include `{name}`, the host of `uri`: that host gets no credentials"
            ));
        }
        let ineffective: Vec<String> = self.ineffective_keys().iter().map(|key| format!("`{key}`")).collect();
        if !ineffective.is_empty() {
            let (keys, name) = (ineffective.join(", "), self.version_type.name());
            console.warn(format_args!("ignored with `version_type: {name}`: {keys}"));
        }
    }
}

/// Strips the leading slash of a pathspec, which means the repository's root, as in a `.gitignore`.
fn from_root(path: &str) -> String {
    let (magic, pattern) = match path.strip_prefix(":(").and_then(|rest| rest.split_once(')')) {
        Some((magic, pattern)) => (format!(":({magic})"), pattern),
        None => (String::new(), path),
    };
    let relative = pattern.trim_start_matches('/');
    let is_root = relative.is_empty() && !pattern.is_empty();
    format!("{magic}{}", if is_root { "." } else { relative })
}

/// The pathspec that excludes what `path` matches, with the magic of `path` preserved.
fn exclude(path: &str) -> String {
    match path.strip_prefix(":(") {
        Some(magic) => format!(":(exclude,{magic}"),
        None => format!(":(exclude){path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(json: serde_json::Value) -> Source {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn pathspecs_keep_their_magic() {
        let source = source(serde_json::json!({
            "uri": "u", "paths": ["a", ":(glob)b/**"], "ignore_paths": ["*.md", ":(icase)README"]
        }));
        assert_eq!(source.pathspecs(), ["a", ":(glob)b/**", ":(exclude)*.md", ":(exclude,icase)README"]);
    }

    #[test]
    fn leading_slash_of_a_path_means_the_root() {
        let source = source(serde_json::json!({
            "uri": "u", "paths": ["/src", "/"], "ignore_paths": ["/docs", ":(glob)/x/**"]
        }));
        assert_eq!(source.pathspecs(), ["src", ".", ":(exclude)docs", ":(exclude,glob)x/**"]);
    }

    #[test]
    fn names_and_patterns_are_trimmed() {
        let source = source(serde_json::json!({
            "uri": "u\n", "branch": "main\n", "tag_filter": " v* ", "tag_regex": "v.*\n", "branch_regex": "\n"
        }));
        assert_eq!(source.branch.as_deref(), Some("main"));
        assert_eq!((source.tag_filter.as_deref(), source.tag_regex.as_deref()), (Some("v*"), Some("v.*")));
        assert_eq!(source.branch_regex, None);
    }

    #[test]
    fn default_path_filters_nothing() {
        assert!(source(serde_json::json!({"uri": "u", "paths": ["."]})).pathspecs().is_empty());
        assert!(source(serde_json::json!({"uri": "u", "paths": []})).pathspecs().is_empty());
    }
}
