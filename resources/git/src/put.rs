//! put: push a commit to a branch, and tag it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use git2::Repository;
use jetway::{Advise as _, Context, Finished, Parameters, Problems, Response, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::git::{Git, Refusal, open};
use crate::metadata::CommitFacts;
use crate::remote::is_branch_name;
use crate::source::Source;
use crate::version::Version;

/// How often a push is tried while others move the branch. With the pauses between them, about a minute.
const MOST_TRIES: u32 = 12;

/// The pause after the first lost race; each later one is longer, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// What a pipeline may write under a put step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Params {
    /// The repository to push from, a directory in the inputs. What its HEAD names is pushed.
    pub repository: String,

    /// The branch to push to, instead of the source's.
    pub branch: Option<String>,

    /// Rebase onto the branch before the push, and again when others push meanwhile.
    #[serde(default)]
    pub rebase: bool,

    /// A file in the inputs that holds the name of a tag to put on the pushed commit.
    pub tag: Option<String>,

    /// Text to put before the tag's name.
    #[serde(default)]
    pub tag_prefix: String,
}

impl Parameters for Params {
    fn rules(&self, problems: &mut Problems) {
        if let Some(branch) = &self.branch
            && let Err(problem) = is_branch_name(branch)
        {
            problems.add("branch", problem);
        }
        let paths = [("repository", Some(&self.repository)), ("tag", self.tag.as_ref())];
        for (key, path) in paths.into_iter().filter_map(|(key, path)| Some((key, path?))) {
            if path.trim().is_empty() {
                problems.add(key, "must not be empty");
            } else if path.starts_with('-') {
                problems.add(key, "must not begin with `-`");
            } else if leaves_its_directory(path) {
                problems.add(key, "must stay inside the directory of the inputs");
            }
        }
        if self.tag.is_none() && !self.tag_prefix.is_empty() {
            problems.add("tag_prefix", "has no effect without `tag`");
        }
    }
}

/// Whether a path leads out of the directory that it is relative to.
fn leaves_its_directory(path: &str) -> bool {
    use std::path::Component;
    let mut depth = 0_i32;
    for component in Path::new(path).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return true,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

/// Pushes the HEAD of `params.repository`.
pub(crate) async fn put(
    context: &Context,
    source: &Source,
    params: &Params,
    inputs: &Path,
) -> Result<Response<Version>> {
    let Some(branch) = params.branch.as_ref().or(source.branch.as_ref()) else {
        return Err(anyhow!("there is no branch to push to").hint("set `branch` in the source or in the put's params"));
    };
    let directory = inputs.join(&params.repository);
    if !directory.is_dir() {
        return Err(anyhow!("`{}` is not a directory in the inputs", params.repository)
            .hint("`repository` is the name of an earlier get or of a task's output"));
    }
    let tag = params.tag.as_ref().map(|file| read_tag(inputs, file, &params.tag_prefix)).transpose()?;
    let git = Git::new(context, source)?;
    let repository = open(&directory).with_context(|| format!("`{}` is not a git repository", params.repository))?;
    head(&repository)?;

    let push = Push { git: &git, directory, repository: &repository, branch, tag: tag.as_deref() };
    if params.rebase {
        push.rebase_and_push().await?;
    } else {
        let finished = push.push_once().await?;
        push.judge(finished)?;
    }
    let facts = CommitFacts::of_head(&repository, &git.remote().address)?;
    context.console().step(format_args!("pushed {} {} to `{branch}`", facts.hash(), facts.subject()));
    let version = Version { reference: facts.hash().to_owned(), branch: params.branch.clone() };
    Ok(Response { version, metadata: facts.metadata() })
}

/// The tag's name: the prefix and what the file holds.
fn read_tag(inputs: &Path, file: &str, prefix: &str) -> Result<String> {
    let text =
        std::fs::read_to_string(inputs.join(file)).with_context(|| format!("cannot read the tag file `{file}`"))?;
    let name = format!("{prefix}{}", text.trim_end_matches(['\n', '\r']));
    let legal = !name.starts_with('-') && git2::Reference::is_valid_name(&format!("refs/tags/{name}"));
    if legal { Ok(name) } else { Err(anyhow!("`{name}`, from the file `{file}`, is not a legal tag name")) }
}

fn head(repository: &Repository) -> Result<git2::Oid> {
    let commit = || repository.head()?.peel_to_commit();
    Ok(commit().context("the repository has no commit to push")?.id())
}

/// One push, tried as often as it takes.
struct Push<'p> {
    git: &'p Git<'p>,
    directory: PathBuf,
    repository: &'p Repository,
    branch: &'p str,
    tag: Option<&'p str>,
}

