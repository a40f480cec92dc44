//! Checks `OpenPGP` input (RFC 4880) before `gpgv` gets it: decodes the armour, and checks that a key is a public key and
//! that a signature is exactly one signature.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Packet tags (section 4.3).
mod tag {
    pub(super) const SIGNATURE: u8 = 2;
    pub(super) const SECRET_KEY: u8 = 5;
    pub(super) const PUBLIC_KEY: u8 = 6;
    pub(super) const SECRET_SUBKEY: u8 = 7;
    pub(super) const TRUST: u8 = 12;
    pub(super) const USER_ID: u8 = 13;
    pub(super) const PUBLIC_SUBKEY: u8 = 14;
    pub(super) const USER_ATTRIBUTE: u8 = 17;
}

/// A public key with its user ids, its subkeys and their signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// The fingerprint of the primary key: 40 hexadecimal digits in upper case.
    pub(crate) fingerprint: String,
    /// The primary key, then user ids, then subkeys (section 11.1).
    pub(crate) parts: Vec<KeyPacket>,
}

/// A packet of a public key and its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPacket {
    tag: u8,
    body: Vec<u8>,
    packet: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

impl PublicKey {
    /// All packets, in the format of a keyring.
    pub(crate) fn packets(&self) -> Vec<u8> {
        let packets = self.parts.iter().flat_map(|part| std::iter::once(&part.packet).chain(&part.signatures));
        packets.flatten().copied().collect()
    }

    /// Adds the packets and signatures that only the other copy of this key has. The copy of a renewed key has newer
    /// signatures with a later expiry date.
    fn merge(&mut self, other: Self) {
        for part in other.parts {
            let is_same = |known: &&mut KeyPacket| known.tag == part.tag && known.body == part.body;
            if let Some(known) = self.parts.iter_mut().find(is_same) {
                let new = part.signatures.into_iter().filter(|signature| !known.signatures.contains(signature));
                known.signatures.extend(new.collect::<Vec<_>>());
                continue;
            }
            let first_subkey = self.parts.iter().position(|known| known.tag == tag::PUBLIC_SUBKEY);
            let is_subkey = part.tag == tag::PUBLIC_SUBKEY;
            let end = first_subkey.filter(|_| !is_subkey).unwrap_or(self.parts.len());
            self.parts.insert(end, part);
        }
    }
}

/// Merges copies of the same key, and keeps the order. If a keyring has several copies of a key, `gpgv` uses the first
/// one, even if it has expired.
pub(crate) fn merged(keys: impl IntoIterator<Item = PublicKey>) -> Vec<PublicKey> {
    let mut merged: Vec<PublicKey> = Vec::new();
    for key in keys {
        match merged.iter_mut().find(|known| known.fingerprint == key.fingerprint) {
            Some(known) => known.merge(key),
            None => merged.push(key),
        }
    }
    merged
}

/// Parses the public keys in an armored text; at least one. The error says what was found instead.
pub(crate) fn public_keys(text: &str) -> Result<Vec<PublicKey>, &'static str> {
    if text.contains("-----BEGIN PGP PRIVATE KEY BLOCK-----") {
        return Err("a private key instead of the public key (`gpg --armor --export`)");
    }
    let mut keys: Vec<PublicKey> = Vec::new();
    for block in unarmored(text, &["PGP PUBLIC KEY BLOCK"])? {
        let mut rest = block.as_slice();
        while !rest.is_empty() {
            let (packet, after) = Packet::read(rest)?;
            rest = after;
            let part = || {
                let (tag, body, signatures) = (packet.tag, packet.body.to_vec(), Vec::new());
                KeyPacket { tag, body, packet: packet.whole.to_vec(), signatures }
            };
            match (packet.tag, keys.last_mut()) {
                (tag::PUBLIC_KEY, _) => {
                    keys.push(PublicKey { fingerprint: fingerprint(packet.body)?, parts: vec![part()] });
                }
                (tag::SECRET_KEY | tag::SECRET_SUBKEY, _) => {
                    return Err("a private key instead of the public key (`gpg --armor --export`)");
                }
                // The trust values of another keyring are meaningless here.
                (tag::TRUST, Some(_)) => {}
                (tag::SIGNATURE, Some(key)) => {
                    if let Some(part) = key.parts.last_mut() {
                        part.signatures.push(packet.whole.to_vec());
                    }
                }
                (tag::USER_ID | tag::PUBLIC_SUBKEY | tag::USER_ATTRIBUTE, Some(key)) => key.parts.push(part()),
                _ => return Err("packets that do not belong to a public key"),
            }
        }
    }
    // An empty key is an error: it comes from an unset variable, and must not turn verification off.
    if keys.is_empty() { Err("armour without a key") } else { Ok(keys) }
}

