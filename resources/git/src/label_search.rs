//! Tags and branches as versions: which there are, in which order, and which of them are new.
//!
//! The server lists them; when all that they name is here from an earlier check, nothing is fetched. Else one fetch brings
//! what is missing, asked for by its hash: the commits that the names lead to, and their history only where the question
//! needs it (which tags are merged, which commits are before a tag).

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{Display, Write as _};

use anyhow::Context as _;
use git2::{ObjectType, Oid};
use jetway::{Finished, Result, anyhow};

use crate::commit_filter::MessageFilter;
use crate::git::{Git, Refusal, is_incomplete};
use crate::labels::{Followed, Names, TagSort};
use crate::object_id::{empty_tree, object_id};
use crate::raw_commit::{self, RawCommit};
use crate::remote::is_commit_hash;
use crate::repository_cache::{Content, RepositoryCache};
use crate::source::Source;
use crate::version::Version;
use crate::version_sort;

/// How many labels are looked at together when only the newest are wanted.
const CHUNK: usize = 100;

/// The file with the branches that the last check saw.
const MEMORY: &str = "jetway-branches";

/// What marks a branch in it that Concourse has, or is not to have.
const TOLD: char = '=';

/// What marks one that it may not have: the answer that told it could be lost.
const SEEN: char = '+';

const TAGS: &str = "refs/tags/";
const HEADS: &str = "refs/heads/";

/// The versions from `known` on, oldest first.
pub(crate) async fn search(
    git: &Git<'_>,
    source: &Source,
    followed: &Followed,
    known: Option<&Version>,
) -> Result<Vec<Version>> {
    let question = Question::of(source, followed)?;
    let listed = question.ask(git).await?;
    let Some(first) = listed.labels.first() else {
        question.warn_of_no_match(git);
        return Ok(Vec::new());
    };
    let key = (question.prefix, question.branch, question.depth);
    let format = Some(first.target.object_format());
    let cache = RepositoryCache::open(git.context(), git.remote(), &key, question.content, format)?;
    let known = known.map(|version| without_prefix(version, question.prefix));
    let mut search = LabelSearch { git, question, cache, listed };
    loop {
        let error = match search.versions(known.as_ref()).await {
            Ok(versions) => return Ok(versions),
            Err(error) => error,
        };
        if !search.cache.renew_after(&error, git.context(), git.remote())? {
            return Err(error);
        }
    }
}

/// A version with the short name of its label: people pin `refs/tags/v1`, too.
fn without_prefix(version: &Version, prefix: &str) -> Version {
    let reference = version.reference.strip_prefix(prefix).unwrap_or(&version.reference).to_owned();
    Version { reference, ..version.clone() }
}

/// What a source asks for.
struct Question<'s> {
    /// What the labels' full names begin with.
    prefix: &'static str,
    /// What they are called, for people.
    kind: &'static str,
    names: &'s Names,
    /// What they are sorted by.
    sort: TagSort,
    /// The branch that tags have to be merged into.
    branch: Option<&'s str>,
    /// Whether the commits before the tags are the versions.
    is_about_ancestors: bool,
    /// How many generations of each label's history are needed; all of them when there is none.
    depth: Option<u32>,
    content: Content,
    pathspecs: Vec<String>,
    messages: MessageFilter,
    version_depth: usize,
}

/// What the server has.
struct Listed {
    /// The tip of the branch that tags have to be merged into.
    tip: Option<Oid>,
    labels: Vec<Label>,
}

/// A tag or branch.
#[derive(Debug, Clone)]
struct Label {
    name: String,
    /// The object that it names: a commit, or that of an annotated tag.
    target: Oid,
    commit: Oid,
    /// When it was made. It is not known before the object is here.
    created: i64,
}

/// The branches of earlier checks, each in a line.
struct Memory {
    /// Those that are not new.
    told: HashSet<String>,
    /// All that the last check saw.
    seen: HashSet<String>,
}

struct LabelSearch<'g, 's> {
    git: &'g Git<'g>,
    question: Question<'s>,
    cache: RepositoryCache,
    listed: Listed,
}

