//! Pushing to a branch that others push to as well.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use git2::{Oid, Repository};
use jetway::{Advise as _, Command, Finished, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::git::{Git, Refusal};
use crate::lfs;
use crate::local_tags::{MOST_COMMITS, OtherTags, TagPlan, named};
use crate::object_id::object_id;
use crate::rejection::{Rejection, made_by, of_push};

/// How often a push is tried while others move the branch. With the pauses between them, about a minute.
const MOST_TRIES: u32 = 12;

/// The pause after the first lost race; each later one is longer, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Where the branch is fetched to when HEAD is brought up to it.
const UPSTREAM: &str = "refs/jetway/upstream";

/// The ref that notes stand in.
const NOTES: &str = "refs/notes/commits";

/// Where the server's notes are fetched to.
const NOTES_THERE: &str = "refs/jetway/notes";

/// Whether what is on the server may be overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Force {
    /// Always, or never.
    Flag(bool),
    /// Only while the branch is where it was seen last.
    Lease(Lease),
}

/// The word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lease {
    /// `git push --force-with-lease`.
    Lease,
}

impl Default for Force {
    fn default() -> Self {
        Self::Flag(false)
    }
}

/// How HEAD is brought up to what others have pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Integration {
    /// Not at all.
    None,
    /// Its commits are put on top.
    Rebase {
        /// `git rebase --strategy`.
        strategy: Option<String>,
        /// `git rebase --strategy-option`, each.
        options: Vec<String>,
    },
    /// What others have pushed is merged into it.
    Merge,
}

/// The branch as HEAD was brought up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upstream {
    /// HEAD was not brought up to it: what the get found is all that is known.
    AsGot,
    /// It is not on the server.
    Absent,
    /// HEAD builds on this commit.
    At(Oid),
}

/// A tag to put on the pushed commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Its name.
    pub(crate) name: String,
    /// The file with its message, for an annotated one.
    pub(crate) message: Option<PathBuf>,
}

/// What a push has brought about.
#[derive(Debug)]
pub(crate) struct Pushed {
    /// The full names of the refs that were not on the server before.
    pub(crate) made: Vec<String>,
    /// Whether the server had everything already.
    pub(crate) is_unchanged: bool,
}

impl Pushed {
    fn nothing() -> Self {
        Self { made: Vec::new(), is_unchanged: true }
    }

    fn of(finished: &Finished) -> Self {
        let is_change = |line: &str| line.contains('\t') && !line.starts_with("=\t");
        Self { made: made_by(finished), is_unchanged: !finished.text().lines().any(is_change) }
    }
}

/// One push, tried as often as it takes.
pub(crate) struct Push<'p> {
    pub(crate) git: &'p Git<'p>,
    /// The repository's work tree.
    pub(crate) directory: PathBuf,
    pub(crate) repository: &'p Repository,
    /// The branch; none when only tags are pushed.
    pub(crate) branch: Option<&'p str>,
    /// What the branch's name stands behind on the server.
    pub(crate) refs_prefix: &'p str,
    pub(crate) integration: Integration,
    pub(crate) tag: Option<Tag>,
    pub(crate) other_tags: OtherTags,
    /// The file with a note for the pushed commit.
    pub(crate) notes: Option<PathBuf>,
    pub(crate) force: Force,
    pub(crate) options: &'p [String],
}