/// Decodes the signature in an armored text. There must be exactly one.
pub(crate) fn signature(text: &str) -> Result<Vec<u8>, &'static str> {
    // Old versions of gpg armored detached signatures as `PGP MESSAGE`.
    let blocks = unarmored(text, &["PGP SIGNATURE", "PGP MESSAGE"])?;
    let [block] = blocks.as_slice() else { return Err("more than one signature") };
    let (packet, rest) = Packet::read(block)?;
    if packet.tag == tag::SIGNATURE && rest.is_empty() {
        Ok(packet.whole.to_vec())
    } else {
        Err("packets other than one signature")
    }
}

/// Decodes all armored blocks of these kinds (section 6.2).
fn unarmored(text: &str, kinds: &[&str]) -> Result<Vec<Vec<u8>>, &'static str> {
    const NO_ARMOUR: &str = "text without `-----BEGIN PGP ...-----` and `-----END PGP ...-----` on lines of their own";
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let begins = |kind: &&&str| line == format!("-----BEGIN {kind}-----");
        let Some(kind) = kinds.iter().find(begins) else { continue };
        let end = format!("-----END {kind}-----");
        let (mut body, mut checksum, mut is_closed) = (String::new(), None, false);
        for line in lines.by_ref() {
            if line == end {
                is_closed = true;
                break;
            }
            // Skip header lines such as `Version: ...`. A line of base64 never has a colon.
            if let Some(sum) = line.strip_prefix('=') {
                checksum = Some(sum.to_owned());
            } else if !line.contains(':') {
                body.push_str(line);
            }
        }
        if !is_closed {
            return Err(NO_ARMOUR);
        }
        let bytes = STANDARD.decode(body).map_err(|_| "armour whose body is not base64")?;
        if let Some(sum) = checksum
            && STANDARD.decode(sum).ok().as_deref() != Some(&crc24(&bytes))
        {
            return Err("armour with a wrong checksum: the text was truncated or changed");
        }
        blocks.push(bytes);
    }
    if blocks.is_empty() { Err(NO_ARMOUR) } else { Ok(blocks) }
}

/// The checksum of armour (section 6.1).
fn crc24(bytes: &[u8]) -> [u8; 3] {
    let mut crc: u32 = 0x00b7_04ce;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    let [_, high, middle, low] = crc.to_be_bytes();
    [high, middle, low]
}

/// Computes a fingerprint (section 12.2).
fn fingerprint(key: &[u8]) -> Result<String, &'static str> {
    let length = u16::try_from(key.len()).map_err(|_| "a key that is too large")?;
    if key.first() != Some(&4) {
        return Err("a key of a version other than 4, which `gpgv` does not support");
    }
    let mut hashed = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
    hashed.update(&[0x99]);
    hashed.update(&length.to_be_bytes());
    hashed.update(key);
    Ok(hashed.finish().as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    }))
}

/// A packet.
struct Packet<'p> {
    tag: u8,
    body: &'p [u8],
    whole: &'p [u8],
}

