//! Pushes to a branch, with retries when another push comes first.

pub(crate) mod integration;
mod lfs;
mod notes;
pub(crate) mod other_tags;
mod rejection;
pub(crate) mod tag;
pub(crate) mod work_tree;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use git2::Oid;
use jetway::{Advise as _, Finished, Result};
use jetway_git_client::transport::error_texts::{LOCKED, Meaning, means};
use jetway_git_client::transport::lfs::without_progress;

use self::integration::{Integration, UPSTREAM, Upstream};
use self::notes::{FETCHED_NOTES, NOTES};
use self::other_tags::{ALL, MAX_COMMITS, OtherTags, TagOptions, TagPlan, list_tags};
use self::rejection::{Rejection, created_refs_in, rejections_in};
use self::tag::Tag;
use self::work_tree::WorkTree;
use crate::source::put_params::Force;

/// How many times a push is tried while others update the branch. With the pauses, this takes about a minute.
const MAX_ATTEMPTS: u32 = 12;

/// The pause after the first lost race. It doubles after each attempt, up to `MAX_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(8);

/// The result of a push.
#[derive(Debug)]
pub(crate) struct PushResult {
    /// The full names of the refs that the push created on the server.
    pub(crate) created: Vec<String>,
    /// Whether the server already had everything.
    pub(crate) is_unchanged: bool,
}

impl PushResult {
    fn nothing() -> Self {
        Self { created: Vec::new(), is_unchanged: true }
    }

    fn of(finished: &Finished) -> Self {
        let is_change = |line: &str| line.contains('\t') && !line.starts_with("=\t");
        Self { created: created_refs_in(finished), is_unchanged: !finished.text().lines().any(is_change) }
    }
}

/// A push and its retries.
pub(crate) struct Push<'p> {
    pub(crate) work_tree: WorkTree<'p>,
    /// The branch; `None` if only tags are pushed.
    pub(crate) branch: Option<&'p str>,
    /// The prefix of the branch's ref on the server.
    pub(crate) refs_prefix: &'p str,
    pub(crate) integration: Integration,
    pub(crate) tag: Option<Tag>,
    pub(crate) other_tags: OtherTags,
    /// The file with the note for the pushed commit.
    pub(crate) notes: Option<PathBuf>,
    pub(crate) force: Force,
    pub(crate) options: &'p [String],
}

