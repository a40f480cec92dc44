//! Parses GPG key ids and keyserver addresses.

use jetway::http::Url;

use crate::source::openpgp::PublicKey;

/// The default port of `hkp://` (draft-shaw-openpgp-hkp-00, section 2).
const HKP_PORT: u16 = 11371;

/// A key's fingerprint, or its last 16 digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyId(String);

impl KeyId {
    /// Parses a key id. A `0x` prefix and blanks are ignored.
    ///
    /// Refuses shorter ids: a key with a given 8-digit id can be generated within minutes.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(&digits);
        if matches!(digits.len(), 16 | 40) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(digits.to_ascii_uppercase()))
        } else {
            Err("must be a fingerprint of 40 hexadecimal digits or a key id of 16; shorter ids can be forged")
        }
    }

    /// The hexadecimal digits, in upper case.
    pub(crate) fn digits(&self) -> &str {
        &self.0
    }

    /// Whether `key` has this id.
    pub(crate) fn names(&self, key: &PublicKey) -> bool {
        key.fingerprint.ends_with(&self.0)
    }
}

/// Converts a keyserver address to an HTTP URL: `hkps://` becomes https; `hkp://` and a bare name become http on port
/// 11371.
pub(crate) fn keyserver_url(keyserver: &str) -> Result<String, &'static str> {
    const EXPECTED: &str = "must be the address of a keyserver, such as `hkps://keyserver.ubuntu.com`";
    let keyserver = keyserver.trim();
    let (scheme, authority) = keyserver.split_once("://").unwrap_or(("hkp", keyserver));
    let authority = authority.trim_end_matches('/');
    let (scheme, port) = match scheme.to_ascii_lowercase().as_str() {
        "hkp" => ("http", Some(HKP_PORT)),
        "http" => ("http", None),
        "hkps" | "https" => ("https", None),
        _ => return Err(EXPECTED),
    };
    let mut url = Url::parse(&format!("{scheme}://{authority}")).map_err(|_| EXPECTED)?;
    // The URL parser drops a default port, so look for a port in the text.
    let names_port = authority.rsplit(':').next().is_some_and(|end| end != authority && end.parse::<u16>().is_ok());
    if !url.has_host() || url.query().is_some() || url.fragment().is_some() {
        return Err(EXPECTED);
    }
    if let Some(port) = port
        && !names_port
    {
        url.set_port(Some(port)).map_err(|()| EXPECTED)?;
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_fingerprints_and_long_ids() {
        let key = PublicKey { fingerprint: "768B09F2EE90D197E8D507F0DA31C88D18B0AB9D".into(), parts: Vec::new() };
        for id in [
            "768B09F2EE90D197E8D507F0DA31C88D18B0AB9D",
            "0x768b 09f2 ee90 d197 e8d5  07f0 da31 c88d 18b0 ab9d",
            "DA31C88D18B0AB9D",
        ] {
            assert!(KeyId::parse(id).unwrap().names(&key), "{id}");
        }
        assert!(!KeyId::parse("768B09F2EE90D197").unwrap().names(&key));
        for id in ["", "18B0AB9D", "ada@example.com", "DA31C88D18B0AB9", "0xDA31C88D18B0AB9G", "--help"] {
            assert!(KeyId::parse(id).is_err(), "{id}");
        }
    }

    #[test]
    fn keyserver_addresses_become_http_urls() {
        for (keyserver, expected) in [
            ("hkps://keyserver.ubuntu.com", "https://keyserver.ubuntu.com"),
            ("hkp://keys.example/", "http://keys.example:11371"),
            ("hkp://keys.example:80", "http://keys.example"),
            ("hkp://[::1]", "http://[::1]:11371"),
            ("keys.example", "http://keys.example:11371"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://keys.example/sub/", "https://keys.example/sub"),
        ] {
            assert_eq!(keyserver_url(keyserver).as_deref(), Ok(expected), "{keyserver}");
        }
        for keyserver in ["", "ldap://keys.example", "hkps://", "a b", "hkps://x?y"] {
            assert!(keyserver_url(keyserver).is_err(), "{keyserver}");
        }
    }
}
