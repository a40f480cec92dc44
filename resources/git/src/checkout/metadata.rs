//! The metadata of a commit, for Concourse and in files for the following tasks.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use git2::{Oid, Repository, Time};
use jetway::{Metadata, Result};
use jetway_git_client::transport::git::Git;
use jiff::Timestamp;
use jiff::tz::Offset;

use crate::checkout::describe;
use crate::checkout::web_url;
use crate::raw_commit::{self, RawCommit};

/// The longest commit message in the metadata, in bytes. Concourse stores it with every version.
const MAX_MESSAGE_BYTES: usize = 10_240;

/// The length of the ref in `.git/short_ref`.
const SHORT_REF: usize = 7;

/// The metadata of the commit at a repository's HEAD.
pub(crate) struct CommitFacts {
    commit: String,
    author: String,
    author_email: String,
    author_date: String,
    committer: String,
    committer_date: String,
    branches: String,
    tags: String,
    message: Vec<u8>,
    url: Option<String>,
}

impl CommitFacts {
    /// Reads the commit at HEAD. `address` is that of the remote repository.
    pub(crate) fn of_head(repository: &Repository, address: &str) -> Result<Self> {
        let read = || {
            let id = repository.refname_to_id("HEAD")?;
            Self::of_commit(repository, id, address)
        };
        read().context("cannot read the commit at HEAD")
    }

    fn of_commit(repository: &Repository, id: Oid, address: &str) -> Result<Self> {
        let RawCommit { author, committer, message, .. } = RawCommit::read(repository, id)?;
        let (author_date, committer_date) = (date(author.when), date(committer.when));
        Ok(Self {
            url: web_url::of_commit(address, &id.to_string()),
            commit: id.to_string(),
            author: author.name,
            author_email: author.email,
            author_date,
            committer: committer.name,
            committer_date,
            branches: names_at(repository, id, "refs/heads/")?,
            tags: names_at(repository, id, "refs/tags/")?,
            message,
        })
    }

    /// The commit's hash.
    pub(crate) fn hash(&self) -> &str {
        &self.commit
    }

    /// The first line of the message.
    pub(crate) fn subject(&self) -> String {
        String::from_utf8_lossy(&self.message).lines().next().unwrap_or_default().to_owned()
    }

    /// The metadata in the established resource's order.
    pub(crate) fn metadata(&self) -> Vec<Metadata> {
        let mut metadata = vec![
            Metadata::new("commit", &self.commit),
            Metadata::new("author", &self.author),
            Metadata::typed("author_date", &self.author_date, "time"),
            Metadata::new("committer", &self.committer),
            Metadata::typed("committer_date", &self.committer_date, "time"),
        ];
        if !self.branches.is_empty() {
            metadata.push(Metadata::new("branch", &self.branches));
        }
        if !self.tags.is_empty() {
            metadata.push(Metadata::new("tags", &self.tags));
        }
        metadata.push(Metadata::typed("message", cut(&self.message, MAX_MESSAGE_BYTES), "message"));
        if let Some(url) = &self.url {
            metadata.push(Metadata::new("url", url));
        }
        metadata
    }

    /// Writes the metadata files into the repository's `.git`.
    pub(crate) async fn write_files(
        &self,
        git: &Git<'_>,
        repository: &Repository,
        directory: &Path,
        reference: &str,
        formats: &Formats<'_>,
    ) -> Result<()> {
        let (timestamp, described) = (
            self.timestamp(git, directory, formats).await?,
            describe::text(git, repository, directory, formats.describe, formats.has_default_settings).await?,
        );
        let line = |text: &str| if text.is_empty() { Vec::new() } else { format!("{text}\n").into_bytes() };
        let short: String = reference.chars().take(SHORT_REF).collect();
        let metadata = serde_json::to_string_pretty(&self.metadata()).context("cannot write the metadata")?;
        let files: [(&str, Vec<u8>); 15] = [
            ("ref", format!("{reference}\n").into_bytes()),
            ("short_ref", format_short_ref(formats.short_ref, &short).into_bytes()),
            ("commit", line(&self.commit)),
            ("author", line(&self.author)),
            ("author_date", line(&self.author_date)),
            // These two files contain the author: tasks use them to notify the author of a change, and the committer of
            // a merge may be the hosting service.
            ("committer", self.author_email.clone().into_bytes()),
            ("committer_name", self.author.clone().into_bytes()),
            ("committer_date", line(&self.committer_date)),
            ("branch", line(&self.branches)),
            ("tags", line(&self.tags)),
            ("url", line(self.url.as_deref().unwrap_or_default())),
            ("commit_message", self.message.clone()),
            ("commit_timestamp", line(&timestamp)),
            ("describe_ref", format!("{described}\n").into_bytes()),
            ("metadata.json", format!("{metadata}\n").into_bytes()),
        ];
        for (name, content) in files {
            write(&repository.path().join(name), &content)?;
        }
        if let Some(tag) = formats.tag {
            write(&repository.path().join("tag"), &line(tag))?;
        }
        Ok(())
    }

