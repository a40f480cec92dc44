//! A cache for the next check in the same container.
//!
//! Jira's search index lags: a search may find an issue later than another issue that reached the status after it. The
//! given version alone does not show that the issue is new. So the cache contains the arrivals that Concourse has
//! stored. It also contains the arrivals of issues that have not been updated since, so that a check does not fetch
//! their changelogs again.
//!
//! A check works without the cache. Only this user can read the file; a file with another owner, other permissions or
//! invalid content is ignored. It contains no secrets.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::digest::{Context as Digest, SHA256};
use jetway::CacheFile;
use serde::{Deserialize, Serialize};

use crate::arrivals::{Arrival, Order};
use crate::responses::Issue;
use crate::time;
use crate::version::Version;

/// The maximum size of the file, in bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The maximum number of arrivals that are remembered as stored.
const MAX_ARRIVALS: usize = 2000;

/// The memory of a source.
#[derive(Debug)]
pub(crate) struct Memory {
    file: CacheFile,
    content: Content,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    /// The version since which every arrival that Concourse has stored is in `stored`.
    since: Option<Version>,
    /// The arrivals that Concourse has stored.
    #[serde(default)]
    stored: Vec<Version>,
    /// The response of the last check. Concourse has stored it if it begins the next check with the last of it.
    #[serde(default)]
    response: Vec<Version>,
    /// The arrivals of issues, each with the time of the issue's last update.
    #[serde(default)]
    issues: BTreeMap<String, (String, Version)>,
}

impl Memory {
    /// Opens the memory in `directory` for a source with this address, account and query.
    pub(crate) fn open(directory: &Path, source: &[&str]) -> Self {
        let mut digest = Digest::new(&SHA256);
        for part in source {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let name = jetway::hex(digest.finish().as_ref().get(..8).unwrap_or_default());
        let file = CacheFile::new(directory.join(format!("jetway-jira-{name}.json")), MAX_FILE_BYTES);
        let content = file.read().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { file, content }
    }

    /// The arrival of an issue that has not been updated since an earlier check.
    pub(crate) fn arrival(&self, issue: &Issue) -> Option<Arrival> {
        let (updated, version) = self.content.issues.get(&issue.key)?;
        let is_unchanged = time::text(issue.updated?) == *updated && version.status == issue.status.name;
        is_unchanged.then(|| Arrival::of_version(version)).flatten()
    }

    /// The new arrivals of a check that starts at `known`: those that Concourse has not stored yet, in order.
    pub(crate) fn new_arrivals(&mut self, known: &Arrival, found: &[Arrival]) -> Vec<Arrival> {
        let response = std::mem::take(&mut self.content.response);
        if response.last().and_then(Arrival::of_version).as_ref() == Some(known) {
            self.content.stored.extend(response);
        }
        let is_stored = |content: &Content, arrival: &Arrival| content.stored.contains(&arrival.version());
        if self.since().is_none() || !is_stored(&self.content, known) {
            // Another container has checked, or this is the first check with a version.
            self.content.since = Some(known.version());
            self.content.stored = vec![known.version()];
        }
        let since = self.since();
        let is_new = |arrival: &&Arrival| {
            since.as_ref().is_some_and(|since| arrival.order() > *since) && !is_stored(&self.content, arrival)
        };
        found.iter().filter(is_new).cloned().collect()
    }

    /// Remembers the response and the issues of a check, and saves the memory. Errors are ignored, because the next check works
    /// without it.
    pub(crate) fn save(&mut self, response: &[Version], issues: &[(&Issue, Arrival)]) {
        self.content.response = response.to_vec();
        if self.content.since.is_none() {
            self.content.since = response.last().cloned();
        }
        self.content.issues = issues
            .iter()
            .filter_map(|(issue, arrival)| Some((issue.key.clone(), (time::text(issue.updated?), arrival.version()))))
            .collect();
        self.content.stored.sort_by_key(|version| Arrival::of_version(version).map(|arrival| arrival.order()));
        self.content.stored.dedup();
        if let Some(surplus) = self.content.stored.len().checked_sub(MAX_ARRIVALS).filter(|surplus| *surplus > 0) {
            self.content.since = self.content.stored.drain(..surplus).next_back();
        }
        let _ = self.write();
    }

    fn since(&self) -> Option<Order> {
        self.content.since.as_ref().and_then(Arrival::of_version).map(|since| since.order())
    }

    fn write(&self) -> std::io::Result<()> {
        self.file.write(&serde_json::to_vec(&self.content)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn at(second: i64, issue: &str) -> Arrival {
        let at = Timestamp::from_second(second).unwrap();
        Arrival { issue: issue.to_owned(), status: "Done".to_owned(), at }
    }

    fn names(arrivals: &[Arrival]) -> Vec<&str> {
        arrivals.iter().map(|arrival| arrival.issue.as_str()).collect()
    }

    /// A check in a container: the new arrivals, which it remembers as its response after `known`.
    fn check(directory: &Path, known: &Arrival, found: &[Arrival]) -> Vec<Arrival> {
        let mut memory = Memory::open(directory, &["x"]);
        let new = memory.new_arrivals(known, found);
        let response: Vec<Version> = std::iter::once(known).chain(&new).map(Arrival::version).collect();
        memory.save(&response, &[]);
        new
    }

    #[test]
    fn returns_late_arrival_once() {
        let directory = tempfile::tempdir().unwrap();
        let (old, a, late, b) = (at(1, "A-1"), at(10, "A-2"), at(15, "A-3"), at(20, "A-4"));
        assert_eq!(names(&check(directory.path(), &a, &[old.clone(), a.clone(), b.clone()])), ["A-4"]);
        // `A-3` appears after `A-4` was stored; arrivals before the first known version are not new.
        let found = [old, a, late.clone(), b.clone()];
        assert_eq!(names(&check(directory.path(), &b, &found)), ["A-3"]);
        assert_eq!(names(&check(directory.path(), &late, &found)), Vec::<&str>::new());
        assert_eq!(names(&check(directory.path(), &late, &found)), Vec::<&str>::new());
    }

    #[test]
    fn repeats_response_that_concourse_did_not_store() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (at(10, "A-1"), at(20, "A-2"));
        let found = [a.clone(), b.clone()];
        assert_eq!(names(&check(directory.path(), &a, &found)), ["A-2"]);
        assert_eq!(names(&check(directory.path(), &a, &found)), ["A-2"]);
        assert_eq!(names(&check(directory.path(), &b, &found)), Vec::<&str>::new());
    }

    #[test]
    fn starts_again_for_a_version_from_another_container() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b, c) = (at(10, "A-1"), at(20, "A-2"), at(30, "A-3"));
        check(directory.path(), &a, std::slice::from_ref(&a));
        let found = [a, b, c.clone()];
        assert_eq!(names(&check(directory.path(), &c, &found)), Vec::<&str>::new());
    }

    #[test]
    fn ignores_damaged_and_foreign_files() {
        let directory = tempfile::tempdir().unwrap();
        check(directory.path(), &at(10, "A-1"), &[]);
        let path = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
        let is_used = || Memory::open(directory.path(), &["x"]).content.since.is_some();
        assert!(is_used());
        assert!(Memory::open(directory.path(), &["y"]).content.since.is_none());
        let content = fs::read(&path).unwrap();
        fs::write(&path, &content[..content.len() / 2]).unwrap();
        assert!(!is_used());
        fs::write(&path, &content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!is_used());
        fs::remove_file(&path).unwrap();
        let elsewhere = directory.path().join("elsewhere");
        fs::write(&elsewhere, &content).unwrap();
        fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(!is_used());
    }
}
