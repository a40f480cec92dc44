//! Fetches the commits of labels into the cache, and sorts and filters the labels.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{Display, Write as _};

use anyhow::Context as _;
use git2::{ObjectType, Oid};
use jetway::{Finished, Result};
use jetway_git_client::object_id::{empty_tree, object_id};
use jetway_git_client::transport::git::Git;
use jetway_git_client::transport::refusal::{Refusal, is_incomplete};

use crate::history::cache::RepositoryCache;
use crate::history::label::{HEADS, Label, LabelQuery, RemoteLabels};
use crate::raw_commit::{self, RawCommit};

/// How many labels are filtered at once in the search for the newest.
const CHUNK: usize = 100;

/// The labels of the server, and the cache with their commits.
pub(super) struct LabelRepository<'g, 's> {
    pub(super) git: &'g Git<'g>,
    pub(super) query: LabelQuery<'s>,
    pub(super) cache: RepositoryCache,
    pub(super) remote: RemoteLabels,
}

impl LabelRepository<'_, '_> {
    /// The labels that point to commits, oldest first. With a `branch`, only the tags that are merged into it.
    pub(super) fn labels(&self) -> Result<Vec<Label>> {
        let database = self.cache.repository().odb()?;
        let is_commit =
            |label: &&Label| database.read_header(label.commit).is_ok_and(|(_, kind)| kind == ObjectType::Commit);
        let mut labels: Vec<Label> = self.remote.labels.iter().filter(is_commit).cloned().collect();
        if let Some(tip) = self.remote.tip {
            let merged = self.ancestors([tip], &labels.iter().map(|label| label.commit).collect())?;
            labels.retain(|label| merged.contains(&label.commit));
        }
        for label in &mut labels {
            label.created = raw_commit::created(self.cache.repository(), label.target)?;
        }
        labels.sort_by(|one, other| self.query.compare(one, other));
        Ok(labels)
    }

    /// The newest labels that pass the filters, oldest first.
    pub(super) async fn newest(&self, labels: &[Label]) -> Result<Vec<Label>> {
        let wanted = self.query.version_depth;
        let mut chosen = Vec::new();
        for chunk in labels.rchunks(wanted.clamp(CHUNK, 100 * CHUNK)) {
            let mut passing = self.passing(chunk).await?;
            passing.extend(chosen);
            chosen = passing;
            if chosen.len() >= wanted {
                break;
            }
        }
        Ok(chosen.split_off(chosen.len().saturating_sub(wanted)))
    }

    /// The labels whose commits pass the filters.
    pub(super) async fn passing(&self, labels: &[Label]) -> Result<Vec<Label>> {
        let changing = self.changing_paths(labels).await?;
        let mut passing = Vec::new();
        for label in labels {
            if changing.as_ref().is_none_or(|changing| changing.contains(&label.commit)) && self.passes(label.commit)? {
                passing.push(label.clone());
            }
        }
        Ok(passing)
    }

    /// Whether the commit's message passes the filter.
    pub(super) fn passes(&self, commit: Oid) -> Result<bool> {
        let messages = &self.query.messages;
        Ok(messages.passes_everything() || messages.passes(&RawCommit::read(self.cache.repository(), commit)?.message))
    }

    /// The commits that change matching paths, compared with their first parents; `None` if there are no pathspecs.
    /// (This passes pairs of trees to `git diff-tree`, because git hides the parents of commits at the shallow
    /// boundary.)
    pub(super) async fn changing_paths(&self, labels: &[Label]) -> Result<Option<HashSet<Oid>>> {
        if self.query.pathspecs.is_empty() {
            return Ok(None);
        }
        let repository = self.cache.repository();
        let mut commits: HashMap<String, Vec<Oid>> = HashMap::new();
        for label in labels {
            let RawCommit { tree, parents, .. } = RawCommit::read(repository, label.commit)?;
            let before = match parents.first() {
                Some(parent) => RawCommit::read(repository, *parent)?.tree,
                None => Some(object_id(empty_tree(repository.object_format()))?),
            };
            if let Some((before, tree)) = before.zip(tree).filter(|(before, tree)| before != tree) {
                commits.entry(format!("{before} {tree}")).or_default().push(label.commit);
            }
        }
        let mut changing = HashSet::new();
        if commits.is_empty() {
            return Ok(Some(changing));
        }
        let compare = self.cache.local(self.git.command("diff-tree")).quiet().input(lines(commits.keys()));
        let compare = compare.args(["--stdin", "-r", "--raw", "--"]).args(&self.query.pathspecs);
        let finished = compare.run().await?.success();
        let finished = finished.context("cannot choose commits by `paths` and `ignore_paths`")?;
        let mut pair = "";
        let text = String::from_utf8_lossy(&finished.stdout);
        for line in text.lines() {
            if line.starts_with(':') {
                changing.extend(commits.get(pair).into_iter().flatten());
            } else {
                pair = line;
            }
        }
        Ok(Some(changing))
    }