impl Push<'_> {
    /// The commit that HEAD names.
    pub(crate) fn head(&self) -> Result<Oid> {
        self.repository.refname_to_id("HEAD").context("the repository has no commit to push")
    }

    /// Pushes until it is done, somebody has a reason to refuse it, or others were faster too often.
    pub(crate) async fn run(&self) -> Result<Pushed> {
        let start = self.head()?;
        let pushed = self.try_until_done(start).await;
        // What was fetched to build on is of no use to the tasks that follow.
        for name in [UPSTREAM, NOTES_THERE] {
            if let Ok(mut fetched) = self.repository.find_reference(name) {
                fetched.delete().context("cannot remove a ref that was built on")?;
            }
        }
        let pushed = pushed?;
        if let Some(Tag { name, message: None }) = &self.tag {
            let tagged = self.repository.reference(&format!("refs/tags/{name}"), self.head()?, true, "jetway: pushed");
            tagged.with_context(|| format!("cannot make the tag `{name}`"))?;
        }
        self.warn_of_replaced_commits(start, &pushed)?;
        Ok(pushed)
    }

    /// Names the new tags on commits that a rebase has replaced: they are on the server, but not on the branch.
    fn warn_of_replaced_commits(&self, start: Oid, pushed: &Pushed) -> Result<()> {
        if !matches!(self.integration, Integration::Rebase { .. }) || self.head()? == start {
            return Ok(());
        }
        let mut replaced = self.repository.revwalk()?;
        replaced.push(start)?;
        replaced.hide_head()?;
        let replaced: HashSet<Oid> = replaced.take(MOST_COMMITS).collect::<Result<_, _>>()?;
        let is_on_one = |name: &str| {
            let commit = self.repository.find_reference(name).and_then(|tag| tag.peel_to_commit());
            commit.is_ok_and(|commit| replaced.contains(&commit.id()))
        };
        let tags = pushed.made.iter().filter(|name| is_on_one(name)).filter_map(|name| name.strip_prefix("refs/tags/"));
        if let Some(tags) = named(tags) {
            let console = self.git.context().console();
            console.warn(format_args!(
                "{tags} went to the server on a commit that `rebase` has replaced; use `tag` for the new one"
            ));
        }
        Ok(())
    }

    async fn try_until_done(&self, start: Oid) -> Result<Pushed> {
        let notes = self.repository.refname_to_id(NOTES).ok();
        let console = self.git.context().console();
        let mut pause = FIRST_PAUSE;
        for try_number in 1..=MOST_TRIES {
            let upstream = match self.branch {
                Some(branch) => self.integrate(branch, start).await?,
                None => Upstream::AsGot,
            };
            let (finished, tags) = self.push_once(upstream, notes).await?;
            let moved = finished.as_ref().and_then(|finished| self.lost_race(finished));
            let Some(moved) = moved else {
                let finished = finished.map(|finished| self.judge(finished)).transpose()?;
                tags.warn_of_those_left(self.git.context().console());
                return Ok(finished.map_or_else(Pushed::nothing, |finished| Pushed::of(&finished)));
            };
            if try_number < MOST_TRIES {
                console.step(format_args!("`{moved}` has moved meanwhile; trying again on top of it"));
                self.git.context().interrupt().sleep(jittered(pause)).await?;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        Err(anyhow!("others pushed first, {MOST_TRIES} times in a row")
            .hint("run the step again when the branch is less busy"))
    }

    /// Brings HEAD up to the branch as the server has it. A branch that is not there yet needs nothing.
    async fn integrate(&self, branch: &str, start: Oid) -> Result<Upstream> {
        if self.integration == Integration::None {
            return Ok(Upstream::AsGot);
        }
        let finished = self.fetch(&format!("+refs/heads/{branch}:{UPSTREAM}"), None).await?;
        if Refusal::of(&finished) == Some(Refusal::UnknownRef) {
            return Ok(Upstream::Absent);
        }
        self.git.explain(finished, Some(branch)).with_context(|| self.git.cannot("fetch from"))?;
        self.join_histories(branch).await?;
        let upstream = self.repository.refname_to_id(UPSTREAM).context("the fetch left no ref behind")?;
        let (verb, command) = match &self.integration {
            Integration::None => return Ok(Upstream::AsGot),
            Integration::Rebase { strategy, options } => {
                let mut rebase = self.command("rebase").arg("--rebase-merges");
                if let Some(strategy) = strategy {
                    rebase = rebase.arg(format!("--strategy={strategy}"));
                }
                for option in options {
                    rebase = rebase.arg(format!("--strategy-option={option}"));
                }
                ("rebase", rebase.arg(UPSTREAM))
            }
            Integration::Merge => {
                self.reset_work_tree(start).await?;
                // The words that `git pull` has for it; those of `git merge` would be about a ref that nobody knows.
                let message = format!("--message=Merge branch '{branch}' of {}", self.address_to_show());
                ("merge", self.command("merge").args(["--no-edit", "--quiet", &message, UPSTREAM]))
            }
        };
        let finished = command.run().await?;
        if finished.is_success() {
            // Else each push would be refused, and look like a lost race.
            return if self.asks(&["--is-ancestor", UPSTREAM, "HEAD"]).await? {
                Ok(Upstream::At(upstream))
            } else {
                Err(anyhow!("after `git {verb}`, HEAD still lacks commits of `{branch}`"))
            };
        }
        let conflicts = self.conflicts();
        // Half of it is of no use to anybody; the error tells what is needed.
        self.command(verb).arg("--abort").run().await?;
        let error = finished.failure().context(match verb {
            "rebase" => format!("cannot rebase `{start}` onto `{branch}`"),
            _ => format!("cannot merge `{branch}` into `{start}`"),
        });
        Err(match conflicts.as_slice() {
            [] => error,
            files => error.hint(format!("conflicts in: {}", files.join(", "))),
        })
    }

    /// Makes the work tree that of `start`, as the established resource does before it merges. A merge that lost its race is thrown
    /// away, too: there shall be one merge, not a chain of them.
    async fn reset_work_tree(&self, start: Oid) -> Result<()> {
        let status = self.command("status").args(["--porcelain", "--untracked-files=no", "--ignore-submodules=all"]);
        let changed = status.run().await?.success()?.text();
        if changed.is_empty() && self.head()? == start {
            return Ok(());
        }
        if !changed.is_empty() {
            let console = self.git.context().console();
            console.warn("changes that were not committed are thrown away before the merge");
        }
        self.command("reset").args(["--quiet", "--hard", &start.to_string()]).run().await?.success()?;
        Ok(())
    }

    /// The server's address as `git pull` writes it into a merge.
    fn address_to_show(&self) -> &str {
        let address = self.git.remote().address.trim_end_matches('/');
        address.strip_suffix(".git").unwrap_or(address).trim_end_matches('/')
    }

    /// Makes sure that HEAD and the branch have a commit in common here: of a shallow get of an older version, that commit
    /// has yet to be fetched.
    async fn join_histories(&self, branch: &str) -> Result<()> {
        for deeper in ["--deepen=50", "--deepen=1000", "--unshallow"] {
            if self.asks(&[UPSTREAM, "HEAD"]).await? {
                return Ok(());
            }
            if !self.repository.is_shallow() {
                break;
            }
            let finished = self.fetch(&format!("+refs/heads/{branch}:{UPSTREAM}"), Some(deeper)).await?;
            self.git.explain(finished, Some(branch)).with_context(|| self.git.cannot("fetch from"))?;
        }
        if self.asks(&[UPSTREAM, "HEAD"]).await? {
            Ok(())
        } else {
            Err(anyhow!("HEAD and `{branch}` of `{}` have no commit in common", self.git.remote().address))
        }
    }

    /// Asks `git merge-base` a question that it answers by its exit code.
    async fn asks(&self, question: &[&str]) -> Result<bool> {
        let finished = self.command("merge-base").args(question).run().await?;
        match finished.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(finished.failure()),
        }
    }

    fn conflicts(&self) -> Vec<String> {
        let read = || {
            let mut index = self.repository.index()?;
            index.read(true)?;
            let conflicts = index.conflicts()?;
            let path = |conflict: git2::IndexConflict| conflict.our.or(conflict.their).or(conflict.ancestor);
            let mut files: Vec<String> = conflicts
                .flatten()
                .filter_map(path)
                .map(|entry| String::from_utf8_lossy(&entry.path).into_owned())
                .collect();
            files.dedup();
            Ok::<_, git2::Error>(files)
        };
        read().unwrap_or_default()
    }

    /// Pushes all that was asked for at once: everything arrives, or nothing does. There may be nothing to push.
    async fn push_once(&self, upstream: Upstream, notes: Option<Oid>) -> Result<(Option<Finished>, TagPlan)> {
        let mut refspecs = Vec::new();
        if let Some(branch) = self.branch {
            refspecs.push(format!("HEAD:{}/{branch}", self.refs_prefix));
        }
        if let Some(tag) = &self.tag
            && self.make_tag(tag).await?
        {
            let from = if tag.message.is_some() { format!("refs/tags/{}", tag.name) } else { "HEAD".to_owned() };
            refspecs.push(format!("{from}:refs/tags/{}", tag.name));
        }
        if let Some(file) = &self.notes {
            self.add_notes(file, notes).await?;
            refspecs.push(format!("{NOTES}:{NOTES}"));
        }
        let mut tags = TagPlan::of(self).await?;
        lfs::upload(self.git, self.repository, &self.directory).await?;
        let wanted = [refspecs.as_slice(), tags.refspecs()].concat();
        let finished = self.push_atomically(&wanted, upstream).await?;
        let Some(refused) = finished.as_ref().filter(|finished| tags.are_why(finished)) else {
            return Ok((finished, tags));
        };
        // Nobody asked for the tags that the server refuses, so they do not fail the rest.
        tags.leave(refused);
        let rest = [refspecs.as_slice(), tags.refspecs()].concat();
        Ok((self.push_atomically(&rest, upstream).await?, tags))
    }

    async fn push_atomically(&self, refspecs: &[String], upstream: Upstream) -> Result<Option<Finished>> {
        if refspecs.is_empty() {
            // git would push what its settings say.
            return Ok(None);
        }
        let is_one = refspecs.len() == 1 && !refspecs.iter().any(|refspec| refspec.contains('*'));
        let finished = self.push(refspecs, upstream, !is_one).await?;
        // A server that cannot do all or nothing is asked once more, without that.
        if finished.stderr.contains("does not support --atomic") {
            return self.push(refspecs, upstream, false).await.map(Some);
        }
        Ok(Some(finished))
    }

    async fn push(&self, refspecs: &[String], upstream: Upstream, all_or_nothing: bool) -> Result<Finished> {
        let mut push = self.git.push().directory(&self.directory).args(["--porcelain", "--progress"]);
        if all_or_nothing {
            push = push.arg("--atomic");
        }
        push = match self.force {
            Force::Flag(false) => push,
            Force::Flag(true) => push.arg("--force"),
            Force::Lease(_) => push.arg(self.lease(upstream)?),
        };
        for option in self.options {
            push = push.arg(format!("--push-option={option}"));
        }
        let push = push.progress(Some("remote: ")).arg("--").arg(&self.git.remote().address).args(refspecs);
        push.run().await.map(lfs::without_progress)
    }

    /// The option that lets the server overwrite the branch only while it is where it was seen last: by the get, or when HEAD
    /// was brought up to it. (A lease on what the get found would never hold again once others have pushed.)
    fn lease(&self, upstream: Upstream) -> Result<String> {
        let Some(branch) = self.branch else { return Ok("--force-with-lease".to_owned()) };
        let lease = |expected: &str| format!("--force-with-lease={}/{branch}:{expected}", self.refs_prefix);
        match upstream {
            Upstream::At(commit) => return Ok(lease(&commit.to_string())),
            // Nothing is expected: the branch is still to be made.
            Upstream::Absent => return Ok(lease("")),
            Upstream::AsGot => {}
        }
        let found = self.repository.refname_to_id(&format!("refs/remotes/origin/{branch}"));
        let found = found.map_err(|error| {
            jetway::Error::new(error)
                .context(format!("`force: lease` needs to know where the get found `{branch}`"))
                .hint("it works for a repository that a get of that branch has made")
        })?;
        Ok(lease(&found.to_string()))
    }

    /// Makes the object of an annotated tag on HEAD; `false` when the server has the tag there already.
    async fn make_tag(&self, tag: &Tag) -> Result<bool> {
        let head = self.head()?;
        let what = || format!("cannot make the tag `{}`", tag.name);
        let Some(message) = &tag.message else { return Ok(true) };
        // An annotated tag made anew is another object each time, though it says the same of the same commit.
        if self.tagged_on_server(&tag.name).await? == Some(head) {
            return Ok(false);
        }
        // Lines that begin with `#` are headings, not comments.
        let make = self.command("tag").args(["--annotate", "--force", "--cleanup=whitespace", "--file"]).arg(message);
        make.args(["--", &tag.name, "HEAD"]).run().await?.success().with_context(what)?;
        Ok(true)
    }

    /// The commit that an annotated tag on the server leads to.
    async fn tagged_on_server(&self, name: &str) -> Result<Option<Oid>> {
        let peeled = format!("refs/tags/{name}^{{}}");
        let listing = self.git.network("ls-remote").args(["--tags", "--"]).arg(&self.git.remote().address);
        let listing = self.git.explain(listing.arg(format!("refs/tags/{name}*")).quiet().run().await?, self.branch);
        let text = listing.with_context(|| self.git.cannot("read"))?.text();
        let found = text.lines().filter_map(|line| line.split_once('\t')).find(|(_, found)| *found == peeled);
        Ok(found.and_then(|(hash, _)| object_id(hash).ok()))
    }

    /// Puts the note on HEAD, on top of the notes that the server has and of those that were in the repository (`ours`).
    async fn add_notes(&self, file: &PathBuf, ours: Option<Oid>) -> Result<()> {
        let finished = self.fetch(&format!("+{NOTES}:{NOTES_THERE}"), None).await?;
        let is_first = Refusal::of(&finished) == Some(Refusal::UnknownRef);
        if !is_first {
            self.git.explain(finished, self.branch).with_context(|| self.git.cannot("fetch the notes of"))?;
        }
        // A try that lost its race may have put the note on a commit that was never pushed.
        match (ours, self.repository.find_reference(NOTES)) {
            (Some(ours), _) => drop(self.repository.reference(NOTES, ours, true, "jetway: as before")?),
            (None, Ok(mut left)) => left.delete()?,
            (None, Err(_)) => {}
        }
        if !is_first {
            self.merge_notes(ours).await?;
        }
        let head = self.head()?;
        if let Ok(note) = self.repository.find_note(None, head) {
            let wanted = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
            return if note.message_bytes().trim_ascii() == wanted.trim_ascii() {
                Ok(())
            } else {
                Err(anyhow!("commit `{head}` has another note already"))
            };
        }
        // As an object the note is taken as it is; of a file, git leaves out lines that begin with `#`.
        let text = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let note = self.repository.blob(&text).context("cannot write the note")?;
        let add = self.command("notes").args(["add", "-C", &note.to_string(), &head.to_string()]);
        add.run().await?.success().with_context(|| format!("cannot add a note to `{head}`"))?;
        Ok(())
    }

    /// Brings the server's notes into those of the repository.
    async fn merge_notes(&self, ours: Option<Oid>) -> Result<()> {
        if ours.is_none() {
            let theirs = self.repository.refname_to_id(NOTES_THERE)?;
            self.repository.reference(NOTES, theirs, false, "jetway: fetched")?;
            return Ok(());
        }
        let merge = self.command("notes").args(["merge", "--quiet", NOTES_THERE]).run().await?;
        if merge.is_success() {
            return Ok(());
        }
        self.command("notes").args(["merge", "--abort"]).run().await?;
        let error = merge.failure().context("cannot merge the notes of the repository with those of the server");
        Err(error.hint("the two have other notes on the same commit; no note was overwritten, and nothing was pushed"))
    }

    /// Fetches a ref, and when `deeper` says so, more of the history that a shallow get has cut off.
    async fn fetch(&self, refspec: &str, deeper: Option<&str>) -> Result<Finished> {
        self.git
            .network("fetch")
            .directory(&self.directory)
            .args(["--progress", "--no-tags", "--no-write-fetch-head"])
            .args(deeper)
            .args(["--", &self.git.remote().address, refspec])
            .progress(None)
            .run()
            .await
    }

    fn command(&self, subcommand: &str) -> Command {
        self.git.command(subcommand).directory(&self.directory).env("GIT_EDITOR", "true").quiet()
    }

    /// The ref whose move is all that made the push fail, when trying again can mend that.
    fn lost_race(&self, finished: &Finished) -> Option<String> {
        let can_catch_up = |name: &str| {
            name == NOTES
                || (self.integration != Integration::None
                    && self.branch.is_some_and(|branch| name == format!("{}/{branch}", self.refs_prefix)))
        };
        // Where all or nothing is to arrive, the server blames every ref for the one that it found moved.
        let locked = self.branch.map(|branch| format!("{}/{branch}", self.refs_prefix));
        let locked = locked.filter(|name| finished.stderr.contains(&format!("cannot lock ref '{name}'")));
        if let Some(name) = locked.filter(|name| can_catch_up(name)) {
            return Some(name);
        }
        let refused: Vec<Rejection> = of_push(finished).into_iter().filter(|rejection| !rejection.is_echo()).collect();
        let all_can = refused.iter().all(|rejection| rejection.has_moved() && can_catch_up(&rejection.name));
        refused.first().filter(|_| all_can && !finished.is_success()).map(|rejection| rejection.name.clone())
    }

    /// The finished push, or an error that says which refs were refused and why.
    fn judge(&self, finished: Finished) -> Result<Finished> {
        let refused = of_push(&finished);
        let error = match self.git.explain(finished, self.branch) {
            Ok(finished) => return Ok(finished),
            Err(error) => error,
        };
        let Some(first) = refused.iter().find(|rejection| !rejection.is_echo()) else {
            return Err(error.context(self.git.cannot("push to")));
        };
        let reasons: Vec<String> = refused.iter().map(ToString::to_string).collect();
        let error = anyhow!(reasons.join("\n")).context(self.git.cannot("push to"));
        Err(if first.exists_already() {
            error.hint("the tag is there already, on another commit")
        } else if first.is_stale() {
            error.hint("the branch has moved since the get, and `force: lease` overwrites nothing that is new")
        } else if first.has_moved() {
            error.hint("the branch has commits that this one does not have; `rebase: true` puts it on top of them")
        } else {
            error
        })
    }
}

/// Half the pause to one and a half of it, so that two pushes that met once do not meet again.
fn jittered(pause: Duration) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(0_u8) % 1000;
    pause / 2 + pause.mul_f64(f64::from(u32::try_from(random).unwrap_or_default()) / 1000.0)
}