    /// The commit time in the format of `timestamp_format`.
    async fn timestamp(&self, git: &Git<'_>, directory: &Path, formats: &Formats<'_>) -> Result<String> {
        if matches!(formats.timestamp, "iso8601" | "iso") {
            return Ok(self.committer_date.clone());
        }
        let log = git.command("log").directory(directory).args(["-1", "--format=%cd"]).quiet();
        let log = log.arg(format!("--date={}", formats.timestamp)).arg("--").run().await?;
        Ok(log.success().context("cannot format the commit time with `timestamp_format`")?.text())
    }
}

/// The formats of the metadata files, from the params of a get.
pub(crate) struct Formats<'f> {
    /// The text of `.git/short_ref`, with `%s` for the ref.
    pub(crate) short_ref: &'f str,
    /// A format of `git log --date`.
    pub(crate) timestamp: &'f str,
    /// Options of `git describe`.
    pub(crate) describe: &'f str,
    /// The content of `.git/tag`, if tags are the versions.
    pub(crate) tag: Option<&'f str>,
    /// Whether the checkout used git's default settings.
    pub(crate) has_default_settings: bool,
}

/// Formats the text like `printf` with one `%s` argument. Supports a width and a precision (`%-10.5s`), `%%` and the
/// escapes `\n`, `\t` and `\\`.
fn format_short_ref(format: &str, short: &str) -> String {
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        match (character, character == '%' || character == '\\') {
            (_, false) => text.push(character),
            ('%', _) => match formatted(characters.as_str(), short) {
                Some((formatted, rest)) => {
                    text.push_str(&formatted);
                    characters = rest.chars();
                }
                None => match characters.next() {
                    Some('%') | None => text.push('%'),
                    Some(other) => text.extend(['%', other]),
                },
            },
            (_, true) => match characters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('\\') | None => text.push('\\'),
                Some(other) => text.extend(['\\', other]),
            },
        }
    }
    text
}

/// Parses a `%s` directive after its `%`; returns the formatted text and the rest of the format.
fn formatted<'f>(format: &'f str, short: &str) -> Option<(String, &'f str)> {
    let number = |text: &'f str| text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let is_left = format.starts_with('-');
    let (width, rest) = number(format.trim_start_matches('-'));
    let (precision, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (digits, rest) = number(rest);
            // A point without a number means 0.
            (if digits.is_empty() { 0 } else { digits.parse().ok()? }, rest)
        }
        None => (usize::MAX, rest),
    };
    let rest = rest.strip_prefix('s')?;
    // Limit the width to three digits, so that a typo cannot allocate gigabytes.
    let width: usize = if width.is_empty() { 0 } else { width.parse().ok().filter(|_| width.len() <= 3)? };
    let formatted: String = short.chars().take(precision).collect();
    Some((if is_left { format!("{formatted:<width$}") } else { format!("{formatted:>width$}") }, rest))
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write `{}`", path.display()))
}

/// The names below `prefix` of all refs that point to the commit, sorted and joined by commas.
fn names_at(repository: &Repository, commit: Oid, prefix: &str) -> Result<String> {
    let mut names = Vec::new();
    for reference in repository.references_glob(&format!("{prefix}*"))? {
        let reference = reference?;
        let target = reference.resolve().ok().and_then(|reference| reference.target());
        if target.is_some_and(|target| raw_commit::peeled(repository, target) == commit) {
            let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
            names.push(name.strip_prefix(prefix).unwrap_or(&name).to_owned());
        }
    }
    names.sort();
    Ok(names.join(","))
}

/// Formats a time as `git log --date=iso8601` does: `YYYY-MM-DD HH:MM:SS +ZZZZ`. A time out of range stays a number.
fn date(time: Time) -> String {
    let zoned = || {
        let zone = Offset::from_seconds(time.offset_minutes().checked_mul(60)?).ok()?.to_time_zone();
        Some(Timestamp::from_second(time.seconds()).ok()?.to_zoned_datetime(zone))
    };
    zoned().map_or_else(|| time.seconds().to_string(), |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S %z").to_string())
}

/// Truncates a text to at most `most` bytes, at a character boundary.
fn cut(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_formatted_as_by_git() {
        assert_eq!(date(Time::new(0, 0)), "1970-01-01 00:00:00 +0000");
        assert_eq!(date(Time::new(1_709_251_199, 60)), "2024-03-01 00:59:59 +0100");
        assert_eq!(date(Time::new(951_782_400, -570)), "2000-02-28 14:30:00 -0930");
        assert_eq!(date(Time::new(-1, 0)), "1969-12-31 23:59:59 +0000");
        assert_eq!(date(Time::new(i64::MAX, 0)), i64::MAX.to_string());
    }

    #[test]
    fn short_ref_follows_its_format() {
        assert_eq!(format_short_ref("%s", "abc"), "abc");
        assert_eq!(format_short_ref("v-%s%%\\n%d\\x$(id)%", "abc"), "v-abc%\n%d\\x$(id)%");
        assert_eq!(format_short_ref("%.5s|%-9s|%9s|%-4.2s|%.s", "1234567"), "12345|1234567  |  1234567|12  |");
        assert_eq!(format_short_ref("%-d %5", "abc"), "%-d %5");
    }

    #[test]
    fn message_is_truncated_between_characters() {
        assert_eq!(cut("aé".as_bytes(), 2), "a");
        assert_eq!(cut("aé".as_bytes(), 3), "aé");
        assert_eq!(cut(b"short", 10_240), "short");
    }
}
