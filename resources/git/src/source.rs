//! What a pipeline may write under `source:`.

pub(crate) mod address;
pub(crate) mod commit_filter;
pub(crate) mod followed;
pub(crate) mod get_params;
pub(crate) mod git_crypt_key;
pub(crate) mod key_id;
pub(crate) mod labels;
pub(crate) mod names;
pub(crate) mod openpgp;
pub(crate) mod private_key;
pub(crate) mod put_params;
pub(crate) mod remote;
mod rules;
pub(crate) mod setting;
pub(crate) mod ssh_command;
pub(crate) mod submodule_credentials;
mod text;
mod trust;
pub(crate) mod tunnel;
mod verification;

use std::time::Duration;

use jetway::{Console, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::address::host_and_port;
use crate::source::commit_filter::CommitFilter;
use crate::source::labels::{TagBehaviour, TagSort, VersionType};
use crate::source::remote::Remote;
use crate::source::setting::Setting;
use crate::source::submodule_credentials::{Host, SubmoduleCredential};
use crate::source::text::trimmed;
use crate::source::tunnel::Tunnel;

/// Where the repository is, how to get in, and which commits count.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "the keys are the established resource's")]
pub struct Source {
    /// Where the repository is: `https://`, `http://`, `ssh://`, `file://`, `user@host:path` or a path. A user and
    /// password inside it are used as `username` and `password`, and appear nowhere else.
    pub uri: String,

    /// The branch to follow and to push to. Without it, the remote's default branch is followed, and a put needs a
    /// `branch` of its own.
    #[serde(default, deserialize_with = "trimmed")]
    pub branch: Option<String>,

    /// A private SSH key in PEM or OpenSSH form, for `ssh://` and `user@host:path`.
    pub private_key: Option<Secret>,

    /// The user to log in as over SSH, where `uri` names none.
    pub private_key_user: Option<String>,

    /// The passphrase of `private_key`.
    pub private_key_passphrase: Option<Secret>,

    /// Let the host of `uri` use `private_key` as long as it is spoken to, by an ssh agent that is started for it and
    /// forwarded (`ssh -A`). Without a `private_key`, the agent of `SSH_AUTH_SOCK` is forwarded.
    #[serde(default)]
    pub forward_agent: bool,

    /// The lines of a `known_hosts` file: the keys that servers are held to over SSH. Without it any host key is taken.
    pub known_hosts: Option<String>,

    /// The HTTP proxy that SSH goes by way of.
    pub https_tunnel: Option<Tunnel>,

    /// The user name for `https://` and `http://`. It goes to the host of `uri` only, unless `credential_hosts` is given.
    pub username: Option<String>,

    /// The password or token for `https://` and `http://`. It goes to the host of `uri` only, unless `credential_hosts` is
    /// given.
    pub password: Option<Secret>,

    /// The hosts that `username` and `password` go to, instead of the host of `uri` alone. A host may have a port
    /// (`host:8443`), which is the only one then.
    #[serde(default)]
    pub credential_hosts: Vec<String>,

    /// Credentials for submodules on other hosts, or with keys of their own.
    #[serde(default)]
    pub submodule_credentials: Vec<SubmoduleCredential>,

    /// Git pathspecs: only commits that change a file that one of them matches are versions.
    #[serde(default)]
    pub paths: Vec<String>,

    /// Git pathspecs: changes to files that one of them matches do not make a commit a version.
    #[serde(default)]
    pub ignore_paths: Vec<String>,

    /// Take commits too whose message has `[ci skip]` or `[skip ci]` in it, which are passed over otherwise.
    #[serde(default)]
    pub disable_ci_skip: bool,

    /// Which commits count, by what their messages say.
    #[serde(default)]
    pub commit_filter: CommitFilter,

    /// What a version is.
    #[serde(default)]
    pub version_type: VersionType,

    /// A glob as in `git tag --list`, in which `*` crosses `/`: the tags that match it are the versions.
    #[serde(default, deserialize_with = "trimmed")]
    pub tag_filter: Option<String>,

    /// With `version_type: tags`, a list of such globs: the tags that match one of them are the versions.
    #[serde(default)]
    pub tag_filters: Vec<String>,

    /// The same by an extended regular expression that matches the whole name; with `version_type: tags`, any part of it.
    /// With `version_type: tags` it is ignored when a glob is given.
    #[serde(default, deserialize_with = "trimmed")]
    pub tag_regex: Option<String>,

    /// With `version_type: tags`, what tags are sorted by: `creatordate` (the default) or `version`.
    pub tag_sort: Option<TagSort>,

    /// Whether tags that match are versions themselves, or the commits of which their histories are made.
    #[serde(default)]
    pub tag_behaviour: TagBehaviour,

    /// With `version_type: branches` or `branch_heads`, a list of globs in which `*` crosses `/`: the branches that match one
    /// of them count.
    #[serde(default)]
    pub branch_filters: Vec<String>,

    /// The same by an extended regular expression that matches any part of the name. It is ignored when `branch_filters` is
    /// given.
    #[serde(default, deserialize_with = "trimmed")]
    pub branch_regex: Option<String>,

    /// How many versions a first check gives, the newest ones.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub version_depth: u32,

    /// Whether gets fetch all tags, or none, where their params say nothing.
    pub fetch_tags: Option<bool>,

    /// Patterns, as in a `.gitignore`, of the files that gets check out; all of them by default.
    #[serde(default)]
    pub sparse_paths: Vec<String>,

    /// Let a get look for a version at the tips of all the server's refs, where it is not on the branch and the server
    /// gives out no commits by their hash.
    #[serde(default)]
    pub search_remote_refs: bool,

    /// Armored GPG public keys: a get takes only commits that one of the keys in this list or the next ones has signed.
    #[serde(default)]
    pub commit_verification_keys: Vec<String>,

    /// The fingerprints (40 digits) or long ids (16) of further such keys, which `gpg_keyserver` has.
    #[serde(default)]
    pub commit_verification_key_ids: Vec<String>,

    /// Where the keys of `commit_verification_key_ids` are: `hkps://`, `hkp://`, `https://` or `http://`.
    #[serde(default = "ubuntu")]
    pub gpg_keyserver: String,

    /// The same for SSH signatures: who may sign, as in the file that ssh-keygen and git read, a line for each key.
    pub allowed_signers: Option<String>,

    /// The key of git-crypt (`git-crypt export-key`) in base64, with which gets decrypt files.
    pub git_crypt_key: Option<Secret>,

    /// Settings of git, for all that it does here; a get writes them into the clone too, credentials excepted.
    #[serde(default)]
    pub git_config: Vec<Setting>,

    /// Certificates of authorities to trust besides the system's, in PEM form.
    #[serde(default)]
    pub ca_certs: Vec<String>,

    /// Do not verify the server's TLS certificate.
    #[serde(default)]
    pub skip_ssl_verification: bool,

    /// The seconds for which a server may stay silent before it is given up. A push waits ten times as long, since
    /// hooks run on the server meanwhile.
    #[serde(default = "two_minutes")]
    #[schemars(range(min = 1, max = 86400))]
    pub network_timeout: u32,

    /// Show what git does (`GIT_TRACE`, `GIT_CURL_VERBOSE`), secrets masked.
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
    /// Where the repository is, taken apart.
    pub(crate) fn remote(&self) -> Remote {
        Remote::parse(&self.uri)
    }

    /// How long a server may stay silent.
    pub(crate) fn silence(&self) -> Duration {
        Duration::from_secs(u64::from(self.network_timeout))
    }

    /// The key of git-crypt, unless it is empty, which is how pipelines write "not set".
    pub(crate) fn git_crypt_key(&self) -> Option<&Secret> {
        self.git_crypt_key.as_ref().filter(|key| !key.is_empty())
    }

    /// What is known of servers' host keys, when anything is to be held against them.
    pub(crate) fn known_hosts(&self) -> Option<String> {
        self.known_hosts.as_ref().map(|lines| format!("{}\n", lines.trim()))
    }

    /// Whether ssh is run with options that the source asks for, rather than as the machine has it.
    pub(crate) fn configures_ssh(&self) -> bool {
        let has_key = self.private_key.as_ref().is_some_and(|key| !key.is_empty());
        let has_tunnel = self.https_tunnel.as_ref().is_some_and(|tunnel| tunnel.proxy_host.is_some());
        let for_submodules = self.submodule_credentials.iter().any(|entry| entry.key().is_some());
        has_key || has_tunnel || for_submodules || self.known_hosts.is_some() || self.forward_agent
    }

    /// The pathspecs of `paths` and `ignore_paths`; none when every commit counts.
    pub(crate) fn pathspecs(&self) -> Vec<String> {
        // "." alone is the established resource's default, and means that nothing is filtered.
        let everything = self.paths.iter().all(|path| path == "." || path == "/");
        let included = self.paths.iter().filter(|_| !everything).map(|path| from_root(path));
        included.chain(self.ignore_paths.iter().map(|path| exclude(&from_root(path)))).collect()
    }

    /// The keys that are given and have no effect on what the versions are.
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

    /// Says what of the source is of no use.
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
            console.warn(format_args!("no effect with `version_type: {name}`: {keys}"));
        }
    }
}

