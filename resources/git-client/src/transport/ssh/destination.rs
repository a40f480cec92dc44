//! Parses the arguments that git passes to ssh: user, host, port and repository.

use std::ffi::OsString;

use crate::source::address::Address;
use crate::source::submodule_credentials::is_same_repository;

/// The options of ssh(1) that have a value, in the same argument or the next one.
const WITH_VALUE: &str = "BbcDEeFIiJLlmOopPQRSWw";

/// The destination in arguments such as `[-o SendEnv=GIT_PROTOCOL] [-p PORT] [USER@]HOST "git-upload-pack 'PATH'"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) user: Option<String>,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// The path of the repository on the server.
    path: String,
}

impl Destination {
    /// Parses the arguments; `None` if they have no host.
    pub(super) fn of(arguments: &[OsString]) -> Option<Self> {
        let mut arguments = arguments.iter().map(|argument| argument.to_string_lossy());
        let mut port = None;
        let named = loop {
            let argument = arguments.next()?;
            if argument == "--" {
                break arguments.next()?;
            }
            let Some(options) = argument.strip_prefix('-') else { break argument };
            // One argument may combine several options without a value.
            let Some((at, option)) = options.char_indices().find(|(_, option)| WITH_VALUE.contains(*option)) else {
                continue;
            };
            let inside = options.get(at + option.len_utf8()..).filter(|value| !value.is_empty()).map(str::to_owned);
            let value = inside.or_else(|| arguments.next().map(std::borrow::Cow::into_owned))?;
            if option == 'p' {
                port = value.parse().ok();
            }
        };
        let (user, host) = match named.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, &*named),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let command: Vec<String> = arguments.map(std::borrow::Cow::into_owned).collect();
        Some(Self { user, host, port, path: repository_path(&command.join(" ")) })
    }

    /// Whether the destination is the repository at `address`.
    pub(super) fn is_repository_at(&self, address: &str) -> bool {
        Address::parse(address).is_some_and(|entry| is_same_repository(&entry, &self.host, self.port, &self.path))
    }
}

/// The first argument of the remote command, unquoted. git quotes `'` and `!` as `'\''` and `'\!'`.
fn repository_path(command: &str) -> String {
    let rest = command.split_once(' ').map_or("", |(_, rest)| rest.trim_start());
    let mut word = String::new();
    let mut is_quoted = false;
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => is_quoted = !is_quoted,
            '\\' if !is_quoted => word.extend(characters.next()),
            ' ' if !is_quoted => break,
            other => word.push(other),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> Option<Destination> {
        Destination::of(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn parses_arguments_of_git() {
        let options = ["-o", "SendEnv=GIT_PROTOCOL", "-4", "-p", "2222", "git@host", "git-upload-pack '/a b/c.git'"];
        let destination = of(&options).unwrap();
        let expected = Destination {
            user: Some("git".to_owned()),
            host: "host".to_owned(),
            port: Some(2222),
            path: "/a b/c.git".to_owned(),
        };
        assert_eq!(destination, expected);
        assert!(destination.is_repository_at("ssh://git@HOST:2222/a b/c"));
        let lfs = of(&["-oControlMaster=no", "-p22", "--", "::1", "git-lfs-authenticate a/b.git download"]).unwrap();
        assert_eq!((lfs.host.as_str(), lfs.port, lfs.path.as_str()), ("::1", Some(22), "a/b.git"));
        assert!(lfs.is_repository_at("[::1]:a/b") && !lfs.is_repository_at("ssh://[::1]:2222/a/b"));
    }

    #[test]
    fn unquotes_the_path() {
        assert_eq!(of(&["h", r"git-receive-pack 'a'\''b'\!'c'"]).unwrap().path, "a'b!c");
    }

    #[test]
    fn arguments_without_a_host_have_no_destination() {
        for arguments in [&[][..], &["-V"], &["-p"]] {
            assert_eq!(of(arguments), None);
        }
    }
}
