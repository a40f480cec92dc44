//! Splits a commit into its signature and the signed content, which is the commit without the signature headers
//! (gitformat-signature(5)). libgit2 is not used for this, because it also accepts a signature in the commit message.

use git2::ObjectFormat;
use jetway::{Result, anyhow};

/// The signature header in a SHA-1 repository.
const SHA1: &[u8] = b"gpgsig";

/// The signature header in a SHA-256 repository. A commit may have both headers; git removes both from the signed
/// content.
const SHA256: &[u8] = b"gpgsig-sha256";

/// A commit, split into its signature and the signed content.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SignedCommit {
    /// The armored signature.
    pub(crate) signature: String,
    /// The commit without its signature headers.
    pub(crate) content: Vec<u8>,
}

impl SignedCommit {
    /// Splits a commit of a repository with this object format; `None` if it has no signature.
    pub(crate) fn parse(commit: &[u8], format: ObjectFormat) -> Result<Option<Self>> {
        let (own, other) = match format {
            ObjectFormat::Sha1 => (SHA1, SHA256),
            ObjectFormat::Sha256 => (SHA256, SHA1),
        };
        let mut content = Vec::with_capacity(commit.len());
        let mut signature: Option<Vec<u8>> = None;
        // The current header. Its continuation lines begin with a blank.
        let mut header: &[u8] = b"";
        let mut rest = commit;
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at(end);
            if line.is_empty() || line == b"\n" {
                // The rest is the message, which may contain any text.
                content.extend_from_slice(rest);
                break;
            }
            let value = if let Some(value) = line.strip_prefix(b" ") {
                value
            } else {
                let blank = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
                let (name, value) = line.split_at(blank);
                header = name;
                if header == own && signature.is_some() {
                    return Err(anyhow!("it has more than one signature"));
                }
                value.get(1..).unwrap_or_default()
            };
            if header == own {
                signature.get_or_insert_default().extend_from_slice(value);
            } else if header != other {
                content.extend_from_slice(line);
            }
            rest = after;
        }
        let Some(signature) = signature else { return Ok(None) };
        let signature = String::from_utf8(signature).map_err(|_| anyhow!("its signature is not text"))?;
        Ok(Some(Self { signature, content }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signed(commit: &str) -> Option<(String, String)> {
        let signed = SignedCommit::parse(commit.as_bytes(), ObjectFormat::Sha1).unwrap()?;
        Some((signed.signature, String::from_utf8(signed.content).unwrap()))
    }

    #[test]
    fn signature_is_extracted_from_the_header() {
        let commit = "tree 1\nauthor A\ngpgsig BEGIN\n \n abc\n END\ngpgsig-sha256 x\n y\nencoding z\n\nMessage\n";
        let content = "tree 1\nauthor A\nencoding z\n\nMessage\n";
        assert_eq!(signed(commit), Some(("BEGIN\n\nabc\nEND\n".to_owned(), content.to_owned())));
        let signed = SignedCommit::parse(commit.as_bytes(), ObjectFormat::Sha256).unwrap().unwrap();
        assert_eq!(signed, SignedCommit { signature: "x\ny\n".to_owned(), content: content.as_bytes().to_vec() });
    }

    #[test]
    fn signature_in_message_or_other_headers_is_ignored() {
        assert_eq!(signed("tree 1\nmergetag object 2\n gpgsig x\n\ngpgsig BEGIN\n END\n"), None);
        assert_eq!(signed("tree 1"), None);
        assert_eq!(signed(""), None);
    }

    #[test]
    fn refuses_a_second_signature() {
        assert!(SignedCommit::parse(b"tree 1\ngpgsig a\ngpgsig b\n\nm", ObjectFormat::Sha1).is_err());
    }

    proptest! {
        #[test]
        fn signed_content_is_the_commit_without_its_signature(
            before in "([a-z]{1,9} [ -~]{0,9}\n( [ -~]{0,9}\n)?){0,3}",
            signature in "[ -~]{1,20}(\n[ -~]{0,20}){0,3}",
            after in "([a-z]{1,9} [ -~]{0,9}\n){0,3}",
            message in "[ -~\n]{0,40}",
        ) {
            prop_assume!(!before.contains("gpgsig") && !after.contains("gpgsig"));
            let header = signature.replace('\n', "\n ");
            let commit = format!("tree 1\n{before}gpgsig {header}\n{after}\n{message}");
            let found = signed(&commit);
            prop_assert_eq!(found, Some((format!("{signature}\n"), format!("tree 1\n{before}{after}\n{message}"))));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = SignedCommit::parse(&bytes, ObjectFormat::Sha1);
        }
    }
}
