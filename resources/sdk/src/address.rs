//! The login in an address: `user:password@host`, or a token instead of the user.

use crate::encoding::percent_decode;

/// The shortest token. Without a password, only the length distinguishes a token from a user name.
const MIN_TOKEN_LENGTH: usize = 20;

/// The password that GitHub accepts with a token as the user name.
const NO_PASSWORD: &str = "x-oauth-basic";

/// The secrets in an address: the password or the token, both as written and percent-decoded. The address may lack a scheme, like
/// that of a proxy.
pub fn address_secrets(address: &str) -> Vec<String> {
    let Some(secret) = userinfo(address).and_then(userinfo_secret).filter(|secret| !secret.is_empty()) else {
        return Vec::new();
    };
    let decoded = percent_decode(secret);
    let mut secrets = vec![secret.to_owned()];
    if decoded != secret {
        secrets.push(decoded);
    }
    secrets
}

/// The secret in the part before the `@`, as written: the password, or a token instead of the user.
pub fn userinfo_secret(userinfo: &str) -> Option<&str> {
    match userinfo.split_once(':') {
        Some((user, "" | NO_PASSWORD)) => Some(user),
        Some((_, password)) => Some(password),
        None => Some(userinfo).filter(|user| user.len() >= MIN_TOKEN_LENGTH),
    }
}

/// The part before the `@`.
fn userinfo(address: &str) -> Option<&str> {
    let address = address.trim();
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    authority.rsplit_once('@').map(|(userinfo, _)| userinfo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_passwords_and_tokens_as_written_and_decoded() {
        let token = "ghp_0123456789abcdefghij";
        for (address, secrets) in [
            ("https://bob:p%40ss@host/x", &["p%40ss", "p@ss"][..]),
            ("bob:pass@proxy:3128", &["pass"]),
            ("socks5h://bob:pass@proxy", &["pass"]),
            (&format!("https://{token}@host/x"), &[token]),
            (&format!("https://{token}:@host/x"), &[token]),
            (&format!("https://{token}:x-oauth-basic@host"), &[token]),
            ("https://bob@host/x", &[]),
            ("https://host/a@b:c@d", &[]),
            ("proxy:3128", &[]),
        ] {
            assert_eq!(address_secrets(address), secrets, "{address}");
        }
    }
}