impl<'s> Question<'s> {
    fn of(source: &'s Source, followed: &'s Followed) -> Result<Self> {
        let (prefix, kind, names, sort) = match followed {
            Followed::Commits | Followed::Branches(_) => return Err(anyhow!("no tags or branches are followed")),
            Followed::Tags(names) | Followed::TagAncestors(names) => (TAGS, "tag", names, TagSort::CreatorDate),
            Followed::AllTags(names, sort) => (TAGS, "tag", names, *sort),
            Followed::BranchHeads(names) => (HEADS, "branch", names, TagSort::CreatorDate),
        };
        let has_filters = !matches!(followed, Followed::AllTags(..));
        let pathspecs = if has_filters { source.pathspecs() } else { Vec::new() };
        let messages = if has_filters { MessageFilter::of(source)? } else { MessageFilter::all() };
        let is_about_ancestors = matches!(followed, Followed::TagAncestors(_));
        let branch = source.branch.as_deref().filter(|_| has_filters && prefix == TAGS);
        Ok(Self {
            prefix,
            kind,
            names,
            sort,
            branch,
            is_about_ancestors,
            depth: match (is_about_ancestors || branch.is_some(), pathspecs.is_empty()) {
                (true, _) => None,
                (false, true) => Some(1),
                // What a commit changes is told by the one before it.
                (false, false) => Some(2),
            },
            content: if pathspecs.is_empty() { Content::Commits } else { Content::Trees },
            pathspecs,
            messages,
            version_depth: usize::try_from(source.version_depth).unwrap_or(usize::MAX),
        })
    }

    async fn ask(&self, git: &Git<'_>) -> Result<Listed> {
        let head = self.branch.map(|branch| format!("{HEADS}{branch}"));
        let prefixes = self.names.prefixes().iter().map(|prefix| format!("{}{prefix}", self.prefix));
        let refs = git.remote_refs(&prefixes.chain(head.clone()).collect::<Vec<_>>(), self.branch).await?;
        let mut listed = Listed { tip: None, labels: Vec::new() };
        for found in &refs {
            let target = object_id(&found.hash)?;
            if head.as_ref() == Some(&found.name) {
                listed.tip = Some(target);
            }
            if let Some(name) = found.name.strip_prefix(self.prefix).filter(|name| self.names.include(name)) {
                let commit = found.peeled.as_deref().map_or(Ok(target), object_id)?;
                listed.labels.push(Label { name: name.to_owned(), target, commit, created: 0 });
            }
        }
        if head.is_some() && listed.tip.is_none() {
            return Err(git.no_such_branch(self.branch));
        }
        Ok(listed)
    }

    /// Says that the filter leaves nothing: an empty answer alone tells nobody why no version comes.
    fn warn_of_no_match(&self, git: &Git<'_>) {
        let (console, kind, address) = (git.context().console(), self.kind, &git.remote().address);
        match self.names.written() {
            Some(written) => console.warn(format_args!("no {kind} of `{address}` matches {written}")),
            None => console.warn(format_args!("there is no {kind} in `{address}`")),
        }
    }

    /// The order of two labels: that of git for `git tag --sort=creatordate`, or that of the versions in their names.
    fn compare(&self, one: &Label, other: &Label) -> Ordering {
        match self.sort {
            TagSort::CreatorDate => one.position().cmp(&other.position()),
            TagSort::Version => version_sort::compare(&one.name, &other.name),
        }
    }
}

impl Label {
    /// Its place in the order of dates.
    fn position(&self) -> (i64, &str) {
        (self.created, &self.name)
    }

    fn version(&self) -> Version {
        Version::of_label(&self.name, self.commit.to_string())
    }

    /// Whether a version names it, and the commit that it is at.
    fn is_as_in(&self, version: &Version) -> bool {
        self.name == version.reference
            && version.commit.as_ref().is_none_or(|commit| *commit == self.commit.to_string())
    }

    fn in_a_line(&self) -> String {
        format!("{} {}", self.commit, self.name)
    }
}

