//! Checks the format of a private SSH key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The first bytes of a decoded OpenSSH key (`PROTOCOL.key` in OpenSSH's sources).
const OPENSSH_MAGIC: &[u8] = b"openssh-key-v1\0";

/// Checks that the key is well-formed, and that an encrypted key has a passphrase.
pub fn check_format(key: &str, has_passphrase: bool) -> Result<(), &'static str> {
    let lines: Vec<&str> = key.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let armoured =
        lines.first().is_some_and(|line| line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----"))
            && lines.last().is_some_and(|line| line.starts_with("-----END "));
    if !armoured {
        return Err(
            "is not a private key (expected `-----BEGIN ... PRIVATE KEY-----` to `-----END ...-----`, with its \
                    line breaks)",
        );
    }
    if lines.len() < 3 {
        return Err("has lost its line breaks; in YAML, write it as a block after `|`");
    }
    if is_encrypted(&lines) && !has_passphrase {
        return Err("Private key has a passphrase but private_key_passphrase has not been set.");
    }
    Ok(())
}

fn is_encrypted(lines: &[&str]) -> bool {
    let pem = |line: &&str| line.contains("ENCRYPTED");
    if lines.iter().take(3).any(pem) {
        return true;
    }
    let body: String = lines.iter().copied().filter(|line| !line.starts_with("-----")).collect();
    let Ok(bytes) = STANDARD.decode(body) else { return false };
    // After the magic comes the cipher name, a string with a length prefix. It is "none" if the key is not encrypted.
    bytes.strip_prefix(OPENSSH_MAGIC).is_some_and(|rest| !rest.starts_with(b"\0\0\0\x04none"))
}

/// The key in the format that ssh accepts: LF line endings, one at the end, and no blanks around the lines. YAML and
/// secret stores may indent the lines.
pub(crate) fn normalised(key: &str) -> String {
    let mut text = key.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openssh(cipher: &str) -> String {
        let mut bytes = OPENSSH_MAGIC.to_vec();
        bytes.extend_from_slice(&u32::try_from(cipher.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(cipher.as_bytes());
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n", STANDARD.encode(bytes))
    }

    #[test]
    fn encrypted_key_needs_a_passphrase() {
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nabcd\n-----END RSA PRIVATE KEY-----";
        for key in [openssh("aes256-ctr").as_str(), pem] {
            assert!(check_format(key, false).unwrap_err().contains("private_key_passphrase has not been set"));
            assert_eq!(check_format(key, true), Ok(()));
        }
        assert_eq!(check_format(&openssh("none"), false), Ok(()));
    }

    #[test]
    fn refuses_text_that_is_not_a_key() {
        assert!(check_format("ssh-ed25519 AAAA me", false).unwrap_err().contains("not a private key"));
        let one_line = openssh("none").replace('\n', " ");
        assert!(check_format(&one_line, false).is_err());
    }

    #[test]
    fn line_endings_are_normalised() {
        assert_eq!(normalised("\n-----BEGIN\r\nx \r\n-----END"), "-----BEGIN\nx\n-----END\n");
        let indented = "  -----BEGIN\n  DEK-Info: x\n  \n\tbody\n  -----END\n \n";
        assert_eq!(normalised(indented), "-----BEGIN\nDEK-Info: x\n\nbody\n-----END\n");
    }
}