impl<'p> Packet<'p> {
    /// Parses the first packet; returns it and the remaining bytes (section 4.2).
    fn read(bytes: &'p [u8]) -> Result<(Self, &'p [u8]), &'static str> {
        const CUT: &str = "truncated or malformed packets";
        let number = |bytes: &[u8]| bytes.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        let (first, rest) = bytes.split_first().filter(|(first, _)| *first & 0x80 != 0).ok_or(CUT)?;
        let (tag, width, length) = if first & 0x40 == 0 {
            // The old packet format: the length field has one, two or four bytes.
            let width = match first & 3 {
                0 => 1,
                1 => 2,
                2 => 4,
                _ => return Err(CUT),
            };
            (first >> 2 & 0x0f, width, number(rest.get(..width).ok_or(CUT)?))
        } else {
            let (width, length) = match *rest {
                [one @ ..=191, ..] => (1, usize::from(one)),
                [one @ 192..=223, two, ..] => (2, (usize::from(one) - 192) * 256 + usize::from(two) + 192),
                [255, ..] => (5, number(rest.get(1..5).ok_or(CUT)?)),
                _ => return Err(CUT),
            };
            (first & 0x3f, width, length)
        };
        let end = (1 + width).checked_add(length).ok_or(CUT)?;
        let (whole, after) = bytes.split_at_checked(end).ok_or(CUT)?;
        Ok((Self { tag, body: whole.get(1 + width..).unwrap_or_default(), whole }, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Exported with `gpg --armor --export`.
    const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawTfQBYJKwYBBAHaRw8BAQdA6YKgeFcQ62VgyBg3IGj3bL3RKpYK4dxA1BFq
n9Qq8BK0HUFkYSBGaXh0dXJlIDxhZGFAZXhhbXBsZS5jb20+iJAEExYIADgWIQR2
iwny7pDRl+jVB/DaMciNGLCrnQUCawTfQAIbAwULCQgHAgYVCgkICwIEFgIDAQIe
AQIXgAAKCRDaMciNGLCrnZn3AP9WcIJRcFjqDVYVheELljzw2O7uhU6m/PGAWY9E
j5f/SQEAg2YFGcPvtKmQXcGpYMpuYL2AvW98Lz3yFNN23H+fYgA=
=jVqi
-----END PGP PUBLIC KEY BLOCK-----
";
    const FINGERPRINT: &str = "768B09F2EE90D197E8D507F0DA31C88D18B0AB9D";

    #[test]
    fn parses_the_fingerprint_of_a_public_key() {
        let keys = public_keys(KEY).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].fingerprint, FINGERPRINT);
        let twice = format!("My keys:\n{KEY}\r\n{}", KEY.replace('\n', "\r\n"));
        assert_eq!(public_keys(&twice).unwrap(), [keys[0].clone(), keys[0].clone()]);
    }

    #[test]
    fn copies_of_a_key_are_merged_into_one() {
        let packet = |tag: u8, body: &[u8]| [[0xc0 | tag, u8::try_from(body.len()).unwrap()].as_slice(), body].concat();
        let armour = |packets: &[Vec<u8>]| {
            let body = STANDARD.encode(packets.concat());
            format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{body}\n-----END PGP PUBLIC KEY BLOCK-----\n")
        };
        let (primary, user, subkey) = (packet(6, b"\x04p"), packet(13, b"ada"), packet(14, b"\x04s"));
        let (old, new, binding, other) =
            (packet(2, b"old"), packet(2, b"new"), packet(2, b"binding"), packet(13, b"other"));
        let expired = armour(&[primary.clone(), user.clone(), old.clone(), subkey.clone(), binding.clone()]);
        let renewed = armour(&[primary.clone(), user.clone(), new.clone(), other.clone(), old.clone()]);
        let merged_from = |texts: [&str; 2]| merged(texts.iter().flat_map(|text| public_keys(text).unwrap()));
        let keys = merged_from([&expired, &renewed]);
        let expected = [&primary, &user, &old, &new, &other, &old, &subkey, &binding].map(Clone::clone).concat();
        assert_eq!(keys.iter().map(PublicKey::packets).collect::<Vec<_>>(), [expected]);
        let expected = [&primary, &user, &new, &old, &other, &old, &subkey, &binding].map(Clone::clone).concat();
        assert_eq!(merged_from([&renewed, &expired])[0].packets(), expected);
        assert_eq!(merged_from([&expired, &expired]), public_keys(&expired).unwrap());
    }