    /// `tips` and their ancestors. If `wanted` is not empty, stops when all of `wanted` are found.
    pub(super) fn ancestors(&self, tips: impl IntoIterator<Item = Oid>, wanted: &HashSet<Oid>) -> Result<HashSet<Oid>> {
        let (mut missing, has_goal) = (wanted.len(), !wanted.is_empty());
        let mut seen: HashSet<Oid> = HashSet::new();
        let mut pending: Vec<Oid> = tips.into_iter().collect();
        while let Some(commit) = pending.pop() {
            if !seen.insert(commit) {
                continue;
            }
            if has_goal && wanted.contains(&commit) {
                missing -= 1;
                if missing == 0 {
                    break;
                }
            }
            pending.extend(self.cache.parents(commit)?.iter());
        }
        Ok(seen)
    }

    /// Fetches the missing objects of the labels.
    pub(super) async fn fetch_missing(&mut self) -> Result<()> {
        let mut missing = self.missing()?;
        if missing.is_empty() {
            return Ok(());
        }
        let mut finished = self.fetch(&missing).await?;
        if matches!(Refusal::of(&finished), Some(Refusal::UnknownCommit | Refusal::UnadvertisedCommit)) {
            // A label was moved or deleted since the server listed it.
            self.remote = self.query.list(self.git).await?;
            missing = self.missing()?;
            if missing.is_empty() {
                return Ok(());
            }
            finished = self.fetch(&missing).await?;
        }
        if !(is_incomplete(&finished) && self.has_all_commits()?) {
            self.git.explain(finished, self.query.branch).with_context(|| self.git.cannot("fetch"))?;
        }
        if self.query.depth.is_none() {
            self.write_refs()?;
        }
        Ok(())
    }

    /// Whether all commits were fetched although git reports a failure: only the targets of labels that point to a blob
    /// or a tree are missing, because the filter omits them. Warns about these labels.
    pub(super) fn has_all_commits(&self) -> Result<bool> {
        let missing: HashSet<Oid> = self.missing()?.into_iter().collect();
        let lacking: Vec<&Label> = self.remote.labels.iter().filter(|label| missing.contains(&label.target)).collect();
        for label in &lacking {
            let (kind, name) = (self.query.kind, &label.name);
            self.git
                .context()
                .console()
                .warn(format_args!("skipping {kind} `{name}`, which does not point to a commit"));
        }
        let has_tip = self.remote.tip.is_none_or(|tip| !missing.contains(&tip));
        Ok(has_tip && lacking.iter().all(|label| label.target == label.commit))
    }

    pub(super) fn missing(&self) -> Result<Vec<Oid>> {
        let named = self.remote.labels.iter().map(|label| label.target).chain(self.remote.tip);
        let mut seen = HashSet::new();
        self.cache.missing(named.filter(|object| seen.insert(*object)))
    }

    /// Sets the refs of the cache to the labels of the server, so that the next fetch transfers only new objects.
    pub(super) fn write_refs(&self) -> Result<()> {
        let branch = self.query.branch.zip(self.remote.tip).map(|(branch, tip)| (format!("{HEADS}{branch}"), tip));
        let here = self.remote.labels.iter().filter(|label| self.cache.has(label.commit));
        let labels = here.map(|label| (format!("{}{}", self.query.prefix, label.name), label.target));
        self.cache.write_refs(&labels.chain(branch).collect::<BTreeMap<_, _>>())
    }

    /// Fetches a commit if it is missing; returns whether the cache has it.
    pub(super) async fn fetch_if_missing(&self, commit: Oid) -> Result<bool> {
        if self.cache.has(commit) {
            return Ok(true);
        }
        let finished = self.fetch(&[commit]).await?;
        if Refusal::of(&finished).is_none() {
            self.git.explain(finished, self.query.branch).with_context(|| self.git.cannot("fetch"))?;
        }
        Ok(self.cache.has(commit))
    }

    pub(super) async fn fetch(&self, objects: &[Oid]) -> Result<Finished> {
        let hashes = lines(objects);
        let fetch = |depth: Option<u32>| {
            let fetch = self.cache.fetch(self.git.network("fetch"));
            let fetch = fetch.args(depth.map(|depth| format!("--depth={depth}"))).args(["--stdin", "origin"]);
            fetch.input(hashes.clone()).quiet().run()
        };
        let mut finished = fetch(self.query.depth).await?;
        if Refusal::of(&finished) == Some(Refusal::CannotShallow) {
            finished = fetch(None).await?;
        }
        RepositoryCache::accepted(finished)
    }
}

/// Joins items as lines, for a child process or a file.
pub(super) fn lines(items: impl IntoIterator<Item = impl Display>) -> String {
    items.into_iter().fold(String::new(), |mut text, item| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{item}");
        text
    })
}
