//! Validates `ca_certs` and `known_hosts`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::Problems;
use jetway::http::HttpSettings;

/// Adds a problem for each invalid value.
pub(crate) fn validate(ca_certs: &[String], known_hosts: Option<&str>, problems: &mut Problems) {
    HttpSettings { ca_certs: ca_certs.to_vec(), ..HttpSettings::default() }.validate(problems);
    let lines = known_hosts.unwrap_or_default().lines().enumerate();
    if let Some((index, _)) = lines.into_iter().find(|(_, line)| !is_known_host(line)) {
        problems.add_with_hint(
            "known_hosts",
            format!("line {} is not a `known_hosts` line", index + 1),
            "a line has a host, a key type and a key; `ssh-keyscan HOST` prints such lines",
        );
    }
}

/// Whether a line is valid in a `known_hosts` file (`sshd(8)`).
fn is_known_host(line: &str) -> bool {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return true;
    }
    let mut words = line.split_whitespace().skip(usize::from(line.starts_with('@'))).skip(1);
    let (kind, key) = (words.next(), words.next());
    kind.is_some_and(|kind| kind.contains('-')) && key.is_some_and(|key| STANDARD.decode(key).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_known_hosts_lines() {
        for line in ["", "# x", "host ssh-ed25519 AAAA comment", "[h]:22,10.0.0.1 ecdsa-sha2-nistp256 AAAA"] {
            assert!(is_known_host(line), "{line}");
        }
        assert!(is_known_host("@cert-authority *.example ssh-rsa AAAA") && is_known_host("|1|aa=|bb= ssh-rsa AAAA"));
        for line in ["host", "ssh-ed25519 AAAA", "host ssh-ed25519", "host ssh-ed25519 ???", "@revoked ssh-rsa AAAA"] {
            assert!(!is_known_host(line), "{line}");
        }
    }
}
