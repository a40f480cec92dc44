//! What a pipeline may write under `source:`.

use std::time::Duration;

use jetway::{Console, Parameters, Problems, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::address::host_and_port;
use crate::commit_filter::CommitFilter;
use crate::labels::{TagBehaviour, TagSort, VersionType};
use crate::remote::{Remote, is_branch_name};
use crate::settings::Setting;
use crate::ssh::is_plain_user;
use crate::submodule_credentials::{Host, SubmoduleCredential};
use crate::tunnel::Tunnel;
use crate::{git_crypt, private_key, ssh_command, trust, verification};

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

/// Reads text that is never meant to begin or end with a blank: a value of a variable often ends with a newline.
pub(crate) fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.map(|text| text.trim().to_owned());
    Ok(text.filter(|text| !text.is_empty()))
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

    /// Says what of the source is of no use.
    pub(crate) fn warn(&self, console: &Console) {
        let has_password = self.password.as_ref().is_some_and(|password| !password.is_empty());
        if has_password
            && self.username.is_none()
            && let remote = self.remote()
            && remote.origin.is_some()
            && remote.user.is_none()
        {
            console.warn("`password` stands without a `username`: the server is asked without a login");
        }
        if !self.credential_hosts.is_empty()
            && let Some((_, authority)) = self.remote().origin.as_deref().and_then(|origin| origin.split_once("://"))
            && let (name, _) = host_and_port(authority)
            && !self.credential_hosts.iter().filter_map(|host| Host::parse(host)).any(|host| host.is_named(name))
        {
            console.warn(format_args!("`credential_hosts` leaves `{name}` out, the host of `uri`: it gets no login"));
        }
        let ineffective: Vec<String> = self.ineffective_keys().iter().map(|key| format!("`{key}`")).collect();
        if !ineffective.is_empty() {
            let (keys, name) = (ineffective.join(", "), self.version_type.name());
            console.warn(format_args!("no effect with `version_type: {name}`: {keys}"));
        }
    }
}

/// The password of a URI in which it has a `/` as it is, so that the rest of it passes for a path.
fn unencoded_password(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.trim().split_once("://")?;
    let (authority, _) = rest.split_once('/')?;
    let (_, after_user) = authority.split_once(':')?;
    let is_port = after_user.chars().all(|c| c.is_ascii_digit());
    if authority.contains('@') || is_port || scheme.eq_ignore_ascii_case("file") {
        return None;
    }
    let (userinfo, _) = rest.rsplit_once('@')?;
    userinfo.split_once(':').map(|(_, password)| password)
}

fn password_is_encoded(uri: &str) -> Result<(), &'static str> {
    match unencoded_password(uri) {
        Some(_) => Err("has a `/` in its password, which is written `%2F`"),
        None => Ok(()),
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

impl Parameters for Source {
    fn rules(&self, problems: &mut Problems) {
        if self.uri.trim().is_empty() {
            problems.add("uri", "must not be empty");
        } else if let Err(problem) = self.remote().usable().and_then(|()| password_is_encoded(&self.uri)) {
            problems.add("uri", problem);
        }
        if let Some(branch) = &self.branch
            && let Err(problem) = is_branch_name(branch)
        {
            problems.add("branch", problem);
        }
        for (key, list) in [("paths", &self.paths), ("ignore_paths", &self.ignore_paths)] {
            for (index, path) in list.iter().enumerate() {
                if path.starts_with('-') {
                    problems.add_with_hint(
                        format!("{key}[{index}]"),
                        "must not begin with `-`",
                        format!("write `./{path}` for a file of that name"),
                    );
                } else if path.is_empty() {
                    problems.add(format!("{key}[{index}]"), "must not be empty");
                }
            }
        }
        if self.private_key_user.as_ref().is_some_and(|user| !is_plain_user(user)) {
            problems.add("private_key_user", "must be letters, digits and `._@+-`, and not begin with `-`");
        }
        self.label_rules(problems);
        for (index, host) in self.credential_hosts.iter().enumerate() {
            if Host::parse(host).is_none() {
                let problem = "must be a host, such as `git.example.com` or `git.example.com:8443`";
                problems.add(format!("credential_hosts[{index}]"), problem);
            }
        }
        self.commit_filter.rules(&self.git_config, problems);
        for (index, entry) in self.submodule_credentials.iter().enumerate() {
            entry.rules(index, problems);
        }
        if let Some(tunnel) = &self.https_tunnel {
            tunnel.rules(problems);
        }
        trust::rules(&self.ca_certs, self.known_hosts.as_deref(), problems);
        for (index, setting) in self.git_config.iter().enumerate() {
            setting.rules(index, problems);
        }
        if self.configures_ssh()
            && let Some((index, Err(problem))) = ssh_command::of_settings(&self.git_config)
        {
            problems.add(format!("git_config[{index}].value"), problem);
        }
        verification::rules(self, problems);
        if let Some(Err(problem)) = self.git_crypt_key().map(|key| git_crypt::key(key.expose())) {
            problems.add("git_crypt_key", problem);
        }
        if let Some(key) = self.private_key.as_ref().filter(|key| !key.is_empty()) {
            let passphrase = self.private_key_passphrase.as_ref().filter(|passphrase| !passphrase.is_empty());
            if let Err(problem) = private_key::usable(key.expose(), passphrase.is_some()) {
                problems.add("private_key", problem);
            }
        }
    }

    fn hidden_secrets(&self) -> Vec<String> {
        let remote = self.remote();
        // A token is often written in place of the user: `https://TOKEN@host`, `https://TOKEN:x-oauth-basic@host`.
        let stands_for_token = |password: &Option<String>| password.as_ref().is_none_or(|word| word == "x-oauth-basic");
        let given = self.password.as_ref().map(|password| password.expose().to_owned());
        let user = remote.user.filter(|_| remote.origin.is_some() && stands_for_token(&remote.password));
        let token = user.or_else(|| self.username.clone().filter(|_| given.is_some() && stands_for_token(&given)));
        let unencoded = unencoded_password(&self.uri).map(str::to_owned);
        let settings = self.git_config.iter().flat_map(Setting::secrets);
        remote.password.into_iter().chain(token).chain(unencoded).chain(settings).collect()
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

    #[test]
    fn passwords_and_tokens_inside_the_uri_are_secrets() {
        let secrets = |uri: &str| source(serde_json::json!({"uri": uri})).hidden_secrets();
        assert_eq!(secrets("https://bob:s3cret@host/x"), ["s3cret"]);
        assert_eq!(secrets("https://ghp_token@host/x"), ["ghp_token"]);
        assert_eq!(secrets("https://ghp_token:x-oauth-basic@host/x"), ["x-oauth-basic", "ghp_token"]);
        assert_eq!(secrets("https://bob:pa/ss@word@host/x"), ["pa/ss@word"]);
        assert!(password_is_encoded("https://bob:pa/ss@host/x").is_err());
        assert!(password_is_encoded("https://host:8443/a@b").is_ok());
        assert_eq!(secrets("ssh://git@host/x"), Vec::<String>::new());
    }
}
