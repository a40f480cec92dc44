//! Digests: content addresses, and their verification.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Algorithm, Context, SHA256, SHA512, digest};
use jetway::hex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A digest as registries write it: `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest {
    kind: Kind,
    hex: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Sha256,
    Sha512,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Sha256 => &SHA256,
            Self::Sha512 => &SHA512,
        }
    }
}

impl Digest {
    /// The SHA-256 of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { kind: Kind::Sha256, hex: hex(digest(&SHA256, bytes).as_ref()) }
    }

    /// The name of the algorithm, `sha256`.
    pub(crate) fn algorithm(&self) -> &'static str {
        self.kind.name()
    }

    /// The hexadecimal digits.
    pub(crate) fn hex(&self) -> &str {
        &self.hex
    }

    /// Whether this is the digest of `bytes`.
    pub(crate) fn is_of(&self, bytes: &[u8]) -> bool {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        hasher.finish() == *self
    }

    /// A hasher with this digest's algorithm.
    pub(crate) fn hasher(&self) -> Hasher {
        Hasher { kind: self.kind, context: Context::new(self.kind.algorithm()) }
    }
}

/// Hashes content in pieces.
#[derive(Clone)]
pub(crate) struct Hasher {
    kind: Kind,
    context: Context,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hasher").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Hasher {
    /// A hasher for SHA-256.
    pub(crate) fn sha256() -> Self {
        Self { kind: Kind::Sha256, context: Context::new(&SHA256) }
    }

    /// Adds a piece.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// The digest of all pieces.
    pub(crate) fn finish(self) -> Digest {
        Digest { kind: self.kind, hex: hex(self.context.finish().as_ref()) }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.kind.name(), self.hex)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected a digest: `sha256:` and 64 lower-case hexadecimal digits".to_owned();
        let (name, hex) = text.split_once(':').ok_or_else(wrong)?;
        let kind = [Kind::Sha256, Kind::Sha512].into_iter().find(|kind| kind.name() == name).ok_or_else(wrong)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() != 2 * kind.algorithm().output_len() || !hex.bytes().all(is_digit) {
            return Err(wrong());
        }
        Ok(Self { kind, hex: hex.to_owned() })
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn hasher_computes_digest() {
        let digest: Digest = ABC.parse().unwrap();
        assert!(digest.is_of(b"abc") && !digest.is_of(b"abd"));
        assert_eq!(Digest::of(b"abc").to_string(), ABC);
        let long = format!("sha512:{}", "0".repeat(128));
        assert!(!long.parse::<Digest>().unwrap().is_of(b"abc"));
    }

    #[test]
    fn rejects_malformed_digests() {
        for text in
            ["", "sha256", "sha256:", "md5:0", &ABC.to_uppercase(), &ABC[..70], &format!("{ABC}0"), "sha256:../x"]
        {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