impl LabelSearch<'_, '_> {
    async fn versions(&mut self, known: Option<&Version>) -> Result<Vec<Version>> {
        self.fetch_missing().await?;
        let labels = self.labels()?;
        if self.question.is_about_ancestors {
            return self.ancestors_from(&labels, known).await;
        }
        let chosen = match known {
            _ if self.question.prefix == HEADS => self.branches_from(&labels, known).await?,
            None => self.newest(&labels).await?,
            Some(known) => self.labels_from(&labels, known).await?,
        };
        Ok(chosen.iter().map(Label::version).collect())
    }

    /// The labels that name commits and are on the branch, if there is one, oldest first.
    fn labels(&self) -> Result<Vec<Label>> {
        let database = self.cache.repository().odb()?;
        let is_commit =
            |label: &&Label| database.read_header(label.commit).is_ok_and(|(_, kind)| kind == ObjectType::Commit);
        let mut labels: Vec<Label> = self.listed.labels.iter().filter(is_commit).cloned().collect();
        if let Some(tip) = self.listed.tip {
            let merged = self.ancestors([tip], &labels.iter().map(|label| label.commit).collect())?;
            labels.retain(|label| merged.contains(&label.commit));
        }
        for label in &mut labels {
            label.created = raw_commit::created(self.cache.repository(), label.target)?;
        }
        labels.sort_by(|one, other| self.question.compare(one, other));
        Ok(labels)
    }