    #[test]
    fn refuses_text_that_is_not_a_public_key() {
        let private = KEY.replace("PUBLIC", "PRIVATE");
        let damaged = KEY.replacen("mDME", "mDMF", 1);
        let armoured = |bytes: &[u8]| {
            format!(
                "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{}\n-----END PGP PUBLIC KEY BLOCK-----",
                STANDARD.encode(bytes)
            )
        };
        let short = &KEY[..200];
        for (text, expected) in [
            ("", "text without"),
            ("ssh-ed25519 AAAA", "text without"),
            (short, "text without"),
            (&private, "a private key"),
            (&damaged, "checksum"),
            (&KEY.replace('x', "#"), "not base64"),
            (&armoured(b"\x94\x01\x04"), "a private key"),
            (&armoured(b"\x98\x01\x03"), "other than 4"),
            (&armoured(b"\x98\x09\x04"), "truncated"),
            (&armoured(b"\xd1\x01\x04"), "not belong to a public key"),
            (&armoured(b"plain"), "truncated"),
            (&armoured(b""), "without a key"),
            (&armoured(b"").replace("\n\n\n", "\n"), "without a key"),
        ] {
            let problem = public_keys(text).unwrap_err();
            assert!(problem.contains(expected), "{problem}: {text}");
        }
    }

    #[test]
    fn refuses_anything_but_exactly_one_signature() {
        let armoured = |bytes: &[u8]| {
            format!(
                "-----BEGIN PGP SIGNATURE-----\nVersion: x\n\n{}\n-----END PGP SIGNATURE-----\n",
                STANDARD.encode(bytes)
            )
        };
        assert_eq!(signature(&armoured(b"\x88\x02\x04\x00")).unwrap(), b"\x88\x02\x04\x00");
        assert_eq!(signature(&armoured(b"\xc2\x02\x04\x00")).unwrap(), b"\xc2\x02\x04\x00");
        // A signature with embedded text, which some programs mistake for the signed content.
        assert!(signature(&armoured(b"\x88\x01\x04\xcb\x01x")).is_err());
        assert!(signature(&armoured(b"\x88\x01\x04\x88\x01\x04")).is_err());
        assert!(signature(&armoured(b"\x88\x01\x04").repeat(2)).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_in_armour_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for kind in ["PUBLIC KEY BLOCK", "SIGNATURE"] {
                let body = STANDARD.encode(&bytes);
                let text = format!("-----BEGIN PGP {kind}-----\n\n{body}\n-----END PGP {kind}-----\n");
                // The result consists of whole packets, and is not longer than the input.
                prop_assert!(public_keys(&text).map_or(0, |keys| keys.iter().map(|key| key.packets().len()).sum()) <= bytes.len());
                prop_assert!(signature(&text).map_or(true, |signature| signature == bytes));
            }
        }

        #[test]
        fn damaged_key_is_refused_or_parsed(
            at in 0..KEY.len(), with in "[ -~\n]{0,3}", length in 0_usize..60
        ) {
            let end = (at + length).min(KEY.len());
            let text = format!("{}{with}{}", &KEY[..at], &KEY[end..]);
            for key in public_keys(&text).unwrap_or_default() {
                prop_assert_eq!(key.fingerprint.len(), 40);
            }
        }
    }
}