/// The pathspec without the slash before it, which stands for the repository's root, as in a `.gitignore`.
fn from_root(path: &str) -> String {
    let (magic, pattern) = match path.strip_prefix(":(").and_then(|rest| rest.split_once(')')) {
        Some((magic, pattern)) => (format!(":({magic})"), pattern),
        None => (String::new(), path),
    };
    let relative = pattern.trim_start_matches('/');
    let is_root = relative.is_empty() && !pattern.is_empty();
    format!("{magic}{}", if is_root { "." } else { relative })
}

/// The pathspec that takes out what `path` matches, magic of its own kept.
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
    fn pathspecs_are_those_of_git_and_keep_their_magic() {
        let source = source(serde_json::json!({
            "uri": "u", "paths": ["a", ":(glob)b/**"], "ignore_paths": ["*.md", ":(icase)README"]
        }));
        assert_eq!(source.pathspecs(), ["a", ":(glob)b/**", ":(exclude)*.md", ":(exclude,icase)README"]);
    }

    #[test]
    fn a_slash_before_a_path_stands_for_the_root() {
        let source = source(serde_json::json!({
            "uri": "u", "paths": ["/src", "/"], "ignore_paths": ["/docs", ":(glob)/x/**"]
        }));
        assert_eq!(source.pathspecs(), ["src", ".", ":(exclude)docs", ":(exclude,glob)x/**"]);
    }

    #[test]
    fn blanks_around_a_name_or_pattern_are_left_out() {
        let source = source(serde_json::json!({
            "uri": "u\n", "branch": "main\n", "tag_filter": " v* ", "tag_regex": "v.*\n", "branch_regex": "\n"
        }));
        assert_eq!(source.branch.as_deref(), Some("main"));
        assert_eq!((source.tag_filter.as_deref(), source.tag_regex.as_deref()), (Some("v*"), Some("v.*")));
        assert_eq!(source.branch_regex, None);
    }

    #[test]
    fn the_default_path_filters_nothing() {
        assert!(source(serde_json::json!({"uri": "u", "paths": ["."]})).pathspecs().is_empty());
        assert!(source(serde_json::json!({"uri": "u", "paths": []})).pathspecs().is_empty());
    }
}
