//! Validates the keys for verifying signatures.

use jetway::Problems;

use crate::source::key_id::{self, KeyId};
use crate::source::{Source, openpgp};

/// Adds a problem for each invalid key.
pub(crate) fn validate(source: &Source, problems: &mut Problems) {
    for (index, key) in source.commit_verification_keys.iter().enumerate() {
        if let Err(found) = openpgp::public_keys(key) {
            problems.add(format!("commit_verification_keys[{index}]"), format!("Invalid GPG key in: {found}"));
        }
    }
    for (index, id) in source.commit_verification_key_ids.iter().enumerate() {
        if let Err(problem) = KeyId::parse(id) {
            problems.add(format!("commit_verification_key_ids[{index}]"), problem);
        }
    }
    if !source.commit_verification_key_ids.is_empty()
        && let Err(problem) = key_id::keyserver_url(&source.gpg_keyserver)
    {
        problems.add("gpg_keyserver", problem);
    }
    if let Some(Err(problem)) = source.allowed_signers.as_deref().map(check_allowed_signers) {
        problems.add("allowed_signers", problem);
    }
}

/// Checks that each line of `text` is an allowed signer (ssh-keygen(1), "ALLOWED SIGNERS"): principals, options, key
/// type and key.
fn check_allowed_signers(text: &str) -> Result<(), String> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index, line.trim()));
    let is_type = |word: &str| ["ssh-", "ecdsa-", "sk-"].iter().any(|kind| word.starts_with(kind));
    let is_signer = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        words.windows(2).any(|pair| matches!(pair, [kind, key] if is_type(kind) && key.starts_with("AAAA")))
    };
    let is_entry = |line: &str| !line.is_empty() && !line.starts_with('#');
    if let Some((index, _)) = lines.clone().find(|(_, line)| is_entry(line) && !is_signer(line)) {
        return Err(format!("has no SSH public key in line {} (expected `NAME ssh-ed25519 AAAA...`)", index + 1));
    }
    // An empty text is an error: it probably comes from an unset variable.
    if lines.any(|(_, line)| is_entry(line)) { Ok(()) } else { Err("must not be empty".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_signers_need_a_key_on_each_line() {
        let line = "ada@example.com,*@example.org namespaces=\"git\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 comment";
        assert_eq!(check_allowed_signers(&format!("# ours\n\n{line}\n")), Ok(()));
        for (text, expected) in [
            ("", "empty"),
            ("# no entry\n", "empty"),
            (&format!("{line}\nada@example.com"), "line 2"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "line 1"),
        ] {
            assert!(check_allowed_signers(text).unwrap_err().contains(expected), "{text}");
        }
    }
}
