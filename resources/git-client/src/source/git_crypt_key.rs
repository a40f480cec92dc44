//! Decodes `git_crypt_key`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The first bytes of a key file (`key.cpp` in git-crypt's sources).
const MAGIC: &[u8] = b"\0GITCRYPTKEY";

/// Decodes a key file from base64. Blanks are ignored: YAML may turn line breaks into blanks.
pub fn decode(base64: &str) -> Result<Vec<u8>, &'static str> {
    let text: String = base64.split_whitespace().collect();
    let bytes = STANDARD.decode(text).map_err(|_| "is not base64")?;
    if bytes.starts_with(MAGIC) {
        Ok(bytes)
    } else {
        Err("is valid base64, but not a git-crypt key (expected the output of `git-crypt export-key`)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_may_contain_white_space() {
        let file = [MAGIC, b"\0\0\0\x02 and so on, long enough to be broken into more than a line"].concat();
        let text = STANDARD.encode(&file);
        let (first, second) = text.split_at(20);
        for written in [text.clone(), format!("{first} {second}\n"), format!("{first}\r\n{second}")] {
            assert_eq!(decode(&written).unwrap(), file);
        }
        assert!(decode("not base64!").unwrap_err().contains("not base64"));
        assert!(decode("").unwrap_err().contains("git-crypt export-key"));
        assert!(decode(&STANDARD.encode("hello")).unwrap_err().contains("git-crypt export-key"));
    }
}