impl Push<'_> {
    /// Pushes. Retries if another push comes first, up to `MAX_ATTEMPTS` times.
    pub(crate) async fn run(&self) -> Result<PushResult> {
        let start = self.work_tree.head()?;
        let pushed = self.push_with_retries(start).await;
        // Delete the temporary refs: the following tasks do not need them.
        for name in [UPSTREAM, FETCHED_NOTES] {
            if let Ok(mut fetched) = self.work_tree.repository.find_reference(name) {
                fetched.delete().context("cannot remove a temporary ref")?;
            }
        }
        let pushed = pushed?;
        if let Some(Tag { name, message: None }) = &self.tag {
            let tagged = self.work_tree.repository.reference(
                &format!("refs/tags/{name}"),
                self.work_tree.head()?,
                true,
                "jetway: pushed",
            );
            tagged.with_context(|| format!("cannot create the tag `{name}`"))?;
        }
        self.warn_of_replaced_commits(start, &pushed);
        Ok(pushed)
    }

    /// Warns about new tags on commits that a rebase has replaced: these commits are not on the branch. The push has
    /// succeeded, so an error only suppresses the warning.
    fn warn_of_replaced_commits(&self, start: Oid, pushed: &PushResult) {
        let created = || pushed.created.iter().filter_map(|name| name.strip_prefix("refs/tags/"));
        if !matches!(self.integration, Integration::Rebase { .. }) || created().next().is_none() {
            return;
        }
        let repository = self.work_tree.repository;
        let replaced = || {
            let mut replaced = repository.revwalk()?;
            replaced.push(start)?;
            replaced.hide_head()?;
            replaced.take(MAX_COMMITS).collect::<Result<HashSet<Oid>, git2::Error>>()
        };
        let replaced = replaced().unwrap_or_default();
        let is_on_replaced = |tag: &&str| {
            let commit = repository.find_reference(&format!("refs/tags/{tag}")).and_then(|tag| tag.peel_to_commit());
            commit.is_ok_and(|commit| replaced.contains(&commit.id()))
        };
        if let Some(tags) = list_tags(created().filter(is_on_replaced)) {
            let console = self.work_tree.git.context().console();
            console.warn(format_args!(
                "pushed {tags} on a commit that `rebase` has replaced; to tag the new commit, use `tag`"
            ));
        }
    }

    async fn push_with_retries(&self, start: Oid) -> Result<PushResult> {
        let notes = self.work_tree.repository.refname_to_id(NOTES).ok();
        let console = self.work_tree.git.context().console();
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=MAX_ATTEMPTS {
            let upstream = match self.branch {
                Some(branch) => self.work_tree.integrate(&self.integration, branch, start).await?,
                None => Upstream::NotFetched,
            };
            let (finished, tags) = self.push_once(upstream, notes).await?;
            let moved = finished.as_ref().and_then(|finished| self.lost_race(finished));
            let Some(moved) = moved else {
                let finished = finished.map(|finished| self.explain_failure(finished)).transpose()?;
                tags.warn_of_skipped(self.work_tree.git.context().console());
                return Ok(finished.map_or_else(PushResult::nothing, |finished| PushResult::of(&finished)));
            };
            if attempt < MAX_ATTEMPTS {
                console.step(format_args!("another push updated `{moved}`; retrying on top of it"));
                self.work_tree.git.context().interrupt().sleep(jittered(pause)).await?;
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
        Err(anyhow!("another push came first in all {MAX_ATTEMPTS} attempts")
            .hint("run the step again when the branch is less busy"))
    }

    /// Pushes the branch, tags and notes in one atomic push; `None` if there is nothing to push.
    async fn push_once(&self, upstream: Upstream, notes: Option<Oid>) -> Result<(Option<Finished>, TagPlan)> {
        let mut refspecs = Vec::new();
        if let Some(branch) = self.branch {
            refspecs.push(format!("HEAD:{}/{branch}", self.refs_prefix));
        }
        if let Some(tag) = &self.tag
            && self.work_tree.make_tag(tag, self.branch).await?
        {
            let from = if tag.message.is_some() { format!("refs/tags/{}", tag.name) } else { "HEAD".to_owned() };
            refspecs.push(format!("{from}:refs/tags/{}", tag.name));
        }
        if let Some(file) = &self.notes {
            self.work_tree.add_notes(file, notes, self.branch).await?;
            refspecs.push(format!("{NOTES}:{NOTES}"));
        }
        lfs::upload(self.work_tree.git, self.work_tree.repository, &self.work_tree.directory).await?;
        if let Some(finished) = self.push_with_all_tags(&refspecs, upstream).await? {
            return Ok((Some(finished), TagPlan::default()));
        }
        let mut tags = TagPlan::of(&self.work_tree, &self.tag_options()).await?;
        let wanted = [refspecs.as_slice(), tags.refspecs()].concat();
        let finished = self.push_atomically(&wanted, upstream).await?;
        let Some(refused) = finished.as_ref().filter(|finished| tags.caused_failure(finished)) else {
            return Ok((finished, tags));
        };
        // The refused tags were not requested explicitly, so push the rest without them.
        tags.skip_refused(refused);
        let rest = [refspecs.as_slice(), tags.refspecs()].concat();
        Ok((self.push_atomically(&rest, upstream).await?, tags))
    }

    /// Pushes with all tags of the repository, which saves the request for the tags of the server. The push is atomic:
    /// it changes nothing if the server has one of the tags on another object. Returns `None` in this case, and if the
    /// tags need a plan anyway.
    async fn push_with_all_tags(&self, refspecs: &[String], upstream: Upstream) -> Result<Option<Finished>> {
        let tag_options = self.tag_options();
        if tag_options.is_forced || tag_options.tag.is_some() || !tag_options.may_have_new(self.work_tree.repository)? {
            return Ok(None);
        }
        let wanted = [refspecs, &[ALL.to_owned()]].concat();
        let finished = self.push(&wanted, upstream, true).await?;
        let is_about_a_tag = |refused: &Rejection| !refused.is_side_effect() && refused.name.starts_with("refs/tags/");
        let needs_a_plan = !finished.is_success()
            && (means(&finished.stderr, Meaning::CannotAtomic) || rejections_in(&finished).iter().any(is_about_a_tag));
        Ok(Some(finished).filter(|_| !needs_a_plan))
    }

    fn tag_options(&self) -> TagOptions<'_> {
        TagOptions {
            selection: self.other_tags,
            tag: self.tag.as_ref().map(|tag| tag.name.as_str()),
            branch: self.branch,
            is_forced: self.force == Force::Flag(true),
        }
    }

    async fn push_atomically(&self, refspecs: &[String], upstream: Upstream) -> Result<Option<Finished>> {
        if refspecs.is_empty() {
            // Without refspecs, git would push the refs that its settings select.
            return Ok(None);
        }
        let is_one = refspecs.len() == 1 && !refspecs.iter().any(|refspec| refspec.contains('*'));
        let finished = self.push(refspecs, upstream, !is_one).await?;
        // The server does not support atomic pushes: push without.
        if means(&finished.stderr, Meaning::CannotAtomic) {
            return self.push(refspecs, upstream, false).await.map(Some);
        }
        Ok(Some(finished))
    }

    async fn push(&self, refspecs: &[String], upstream: Upstream, is_atomic: bool) -> Result<Finished> {
        let mut push =
            self.work_tree.git.push().directory(&self.work_tree.directory).args(["--porcelain", "--progress"]);
        if is_atomic {
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
        let push = push.progress(Some("remote: ")).arg("--").arg(&self.work_tree.git.remote().address).args(refspecs);
        push.run().await.map(without_progress)
    }

    /// The `--force-with-lease` option. The lease expects the branch at the commit where the get found it or, with
    /// `rebase` or `merge`, at the commit that the put fetched: otherwise every retry after another push would fail.
    fn lease(&self, upstream: Upstream) -> Result<String> {
        let Some(branch) = self.branch else { return Ok("--force-with-lease".to_owned()) };
        let lease = |expected: &str| format!("--force-with-lease={}/{branch}:{expected}", self.refs_prefix);
        match upstream {
            Upstream::At(commit) => return Ok(lease(&commit.to_string())),
            // An empty lease expects that the branch does not exist.
            Upstream::Absent => return Ok(lease("")),
            Upstream::NotFetched => {}
        }
        let found = self.work_tree.repository.refname_to_id(&format!("refs/remotes/origin/{branch}"));
        let found = found.map_err(|error| {
            jetway::Error::new(error)
                .context(format!("`force: lease` needs the position of `{branch}` at the time of the get"))
                .hint("use a repository that a get of that branch created")
        })?;
        Ok(lease(&found.to_string()))
    }

    /// The ref that another push updated, if that is the only reason for the failure and a retry can succeed.
    fn lost_race(&self, finished: &Finished) -> Option<String> {
        let branch = self.branch.map(|branch| format!("{}/{branch}", self.refs_prefix));
        let can_catch_up = self.integration != Integration::None;
        if finished.is_success() {
            return None;
        }
        lost_race(&rejections_in(finished), &finished.stderr, branch.as_deref().filter(|_| can_catch_up))
    }

    /// Turns a failed push into an error with the refused refs and the reasons.
    fn explain_failure(&self, finished: Finished) -> Result<Finished> {
        let refused = rejections_in(&finished);
        let error = match self.work_tree.git.explain(finished, self.branch) {
            Ok(finished) => return Ok(finished),
            Err(error) => error,
        };
        let Some(first) = refused.iter().find(|rejection| !rejection.is_side_effect()) else {
            return Err(error.context(self.work_tree.git.cannot("push to")));
        };
        let hint = first.hint();
        let reasons: Vec<String> = refused.iter().map(ToString::to_string).collect();
        let error = anyhow!(reasons.join("\n")).context(self.work_tree.git.cannot("push to"));
        Err(match hint {
            Some(hint) => error.hint(hint),
            None => error,
        })
    }
}

/// The ref that another push updated, if that is the only reason for the failure. A retry can integrate `branch` and
/// the notes.
fn lost_race(refused: &[Rejection], stderr: &str, branch: Option<&str>) -> Option<String> {
    // In an atomic push, the server reports a lock failure of one ref for every ref.
    let is_locked = |name: &&str| stderr.contains(&format!("{LOCKED} '{name}'"));
    if let Some(name) = branch.filter(is_locked) {
        return Some(name.to_owned());
    }
    let can_catch_up = |name: &str| name == NOTES || branch == Some(name);
    let mut causes = refused.iter().filter(|rejection| !rejection.is_side_effect()).peekable();
    let first = causes.peek()?.name.clone();
    causes.all(|rejection| rejection.has_moved() && can_catch_up(&rejection.name)).then_some(first)
}

/// Adds jitter: returns 0.5 to 1.5 times `pause`, so that two competing pushes do not retry at the same time.
fn jittered(pause: Duration) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(0_u8) % 1000;
    pause / 2 + pause.mul_f64(f64::from(u32::try_from(random).unwrap_or_default()) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = "refs/heads/main";

    fn race(porcelain: &str, stderr: &str, branch: Option<&str>) -> Option<String> {
        lost_race(&rejection::parse(porcelain), stderr, branch)
    }

    #[test]
    fn moved_branch_is_a_lost_race_only_if_the_put_can_integrate_it() {
        for reason in ["[rejected] (fetch first)", "[rejected] (non-fast-forward)", "[rejected] (stale info)"] {
            let refused = format!("!\tHEAD:{MAIN}\t{reason}\n");
            assert_eq!(race(&refused, "", Some(MAIN)).as_deref(), Some(MAIN), "{reason}");
            assert_eq!(race(&refused, "", None), None, "{reason}");
            assert_eq!(race(&refused, "", Some("refs/heads/other")), None, "{reason}");
        }
    }

    #[test]
    fn lost_race_requires_that_every_refused_ref_can_be_integrated() {
        let main = format!("!\tHEAD:{MAIN}\t[rejected] (fetch first)\n");
        let notes = format!("!\t{NOTES}:{NOTES}\t[rejected] (fetch first)\n");
        let tag = "!\trefs/tags/v1:refs/tags/v1\t[rejected] (already exists)\n";
        assert_eq!(race(&format!("{main}{notes}"), "", Some(MAIN)).as_deref(), Some(MAIN));
        assert_eq!(race(&notes, "", None).as_deref(), Some(NOTES));
        assert_eq!(race(&format!("{main}{tag}"), "", Some(MAIN)), None);
        assert_eq!(race(tag, "", Some(MAIN)), None);
        assert_eq!(race("", "", Some(MAIN)), None);
    }

    #[test]
    fn refs_skipped_by_an_atomic_push_are_not_a_cause() {
        let echo = "!\trefs/tags/v1:refs/tags/v1\t[rejected] (atomic push failed)\n";
        let main = format!("!\tHEAD:{MAIN}\t[rejected] (fetch first)\n{echo}");
        assert_eq!(race(&main, "", Some(MAIN)).as_deref(), Some(MAIN));
        assert_eq!(race(echo, "", Some(MAIN)), None);
    }

    #[test]
    fn locked_branch_is_a_lost_race_regardless_of_other_refs() {
        let refused = format!("!\tHEAD:{MAIN}\t[remote rejected] (failed)\n");
        let stderr = format!("remote: error: cannot lock ref '{MAIN}': is at 1 but expected 2\n");
        assert_eq!(race(&refused, &stderr, Some(MAIN)).as_deref(), Some(MAIN));
        assert_eq!(race(&refused, &stderr, None), None);
        assert_eq!(race(&refused, "", Some(MAIN)), None);
    }

    #[test]
    fn pauses_are_jittered() {
        for _ in 0..100 {
            let pause = jittered(Duration::from_secs(2));
            assert!(pause >= Duration::from_secs(1) && pause <= Duration::from_secs(3), "{pause:?}");
        }
    }
}
