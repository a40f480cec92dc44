//! Parses commits from the object database.
//!
//! libgit2 refuses a commit with a malformed author line. Imported histories have such commits, and git reads them.
//! This parser leaves missing parts empty.

use anyhow::Context as _;
use git2::{ErrorCode, ObjectType, Oid, Repository, Time};
use jetway::{Result, anyhow};
use jetway_git_client::object_id::object_id;

/// A parsed commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RawCommit {
    pub(crate) tree: Option<Oid>,
    /// The parents that the commit names, even if the repository lacks them.
    pub(crate) parents: Vec<Oid>,
    pub(crate) author: Person,
    pub(crate) committer: Person,
    /// The message, converted to UTF-8 if the commit declares ISO-8859-1.
    pub(crate) message: Vec<u8>,
}

/// A name, an address and a time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) when: Time,
}

impl RawCommit {
    /// Reads a commit.
    pub(crate) fn read(repository: &Repository, id: Oid) -> Result<Self> {
        let database = repository.odb()?;
        let object = database.read(id).with_context(|| format!("cannot read commit `{id}`"))?;
        Ok(Self::parse(object.data()))
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
        let (header, rest) = bytes.split_at(end);
        let message = rest.get(2..).unwrap_or_default();
        let lines = || header.split(|byte| *byte == b'\n');
        let value = |name: &str| lines().find_map(|line| line.strip_prefix(name.as_bytes())).unwrap_or_default();
        let encoding = String::from_utf8_lossy(value("encoding ")).to_ascii_lowercase();
        let parents = lines().filter_map(|line| line.strip_prefix(b"parent "));
        Self {
            tree: hash(value("tree ")),
            parents: parents.filter_map(hash).collect(),
            author: Person::parse(value("author "), &encoding),
            committer: Person::parse(value("committer "), &encoding),
            message: if is_latin(&encoding) { decode(message, &encoding).into_bytes() } else { message.to_vec() },
        }
    }
}

/// Resolves an abbreviated hash to a commit in the repository; `None` if there is none.
pub(crate) fn by_prefix(repository: &Repository, hash_prefix: &str) -> Result<Option<Oid>> {
    let database = repository.odb()?;
    database.refresh()?;
    let Ok(prefix) = Oid::from_str_ext(hash_prefix, repository.object_format()) else { return Ok(None) };
    match database.exists_prefix(prefix, hash_prefix.len()) {
        Ok(found) => Ok(database.read_header(found).is_ok_and(|(_, kind)| kind == ObjectType::Commit).then_some(found)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) if error.code() == ErrorCode::Ambiguous => {
            Err(anyhow!("more than one object has a hash that begins with `{hash_prefix}`"))
        }
        Err(error) => Err(error).with_context(|| format!("cannot look for `{hash_prefix}`")),
    }
}

impl Person {
    /// Parses `NAME <EMAIL> SECONDS ZONE`.
    fn parse(line: &[u8], encoding: &str) -> Self {
        let text = decode(line, encoding);
        let (person, when) = text.rsplit_once('>').unwrap_or((&text, ""));
        let (name, email) = person.split_once('<').unwrap_or((person, ""));
        let mut words = when.split_whitespace();
        let seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
        let zone: i32 = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
        Self {
            name: name.trim().to_owned(),
            email: email.trim().to_owned(),
            when: Time::new(seconds, zone / 100 * 60 + zone % 100),
        }
    }
}

/// The sort key of tags, git's `creatordate`, in seconds since 1970: the tagger date of an annotated tag, or the
/// committer date of a commit. It is 0 if the tag has no date.
pub(crate) fn created(repository: &Repository, id: Oid) -> Result<i64> {
    let database = repository.odb()?;
    let object = database.read(id).with_context(|| format!("cannot read `{id}`"))?;
    let role = if object.kind() == ObjectType::Tag { "tagger " } else { "committer " };
    let header = object.data().split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let line = header.into_iter().find_map(|line| line.strip_prefix(role.as_bytes())).unwrap_or_default();
    Ok(Person::parse(line, "").when.seconds())
}

/// Peels an annotated tag, or a tag of a tag. Returns any other object unchanged.
pub(crate) fn peeled(repository: &Repository, id: Oid) -> Oid {
    let mut id = id;
    // A tag of a tag is rare. The bound prevents an endless loop.
    for _ in 0..8 {
        match repository.find_tag(id) {
            Ok(tag) => id = tag.target_id(),
            Err(_) => break,
        }
    }
    id
}

/// Reads only the parents of a commit.
pub(crate) fn parents(repository: &Repository, id: Oid) -> Result<Vec<Oid>> {
    let database = repository.odb()?;
    let object = database.read(id).with_context(|| format!("cannot read commit `{id}`"))?;
    let header = object.data().split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    Ok(header.filter_map(|line| hash(line.strip_prefix(b"parent ")?)).collect())
}

fn hash(text: &[u8]) -> Option<Oid> {
    object_id(std::str::from_utf8(text).ok()?).ok()
}

/// Whether the encoding is ISO-8859-1, where each byte is the code point of its character.
fn is_latin(encoding: &str) -> bool {
    matches!(encoding, "iso-8859-1" | "iso8859-1" | "latin1" | "latin-1")
}

fn decode(bytes: &[u8], encoding: &str) -> String {
    if is_latin(encoding) {
        bytes.iter().copied().map(char::from).collect()
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_all_parts_of_a_commit() {
        let parent = "1".repeat(40);
        let text = format!(
            "tree {parent}\nparent {parent}\nauthor Ada L <a@b> 1709251199 +0130\ncommitter C <c@d> 0 -0930\n\
             gpgsig x\n y\n\nSubject\n\nparent of all\n"
        );
        let commit = RawCommit::parse(text.as_bytes());
        assert_eq!(commit.parents, [Oid::from_str(&parent).unwrap()]);
        assert_eq!((commit.author.name.as_str(), commit.author.email.as_str()), ("Ada L", "a@b"));
        assert_eq!(commit.author.when, Time::new(1_709_251_199, 90));
        assert_eq!(commit.committer.when, Time::new(0, -570));
        assert_eq!(commit.message, b"Subject\n\nparent of all\n");
    }

    #[test]
    fn malformed_or_missing_parts_are_empty() {
        let commit = RawCommit::parse(b"tree x\nauthor broken 1600000000 +0000\n\nm");
        assert_eq!((commit.author.name.as_str(), commit.committer.name.as_str()), ("broken 1600000000 +0000", ""));
        assert_eq!(commit.message, b"m");
        assert_eq!(RawCommit::parse(b"").message, b"");
    }

    #[test]
    fn latin_1_commit_is_converted_to_utf_8() {
        let commit = RawCommit::parse(b"author J\xfcrgen <j@x> 0 +0000\nencoding ISO-8859-1\n\nGr\xfc\xdfe");
        assert_eq!(commit.author.name, "J\u{fc}rgen");
        assert_eq!(commit.message, "Gr\u{fc}\u{df}e".as_bytes());
    }
}