    /// The newest labels that pass the filters, oldest first.
    async fn newest(&self, labels: &[Label]) -> Result<Vec<Label>> {
        let wanted = self.question.version_depth;
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

    /// The known branch, if it is as it was, and those that are new since.
    ///
    /// A branch is pushed when it is pushed, whatever date its tip has. So what earlier checks told says what is new, and
    /// an answer that was lost is given again.
    async fn branches_from(&self, labels: &[Label], known: Option<&Version>) -> Result<Vec<Label>> {
        let memory = known.and_then(|known| self.told_before(known));
        let (chosen, told) = match (known, memory) {
            (None, _) => {
                let chosen = self.newest(labels).await?;
                // Those that `version_depth` leaves out are not to come with the next check.
                let is_left_out = |label: &&Label| !chosen.iter().any(|other| other.name == label.name);
                let told = labels.iter().filter(is_left_out).map(Label::in_a_line).collect();
                (chosen, told)
            }
            (Some(known), Some(memory)) => (self.new_branches(labels, known, &memory).await?, memory.told),
            (Some(known), None) => (self.all_branches(labels, known).await?, HashSet::new()),
        };
        let answered = chosen.last().map(Label::version);
        if let Some(last) = answered.as_ref().or(known) {
            self.remember(labels, &told, last)?;
        }
        Ok(chosen)
    }

    /// The known branch, those that an answer before this one told and that may be lost, and those that came since.
    async fn new_branches(&self, labels: &[Label], known: &Version, memory: &Memory) -> Result<Vec<Label>> {
        let kept = labels.iter().filter(|label| label.is_as_in(known)).cloned();
        let is_new = |label: &&Label| !memory.told.contains(&label.in_a_line()) && !label.is_as_in(known);
        let new = labels.iter().filter(is_new).cloned();
        let (again, new): (Vec<Label>, Vec<Label>) = new.partition(|label| memory.seen.contains(&label.in_a_line()));
        let found = [kept.collect(), self.passing(&again).await?, self.passing(&new).await?].concat();
        if found.is_empty() && labels.iter().all(|label| label.name != known.reference) {
            self.warn_of_deleted_branch(known, "the newest branch");
            let mut newest = self.newest(labels).await?;
            return Ok(newest.pop().into_iter().collect());
        }
        Ok(found)
    }

    /// Every branch, where nothing tells which are new: Concourse keeps those that it has not seen. Those with newer tips
    /// than the known one come after it, and so does the known one itself when it was moved, to be the newest again.
    async fn all_branches(&self, labels: &[Label], known: &Version) -> Result<Vec<Label>> {
        let (namesakes, others): (Vec<Label>, Vec<Label>) =
            labels.iter().cloned().partition(|label| label.name == known.reference);
        let Some(namesake) = namesakes.first() else {
            self.warn_of_deleted_branch(known, "every branch");
            return self.passing(&others).await;
        };
        if !namesake.is_as_in(known) {
            return self.passing(&[others, namesakes].concat()).await;
        }
        let (older, newer): (Vec<Label>, Vec<Label>) =
            others.into_iter().partition(|other| other.position() < namesake.position());
        Ok([self.passing(&older).await?, namesakes, self.passing(&newer).await?].concat())
    }

    fn warn_of_deleted_branch(&self, known: &Version, start: &str) {
        let (console, branch) = (self.git.context().console(), &known.reference);
        console.warn(format_args!("branch `{branch}` is gone, or filtered out by now; going on from {start}"));
    }

    /// Notes what there is, what of it Concourse has for certain, and which version it will know when it has this
    /// check's answer.
    fn remember(&self, labels: &[Label], told: &HashSet<String>, last: &Version) -> Result<()> {
        let Some(commit) = &last.commit else { return Ok(()) };
        let last = format!("{commit} {}", last.reference);
        let labels = labels.iter().map(Label::in_a_line).map(|line| {
            let mark = if told.contains(&line) { TOLD } else { SEEN };
            format!("{mark}{line}")
        });
        self.cache.keep(MEMORY, &lines([last].into_iter().chain(labels)))
    }

    /// What earlier checks of this container say of what is new. When Concourse asks with what the last one answered, it
    /// has that answer; else that was lost, or a put or another container's check came between.
    fn told_before(&self, known: &Version) -> Option<Memory> {
        let text = self.cache.kept(MEMORY)?;
        let (last, marked) = text.split_once('\n')?;
        let is_answered = last == format!("{} {}", known.commit.as_ref()?, known.reference);
        let unmarked = |line: &str| line.get(1..).map(str::to_owned);
        let seen: HashSet<String> = marked.lines().filter_map(unmarked).collect();
        let told = marked.lines().filter(|line| is_answered || line.starts_with(TOLD)).filter_map(unmarked);
        let told: HashSet<String> = told.collect();
        (!told.is_empty()).then_some(Memory { told, seen })
    }

    /// The known label, if it is as it was, and the newer ones that pass the filters.
    async fn labels_from(&self, labels: &[Label], known: &Version) -> Result<Vec<Label>> {
        let (kind, reference) = (self.question.kind, &known.reference);
        let namesake = labels.iter().find(|label| label.name == *reference);
        if let Some(label) = namesake.filter(|label| label.is_as_in(known)) {
            let newer = labels.partition_point(|other| self.question.compare(other, label) != Ordering::Greater);
            let newer = self.passing(labels.get(newer..).unwrap_or_default()).await?;
            return Ok([label.clone()].into_iter().chain(newer).collect());
        }
        if self.question.sort == TagSort::Version {
            return self.labels_from_name(labels, known).await;
        }
        // Where it stood is told by the commit that it named, or by the version itself: a put's is a commit.
        let commit = match namesake {
            Some(_) => known.commit.as_ref(),
            None => Some(reference),
        };
        let commit = commit.filter(|commit| is_commit_hash(commit)).and_then(|commit| object_id(commit).ok());
        let created = match commit {
            Some(commit) if self.bring(commit).await? => Some(raw_commit::created(self.cache.repository(), commit)?),
            _ => None,
        };
        let console = self.git.context().console();
        let Some(created) = created else {
            let why = match namesake {
                Some(_) => "was moved, and what it named is gone from the server",
                None => "is gone, or filtered out by now",
            };
            console.warn(format_args!("{kind} `{reference}` {why}; going on from the newest {kind}"));
            return self.newest(labels).await;
        };
        let newer = labels.partition_point(|label| label.created < created);
        let mut newer = self.passing(labels.get(newer..).unwrap_or_default()).await?;
        if let Some(label) = namesake {
            console.step(format_args!("{kind} `{reference}` was moved to {}", label.commit));
            // Moved to an older commit it would stand among those that are known, and trigger nothing.
            if label.created < created {
                newer.extend(self.passing(std::slice::from_ref(label)).await?);
            }
        }
        Ok(newer)
    }

    /// The labels from a name on that is gone, or names another commit by now, in the order of versions.
    async fn labels_from_name(&self, labels: &[Label], known: &Version) -> Result<Vec<Label>> {
        let (console, reference) = (self.git.context().console(), &known.reference);
        let is_older = |label: &Label| version_sort::compare(&label.name, reference) == Ordering::Less;
        let start = if let Some(label) = labels.iter().find(|label| label.name == *reference) {
            console.step(format_args!("tag `{reference}` was moved to {}", label.commit));
            labels.partition_point(is_older)
        } else if is_commit_hash(reference) {
            labels.iter().position(|label| label.commit.to_string() == *reference).unwrap_or(labels.len())
        } else {
            console.warn(format_args!("tag `{reference}` is gone, or filtered out by now; going on from its place"));
            labels.partition_point(is_older)
        };
        let newer = self.passing(labels.get(start..).unwrap_or_default()).await?;
        if newer.is_empty() { self.newest(labels).await } else { Ok(newer) }
    }

    /// The commits from the known one on that tags have been put on, and those before them, oldest first.
    async fn ancestors_from(&self, labels: &[Label], known: Option<&Version>) -> Result<Vec<Version>> {
        if labels.is_empty() {
            return Ok(Vec::new());
        }
        let tagged: Vec<Oid> = labels.iter().map(|label| label.commit).collect();
        let older = self.ancestors(tagged.iter().copied(), &HashSet::new())?;
        let mut start = None;
        if let Some(version) = known {
            let (console, reference) = (self.git.context().console(), &version.reference);
            // A tag, from before `tag_behaviour` was set, stands for its commit.
            let named = || labels.iter().find(|label| label.name == *reference).map(|label| label.commit);
            let hash = version.commit.as_ref().unwrap_or(reference);
            let commit = if is_commit_hash(hash) { object_id(hash).ok() } else { named() };
            match commit {
                Some(commit) if self.bring(commit).await? => {
                    if !older.contains(&commit) {
                        console.warn(format_args!("version `{reference}` is before none of the tags any more"));
                    }
                    start = Some(commit);
                }
                _ => console.warn(format_args!("version `{reference}` is gone; going on from the newest commit")),
            }
        }
        let tips = tagged.iter().chain(self.listed.tip.as_ref()).map(ToString::to_string);
        let input = lines(tips.chain(start.map(|start| format!("^{start}"))));
        // No commit before those that it is made of, whatever their dates say.
        let list = self.cache.local(self.git.command("rev-list")).quiet().input(input);
        let list = list.args(["--first-parent", "--date-order", "--stdin", "--"]).args(&self.question.pathspecs);
        let finished = list.run().await?.success().context("cannot list the commits before the tags")?;
        let most = if start.is_some() { usize::MAX } else { self.question.version_depth };
        let mut chosen = Vec::new();
        for commit in finished.text().lines().filter_map(|line| object_id(line).ok()) {
            if chosen.len() >= most {
                break;
            }
            if older.contains(&commit) && self.passes(commit)? {
                chosen.push(commit);
            }
        }
        let start = start.filter(|start| older.contains(start));
        let commits = start.into_iter().chain(chosen.into_iter().rev());
        Ok(commits.map(|commit| Version::of_commit(commit.to_string())).collect())
    }

    /// Those labels whose commits pass the filters.
    async fn passing(&self, labels: &[Label]) -> Result<Vec<Label>> {
        let changing = self.changing_paths(labels).await?;
        let mut passing = Vec::new();
        for label in labels {
            if changing.as_ref().is_none_or(|changing| changing.contains(&label.commit)) && self.passes(label.commit)? {
                passing.push(label.clone());
            }
        }
        Ok(passing)
    }

    /// Whether a commit's message lets it be a version.
    fn passes(&self, commit: Oid) -> Result<bool> {
        let messages = &self.question.messages;
        Ok(messages.passes_everything() || messages.passes(&RawCommit::read(self.cache.repository(), commit)?.message))
    }

    /// The commits that change what the pathspecs match, compared with their first parents; `None` when there are no
    /// pathspecs. (The parents are looked up here: a shallow fetch may have hidden them from git.)
    async fn changing_paths(&self, labels: &[Label]) -> Result<Option<HashSet<Oid>>> {
        if self.question.pathspecs.is_empty() {
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
        let compare = compare.args(["--stdin", "-r", "--raw", "--"]).args(&self.question.pathspecs);
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

    /// `tips` and all commits before them; no more than it takes to find all of `wanted`, where that is not empty.
    fn ancestors(&self, tips: impl IntoIterator<Item = Oid>, wanted: &HashSet<Oid>) -> Result<HashSet<Oid>> {
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
            pending.extend(raw_commit::parents(self.cache.repository(), commit)?);
        }
        Ok(seen)
    }

    /// Fetches what the labels name and is not here.
    async fn fetch_missing(&mut self) -> Result<()> {
        let mut missing = self.missing()?;
        if missing.is_empty() {
            return Ok(());
        }
        let mut finished = self.fetch(&missing).await?;
        if matches!(Refusal::of(&finished), Some(Refusal::UnknownCommit | Refusal::UnadvertisedCommit)) {
            // Something was moved or deleted since the server listed it.
            self.listed = self.question.ask(self.git).await?;
            missing = self.missing()?;
            if missing.is_empty() {
                return Ok(());
            }
            finished = self.fetch(&missing).await?;
        }
        if !(is_incomplete(&finished) && self.lacks_no_commit()?) {
            self.git.explain(finished, self.question.branch).with_context(|| self.git.cannot("fetch"))?;
        }
        if self.question.depth.is_none() {
            self.write_refs()?;
        }
        Ok(())
    }

    /// Whether all that was not sent are labels that may name a file or a directory, which are left out of fetches without
    /// files. What was sent is here, though git calls that a failure.
    fn lacks_no_commit(&self) -> Result<bool> {
        let missing: HashSet<Oid> = self.missing()?.into_iter().collect();
        let lacking: Vec<&Label> = self.listed.labels.iter().filter(|label| missing.contains(&label.target)).collect();
        for label in &lacking {
            let (kind, name) = (self.question.kind, &label.name);
            self.git.context().console().warn(format_args!("{kind} `{name}` names no commit, and is passed over"));
        }
        let is_about_labels = self.listed.tip.is_none_or(|tip| !missing.contains(&tip));
        Ok(is_about_labels && lacking.iter().all(|label| label.target == label.commit))
    }

    fn missing(&self) -> Result<Vec<Oid>> {
        let named = self.listed.labels.iter().map(|label| label.target).chain(self.listed.tip);
        let mut seen = HashSet::new();
        self.cache.missing(named.filter(|object| seen.insert(*object)))
    }

    /// Makes the repository's refs those of the server, of which the next fetch then brings only what is new.
    fn write_refs(&self) -> Result<()> {
        let branch = self.question.branch.zip(self.listed.tip).map(|(branch, tip)| (format!("{HEADS}{branch}"), tip));
        let here = self.listed.labels.iter().filter(|label| self.cache.has(label.commit));
        let labels = here.map(|label| (format!("{}{}", self.question.prefix, label.name), label.target));
        self.cache.write_refs(&labels.chain(branch).collect::<BTreeMap<_, _>>())
    }

    /// Whether a commit is here, after the server was asked for it if need be.
    async fn bring(&self, commit: Oid) -> Result<bool> {
        if self.cache.has(commit) {
            return Ok(true);
        }
        let finished = self.fetch(&[commit]).await?;
        if Refusal::of(&finished).is_none() {
            self.git.explain(finished, self.question.branch).with_context(|| self.git.cannot("fetch"))?;
        }
        Ok(self.cache.has(commit))
    }

    async fn fetch(&self, objects: &[Oid]) -> Result<Finished> {
        let hashes = lines(objects);
        let fetch = |depth: Option<u32>| {
            let fetch = self.cache.fetch(self.git.network("fetch"));
            let fetch = fetch.args(depth.map(|depth| format!("--depth={depth}"))).args(["--stdin", "origin"]);
            fetch.input(hashes.clone()).quiet().run()
        };
        let mut finished = fetch(self.question.depth).await?;
        if Refusal::of(&finished) == Some(Refusal::CannotShallow) {
            finished = fetch(None).await?;
        }
        RepositoryCache::accepted(finished)
    }
}

/// What a child reads line by line.
fn lines(items: impl IntoIterator<Item = impl Display>) -> String {
    items.into_iter().fold(String::new(), |mut text, item| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{item}");
        text
    })
}
