//! The state that a check keeps for the next check in the same container: the heads that are not new.
//!
//! A version does not contain the time at which its commit became the head of its pull request, and the commit may be much older.
//! So a check cannot tell from the given version alone which heads are new. It remembers the heads that Concourse has stored as
//! versions, and those that existed before the first version.
//!
//! Without this memory, a check cannot tell whether a head with a recent update is new; such a head is called doubtful. Checks
//! return doubtful heads one at a time. If the head is not new, Concourse already has it as a version and ignores the response.
//! If a response contained both a new and an old head, Concourse would move the old one behind the new one and build it again.
//!
//! Only this user can read the file; a file with another owner, other permissions or invalid content is ignored. It holds no
//! secret.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::digest::{Context as Digest, SHA256};
use jetway::CacheFile;
use jetway_github::time::Time;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::listing::Head;
use crate::version::Version;

/// The maximum size of the file, in bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The maximum number of pull requests that are remembered, the highest numbers first.
const MAX_PULL_REQUESTS: usize = 20_000;

/// A doubtful head is not new if this many checks have returned it and the given version is still the same, because Concourse
/// gives its latest version to each check. The number is not 1, because a response may get lost.
const MAX_RETURNS: u32 = 3;

/// The memory of a source.
#[derive(Debug)]
pub(crate) struct Memory {
    file: CacheFile,
    content: Content,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    /// The version that the last check was given.
    given: Option<Version>,
    /// The head of each pull request that is not new: its commit and state.
    heads: BTreeMap<u64, (String, String)>,
    /// The heads that may be new.
    doubtful: BTreeMap<u64, (String, String)>,
    /// The heads that lack approvals, each with its commit and the last update of its pull request.
    #[serde(default)]
    unapproved: BTreeMap<u64, (String, Time)>,
    /// The response of the last check, without the given version.
    response: Vec<Version>,
    /// How many checks in a row have returned the same doubtful head without a change of the given version.
    times: u32,
    /// The time of the latest update that a check has seen.
    seen_until: Option<Time>,
}

/// Whether the memory covers all earlier checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// The last check ran in this container, so a head that is not in the memory is new.
    Continuous,
    /// There was no earlier check, or the last one ran in another container.
    Unknown,
}

impl Memory {
    /// Opens the memory in `directory` for a source.
    pub(crate) fn open(directory: &Path, source: &[String]) -> Self {
        let mut digest = Digest::new(&SHA256);
        for part in source {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let name = jetway::hex(digest.finish().as_ref().get(..8).unwrap_or_default());
        let file = CacheFile::new(directory.join(format!("jetway-github-pr-heads-{name}.json")), MAX_FILE_BYTES);
        let content = file.read().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { file, content }
    }

    /// Begins a check with this given version. If Concourse has stored the last response, its heads are no longer new.
    pub(crate) fn begin(&mut self, given: Option<&Version>) -> Past {
        let is_first = self.content.seen_until.is_none() && self.content.heads.is_empty();
        let last = self.content.response.last().or(self.content.given.as_ref());
        let past = if is_first || last.is_none() && given.is_some() {
            Past::Unknown
        } else if last == given {
            self.know_response();
            Past::Continuous
        } else if given.is_some() && self.content.given.as_ref() == given {
            let is_doubtful = self.content.response.iter().all(|version| self.is_doubtful(version));
            self.content.times += u32::from(is_doubtful);
            if self.content.times >= MAX_RETURNS {
                self.know_response();
            }
            Past::Continuous
        } else {
            Past::Unknown
        };
        match given {
            // Without a given version, Concourse has no version of this resource, or no longer has one.
            None if past == Past::Unknown => self.content = Content::default(),
            None => {}
            Some(version) => self.know_version(version),
        }
        self.content.given = given.cloned();
        past
    }

    /// Whether a head is not new.
    pub(crate) fn knows(&self, head: &Head) -> bool {
        self.content
            .heads
            .get(&head.number)
            .is_some_and(|(commit, state)| *commit == head.commit && *state == head.state)
    }

    /// Whether a head may be new.
    pub(crate) fn doubts(&self, head: &Head) -> bool {
        self.is_doubtful(&head.version())
    }

    fn is_doubtful(&self, version: &Version) -> bool {
        let doubtful = version.number().and_then(|number| self.content.doubtful.get(&number));
        doubtful.is_some_and(|(commit, state)| *commit == version.commit && state == version.state())
    }

    /// Remembers that heads may be new.
    pub(crate) fn doubt(&mut self, heads: &[Head]) {
        let doubtful = heads.iter().map(|head| (head.number, (head.commit.clone(), head.state.clone())));
        self.content.doubtful = doubtful.collect();
    }

    /// Remembers that heads are not new.
    pub(crate) fn know<'h>(&mut self, heads: impl IntoIterator<Item = &'h Head>) {
        let known = heads.into_iter().map(|head| (head.number, (head.commit.clone(), head.state.clone())));
        self.content.heads.extend(known);
    }

    /// Whether an earlier check has found that a head lacks approvals, and its pull request was not updated since.
    pub(crate) fn lacks_approvals(&self, head: &Head) -> bool {
        let found = self.content.unapproved.get(&head.number);
        found.is_some_and(|(commit, updated)| *commit == head.commit && updated.0 == head.updated)
    }

    /// Remembers that a head lacks approvals.
    pub(crate) fn remember_lack_of_approvals(&mut self, head: &Head) {
        self.content.unapproved.insert(head.number, (head.commit.clone(), Time(head.updated)));
    }

    /// The time of the latest update that an earlier check has seen.
    pub(crate) fn seen_until(&self) -> Option<Timestamp> {
        self.content.seen_until.map(|time| time.0)
    }

    /// Remembers the list and the new versions of a check, and saves the memory. Errors are ignored, because the next check
    /// works without it.
    pub(crate) fn save(&mut self, heads: &[Head], response: &[Version]) {
        if self.content.response != response {
            self.content.response = response.to_vec();
            self.content.times = 0;
        }
        // An empty list counts as seen, too.
        let now_seen = heads.iter().map(|head| head.updated).max().unwrap_or(Timestamp::UNIX_EPOCH);
        self.content.seen_until = self.content.seen_until.max(Some(Time(now_seen)));
        while self.content.heads.len() > MAX_PULL_REQUESTS {
            self.content.heads.pop_first();
        }
        while self.content.unapproved.len() > MAX_PULL_REQUESTS {
            self.content.unapproved.pop_first();
        }
        let _ = self.write();
    }

    /// Remembers that the versions of the last response are not new.
    fn know_response(&mut self) {
        for version in std::mem::take(&mut self.content.response) {
            self.know_version(&version);
        }
        self.content.times = 0;
    }

    fn know_version(&mut self, version: &Version) {
        if let Some(number) = version.number() {
            let head = (version.commit.clone(), version.state().to_owned());
            self.content.heads.insert(number, head);
        }
    }

    fn write(&self) -> std::io::Result<()> {
        self.file.write(&serde_json::to_vec(&self.content)?)
    }
}
