//! Simulates long histories of pushes, comments, lost containers and lost responses with a model of Concourse, and asserts that
//! every push is built once.
//!
//! The model stores versions as `saveVersions` in Concourse's `atc/db/resource_config_scope.go` does: each once, and a response
//! with a new one moves all of its versions to the end, in its order. A check is given the last version. With `version: every`, a
//! job builds the version after the one that it built last.

use std::collections::{BTreeMap, BTreeSet};

use jetway_tests::github::{GitHub, PullRequest, commit};
use jetway_tests::verb::{Container, Runner};
use serde_json::Value;

use crate::support::{check_in, source};

/// A deterministic generator of random numbers (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[derive(Default)]
struct Concourse {
    /// Each version, with its position in the order.
    stored: BTreeMap<String, (u64, Value)>,
    next: u64,
    last_built: Option<String>,
    builds: BTreeMap<String, u32>,
}

impl Concourse {
    fn last(&self) -> Option<Value> {
        self.stored.values().max_by_key(|(order, _)| *order).map(|(_, version)| version.clone())
    }

    fn store(&mut self, response: &[Value]) {
        if response.iter().all(|version| self.stored.contains_key(&version.to_string())) {
            return;
        }
        for version in response {
            self.next += 1;
            self.stored.insert(version.to_string(), (self.next, version.clone()));
        }
    }

    /// Builds all versions after the last built one. The first time, builds only the last version.
    fn build(&mut self) {
        loop {
            let begin = self.last_built.as_ref().map_or(self.next.saturating_sub(1), |last| self.stored[last].0);
            let later = self.stored.iter().filter(|(_, (order, _))| *order > begin);
            let Some(name) = later.min_by_key(|(_, (order, _))| *order).map(|(name, _)| name.clone()) else { return };
            *self.builds.entry(name.clone()).or_default() += 1;
            self.last_built = Some(name);
        }
    }
}

/// Runs a history, and returns how often a version was built again.
fn run(seed: u64, loses: bool) -> u32 {
    let github = GitHub::start();
    let mut dice = Dice(seed);
    let (mut concourse, mut container) = (Concourse::default(), Container::new());
    let mut heads: BTreeMap<u64, String> = BTreeMap::new();
    // The number of responses that were lost in a row.
    let mut lost = 0;
    // The pushes since the first version.
    let mut pushed: BTreeSet<String> = BTreeSet::new();
    for step in 0..120_u32 {
        for _ in 0..dice.below(3) {
            let number = 1 + dice.below(8);
            match (heads.contains_key(&number), dice.below(4)) {
                (true, 0) => github.change_pull(number, |pull| pull.labels.push(format!("l{step}"))),
                (is_there, _) => {
                    let hash = commit(1000 + step * 10 + u32::try_from(number).unwrap());
                    // The commit has any age, and sometimes comes from a machine whose clock is wrong.
                    let committed = match dice.below(6) {
                        0 => "2019-05-05T05:05:05Z".to_owned(),
                        1 => "2999-01-01T00:00:00Z".to_owned(),
                        _ => format!("2026-01-02T00:{:02}:00Z", dice.below(60)),
                    };
                    if is_there {
                        github.change_pull(number, |pull| (pull.head, pull.committed) = (hash.clone(), committed));
                    } else {
                        github.put_pull(PullRequest::new(number, &hash).committed(&committed));
                    }
                    heads.insert(number, hash.clone());
                    if !concourse.stored.is_empty() {
                        pushed.insert(hash);
                    }
                }
            }
        }
        if loses && dice.below(8) == 0 {
            container = Container::new();
        }
        // Sometimes many checks run without an event between them.
        for _ in 0..if step % 20 == 19 { 40 } else { 1 } {
            let response = check_in(&container, &source(&github), concourse.last().as_ref()).json();
            lost = if loses && lost < 2 && dice.below(10) == 0 { lost + 1 } else { 0 };
            if lost == 0 {
                concourse.store(response.as_array().unwrap());
                concourse.build();
            }
        }
        for (number, head) in heads.iter().filter(|(_, head)| pushed.contains(*head) && step % 20 == 19) {
            let is_built = concourse.builds.keys().any(|version| version.contains(head.as_str()));
            assert!(is_built, "seed {seed}, step {step}: pull request {number} was not built at {head}");
        }
    }
    assert!(pushed.len() > 50, "{}", pushed.len());
    concourse.builds.values().map(|builds| builds - 1).sum()
}

/// Thousands of checks in a container of the image would be slow and test nothing more.
fn is_elsewhere() -> bool {
    Runner::chosen() != Runner::Binary
}

#[test]
fn every_push_is_built_once() {
    if is_elsewhere() {
        return;
    }
    for seed in 1..4 {
        assert_eq!(run(seed, false), 0, "seed {seed}");
    }
}

#[test]
fn every_push_is_built_once_despite_lost_containers_and_responses() {
    if is_elsewhere() {
        return;
    }
    for seed in 11..15 {
        assert_eq!(run(seed, true), 0, "seed {seed}");
    }
}
