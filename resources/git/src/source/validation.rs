//! Validates a source.

use jetway::{Parameters, Problems};
use jetway_git_client::source::address::is_plain_user;
use jetway_git_client::source::remote::check_branch_name;
use jetway_git_client::source::setting::Setting;
use jetway_git_client::source::submodule_credentials::Host;
use jetway_git_client::source::{git_crypt_key, private_key, ssh_command};

use crate::pattern::Pattern;
use crate::source::labels::VersionType;
use crate::source::names::{Extent, regex_of};
use crate::source::{Source, trust, verification};

impl Parameters for Source {
    fn validate(&self, problems: &mut Problems) {
        if self.uri.trim().is_empty() {
            problems.add("uri", "must not be empty");
        } else if let Err(problem) = self.remote().check_format().and_then(|()| password_is_encoded(&self.uri)) {
            problems.add("uri", problem);
        }
        if let Some(branch) = &self.branch
            && let Err(problem) = check_branch_name(branch)
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
        self.validate_tags_and_branches(problems);
        for (index, host) in self.credential_hosts.iter().enumerate() {
            if Host::parse(host).is_none() {
                let problem = "must be a host, such as `git.example.com` or `git.example.com:8443`";
                problems.add(format!("credential_hosts[{index}]"), problem);
            }
        }
        self.commit_filter.validate(&self.git_config, problems);
        for (index, entry) in self.submodule_credentials.iter().enumerate() {
            entry.validate(index, problems);
        }
        if let Some(tunnel) = &self.https_tunnel {
            tunnel.validate(problems);
        }
        trust::validate(&self.ca_certs, self.known_hosts.as_deref(), problems);
        for (index, setting) in self.git_config.iter().enumerate() {
            setting.validate(index, problems);
        }
        if self.configures_ssh()
            && let Some((index, Err(problem))) = ssh_command::of_settings(&self.git_config)
        {
            problems.add(format!("git_config[{index}].value"), problem);
        }
        verification::validate(self, problems);
        if let Some(Err(problem)) = self.git_crypt_key().map(|key| git_crypt_key::decode(key.expose())) {
            problems.add("git_crypt_key", problem);
        }
        if let Some(key) = self.private_key.as_ref().filter(|key| !key.is_empty()) {
            let passphrase = self.private_key_passphrase.as_ref().filter(|passphrase| !passphrase.is_empty());
            if let Err(problem) = private_key::check_format(key.expose(), passphrase.is_some()) {
                problems.add("private_key", problem);
            }
        }
    }

    fn hidden_secrets(&self) -> Vec<String> {
        let remote = self.remote();
        // The user may be a token: `https://TOKEN@host`, `https://TOKEN:x-oauth-basic@host`.
        let stands_for_token = |password: &Option<String>| password.as_ref().is_none_or(|word| word == "x-oauth-basic");
        let given = self.password.as_ref().map(|password| password.expose().to_owned());
        let user = remote.user.filter(|_| remote.origin.is_some() && stands_for_token(&remote.password));
        let token = user.or_else(|| self.username.clone().filter(|_| given.is_some() && stands_for_token(&given)));
        let unencoded = unencoded_password(&self.uri).map(str::to_owned);
        let settings = self.git_config.iter().flat_map(Setting::secrets);
        remote.password.into_iter().chain(token).chain(unencoded).chain(settings).collect()
    }
}

impl Source {
    /// Validates the keys about tags and branches.
    fn validate_tags_and_branches(&self, problems: &mut Problems) {
        if let Some(Err(problem)) = self.tag_filter.as_deref().map(Pattern::glob) {
            problems.add("tag_filter", problem);
        }
        for (key, globs) in [("tag_filters", &self.tag_filters), ("branch_filters", &self.branch_filters)] {
            for (index, glob) in globs.iter().enumerate() {
                if let Err(problem) = Pattern::glob(glob) {
                    problems.add(format!("{key}[{index}]"), problem);
                }
            }
        }
        let regexes =
            [("tag_regex", &self.tag_regex, self.tag_extent()), ("branch_regex", &self.branch_regex, Extent::Part)];
        for (key, regex, extent) in regexes {
            if let Some(Err(problem)) = regex.as_deref().map(|regex| regex_of(extent, regex)) {
                problems.add(key, problem);
            }
        }
        if self.version_type == VersionType::Commits && self.tag_filter.is_some() && self.tag_regex.is_some() {
            problems.add("tag_regex", "cannot be given together with `tag_filter`");
        }
        let is_of_branches = matches!(self.version_type, VersionType::Branches | VersionType::BranchHeads);
        let name = self.version_type.name();
        for (key, is_given) in [("tag_filter", self.tag_filter.is_some()), ("tag_regex", self.tag_regex.is_some())] {
            if is_given && is_of_branches {
                problems.add(key, format!("filters tags, and cannot be used with `version_type: {name}`"));
            }
        }
        let tag_keys = [("tag_filters", !self.tag_filters.is_empty()), ("tag_sort", self.tag_sort.is_some())];
        for (key, is_given) in tag_keys {
            if is_given && self.version_type != VersionType::Tags {
                problems.add(key, "has an effect only with `version_type: tags`");
            }
        }
        let branch_keys =
            [("branch_filters", !self.branch_filters.is_empty()), ("branch_regex", self.branch_regex.is_some())];
        for (key, is_given) in branch_keys {
            if is_given && !is_of_branches {
                problems.add(key, "has an effect only with `version_type: branches` or `branch_heads`");
            }
        }
        if self.branch.is_some() && self.version_type == VersionType::BranchHeads {
            let hint = "filter branches with `branch_filters` or `branch_regex`; set the branch of a put in its params";
            let message = "cannot be used with `version_type: branch_heads`, which follows all branches";
            problems.add_with_hint("branch", message, hint);
        }
    }
}

/// The password in a URI if it contains an unencoded `/`. Parsers take the rest of such a password for the path.
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
        Some(_) => Err("has an unencoded `/` in its password; write it as `%2F`"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(json: serde_json::Value) -> Source {
        serde_json::from_value(json).unwrap()
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