impl Push<'_> {
    /// Puts the commits on top of what others have pushed, until nobody was faster.
    async fn rebase_and_push(&self) -> Result<()> {
        let start = head(self.repository)?;
        let console = self.git.context().console();
        let mut pause = FIRST_PAUSE;
        for try_number in 1..=MOST_TRIES {
            self.rebase(start).await?;
            let finished = self.push_once().await?;
            if !lost_a_race(&finished, self.branch) {
                return self.judge(finished);
            }
            if try_number < MOST_TRIES {
                console.step(format_args!("`{}` has moved meanwhile; rebasing and trying again", self.branch));
                self.git.context().interrupt().sleep(jittered(pause)).await?;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        Err(anyhow!("others pushed to `{}` first, {MOST_TRIES} times in a row", self.branch)
            .hint("run the step again when the branch is less busy"))
    }

    /// Rebases HEAD onto the branch as the server has it. A branch that is not there yet needs no rebase.
    async fn rebase(&self, start: git2::Oid) -> Result<()> {
        let tracking = "refs/jetway/rebase-onto";
        let refspec = format!("+refs/heads/{}:{tracking}", self.branch);
        let fetch = self
            .git
            .network("fetch")
            .directory(&self.directory)
            .args(["--progress", "--no-tags", "--no-write-fetch-head", "--", &self.git.remote().address, &refspec])
            .progress(None);
        let finished = fetch.run().await?;
        if Refusal::of(&finished) == Some(Refusal::UnknownRef) {
            return Ok(());
        }
        self.git.explain(finished, Some(self.branch)).with_context(|| self.git.cannot("fetch from"))?;
        let rebase = self
            .git
            .command("rebase")
            .directory(&self.directory)
            .args(["--rebase-merges", "--no-autostash", tracking])
            .env("GIT_EDITOR", "true")
            .quiet();
        let finished = rebase.run().await?;
        if finished.is_success() {
            return Ok(());
        }
        let conflicts = self.conflicts();
        // Half a rebase is of no use to anybody; the error tells what is needed.
        self.git.command("rebase").directory(&self.directory).arg("--abort").quiet().run().await?;
        let error = finished.failure().context(format!("cannot rebase `{start}` onto `{}`", self.branch));
        Err(match conflicts.as_slice() {
            [] => error,
            files => error.hint(format!("conflicts in: {}", files.join(", "))),
        })
    }

    fn conflicts(&self) -> Vec<String> {
        let read = || {
            let index = self.repository.index()?;
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

    /// Pushes HEAD to the branch, and the tag with it: both arrive, or neither does.
    async fn push_once(&self) -> Result<Finished> {
        let mut push =
            self.git.push().directory(&self.directory).args(["--porcelain", "--progress"]).progress(Some("remote: "));
        let mut refspecs = vec![format!("HEAD:refs/heads/{}", self.branch)];
        if let Some(tag) = self.tag {
            let commit = self.repository.head()?.peel_to_commit()?;
            self.repository
                .tag_lightweight(tag, commit.as_object(), true)
                .with_context(|| format!("cannot make the tag `{tag}`"))?;
            refspecs.push(format!("refs/tags/{tag}"));
            push = push.arg("--atomic");
        }
        push.arg("--").arg(&self.git.remote().address).args(&refspecs).run().await
    }

    /// Success, or an error that says which refs were refused and why.
    fn judge(&self, finished: Finished) -> Result<()> {
        if finished.is_success() {
            return Ok(());
        }
        let refused = rejections(&finished);
        let error = self.git.explain(finished, Some(self.branch)).map(|_| ());
        let Err(error) = error else { return Ok(()) };
        let error = error.context(self.git.cannot("push to"));
        let Some(first) = refused.iter().find(|rejection| !rejection.reason.contains("atomic")) else {
            return Err(error);
        };
        let reasons: Vec<String> =
            refused.iter().map(|rejection| format!("`{}`: {}", rejection.name, rejection.reason)).collect();
        let error = anyhow!(reasons.join("\n")).context(self.git.cannot("push to"));
        Err(if first.name.starts_with("refs/tags/") {
            error.hint("the tag is there already, on another commit")
        } else if first.is_of_older_base() {
            error.hint("the branch has commits that this one does not have; `rebase: true` puts it on top of them")
        } else {
            error
        })
    }
}

/// A ref that the server, or git itself, refused to move.
#[derive(Debug, PartialEq, Eq)]
struct Rejection {
    name: String,
    reason: String,
}

impl Rejection {
    /// Whether it was refused because the branch has moved.
    fn is_of_older_base(&self) -> bool {
        ["fetch first", "non-fast-forward", "cannot lock ref", "failed to update ref", "stale info"]
            .iter()
            .any(|reason| self.reason.contains(reason))
    }
}

/// The refused refs from `git push --porcelain`, whose lines are `FLAG<tab>FROM:TO<tab>SUMMARY (REASON)`.
fn rejections(finished: &Finished) -> Vec<Rejection> {
    let text = finished.text();
    let refused = text.lines().filter_map(|line| line.strip_prefix("!\t"));
    refused
        .filter_map(|line| {
            let (refs, reason) = line.split_once('\t')?;
            let name = refs.rsplit(':').next()?;
            Some(Rejection { name: name.to_owned(), reason: reason.to_owned() })
        })
        .collect()
}

/// Whether the push failed only because somebody else moved the branch.
fn lost_a_race(finished: &Finished, branch: &str) -> bool {
    let name = format!("refs/heads/{branch}");
    let refused = rejections(finished);
    !finished.is_success()
        && refused.iter().any(|rejection| rejection.name == name && rejection.is_of_older_base())
        && refused.iter().all(|rejection| rejection.name == name || rejection.reason.contains("atomic"))
}

/// Half the pause to one and a half of it, so that two pushes that met once do not meet again.
fn jittered(pause: Duration) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(0_u8) % 1000;
    pause / 2 + pause.mul_f64(f64::from(u32::try_from(random).unwrap_or_default()) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_must_stay_inside_the_inputs() {
        for path in ["/etc", "..", "a/../../b", "./../x"] {
            assert!(leaves_its_directory(path), "{path}");
        }
        for path in ["a", "a/b", "a/../b", "./a"] {
            assert!(!leaves_its_directory(path), "{path}");
        }
    }
}
