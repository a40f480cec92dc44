//! Object hashes in both formats: SHA-1 with 40 digits, and SHA-256 with 64 (`extensions.objectFormat` in
//! git-config(1)).

use git2::{ObjectFormat, Oid};

/// The number of digits of a SHA-256 hash.
const SHA256_DIGITS: usize = 64;

/// Parses a full hash.
pub fn object_id(hash: &str) -> Result<Oid, git2::Error> {
    Oid::from_str_ext(hash, format_of(hash))
}

/// The object format of a full hash.
pub fn format_of(hash: &str) -> ObjectFormat {
    if hash.len() == SHA256_DIGITS { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 }
}

/// The other format.
pub fn other_format(format: ObjectFormat) -> ObjectFormat {
    match format {
        ObjectFormat::Sha1 => ObjectFormat::Sha256,
        ObjectFormat::Sha256 => ObjectFormat::Sha1,
    }
}

/// The hash of the empty tree. git knows this tree even if the repository lacks the object.
pub fn empty_tree(format: ObjectFormat) -> &'static str {
    match format {
        ObjectFormat::Sha1 => "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        ObjectFormat::Sha256 => "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_digits_determines_the_format() {
        for (digits, format) in [(40, ObjectFormat::Sha1), (64, ObjectFormat::Sha256)] {
            let hash = "a".repeat(digits);
            let id = object_id(&hash).unwrap();
            assert_eq!((id.to_string(), id.object_format()), (hash, format));
            assert_eq!(empty_tree(format).len(), digits);
        }
        assert!(object_id("x").is_err());
    }
}
