//! put: push a commit to a branch, tag it, and put notes on it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Inputs, Metadata, Parameters, Problems, Response, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::git::{Git, open_around, prepare_libgit2};
use crate::labels::VersionType;
use crate::local_tags::{OtherTags, named};
use crate::metadata::CommitFacts;
use crate::push::{Force, Integration, Push, Tag};
use crate::remote::is_branch_name;
use crate::source::{Source, trimmed};
use crate::version::Version;

/// What a pipeline may write under a put step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "the keys are the established resource's")]
pub struct Params {
    /// The repository to push from, a directory in the inputs. What its HEAD names is pushed.
    pub repository: String,

    /// The branch to push to, instead of the source's.
    #[serde(default, deserialize_with = "trimmed")]
    pub branch: Option<String>,

    /// Rebase onto the branch before the push, and again when others push meanwhile.
    #[serde(default)]
    pub rebase: bool,

    /// The strategy of `git rebase`, such as `ort`.
    pub rebase_strategy: Option<String>,

    /// Options of that strategy, such as `theirs`: a list, or one line with blanks between them.
    pub rebase_strategy_option: Option<Words>,

    /// Merge the branch into HEAD before the push, and again when others push meanwhile.
    #[serde(default)]
    pub merge: bool,

    /// With `merge`, which commit is the version: the merge, or what was merged.
    #[serde(default)]
    pub returning: Returning,

    /// A file in the inputs that holds the name of a tag to put on the pushed commit.
    pub tag: Option<String>,

    /// Text to put before the tag's name.
    #[serde(default)]
    pub tag_prefix: String,

    /// A file in the inputs that holds a message, which makes the tag an annotated one.
    pub annotate: Option<String>,

    /// Push tags and leave the branch alone: `tag`, and the repository's own.
    #[serde(default)]
    pub only_tag: bool,

    /// Whether the repository's own tags are pushed too. By default, those are that the server does not have, and one that the
    /// server has on another commit is left alone. With `true`, such a tag fails the put, or is overwritten with `force`; with
    /// `false`, no tag but `tag` is pushed.
    pub push_all_tags: Option<bool>,

    /// Overwrite what is on the server; `lease` does so only while the branch is where the get found it. With `rebase` or
    /// `merge` that is where it was when HEAD was brought up to it.
    #[serde(default)]
    pub force: Force,

    /// A file in the inputs that holds a note (`git notes`) to put on the pushed commit.
    pub notes: Option<String>,

    /// What the branch's name stands behind on the server, such as `refs/for` for a review.
    #[serde(default = "heads")]
    pub refs_prefix: String,

    /// Options that the server's hooks read (`git push --push-option`).
    #[serde(default)]
    pub push_options: Vec<String>,

    /// Show what git does, as in the source.
    #[serde(default)]
    pub debug: bool,
}

/// Which commit a merging put answers with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Returning {
    /// The commit that was pushed.
    #[default]
    Merged,
    /// The commit that HEAD named before.
    Unmerged,
}

/// Words, as a list or in one line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Words {
    /// With blanks between them.
    Line(String),
    /// One by one.
    List(Vec<String>),
}

impl Words {
    fn list(&self) -> Vec<String> {
        match self {
            Self::Line(line) => line.split_whitespace().map(str::to_owned).collect(),
            Self::List(list) => list.clone(),
        }
    }
}

fn heads() -> String {
    "refs/heads".to_owned()
}

impl Parameters for Params {
    fn rules(&self, problems: &mut Problems) {
        if let Some(branch) = &self.branch
            && let Err(problem) = is_branch_name(branch)
        {
            problems.add("branch", problem);
        }
        let paths = [
            ("repository", Some(&self.repository)),
            ("tag", self.tag.as_ref()),
            ("annotate", self.annotate.as_ref()),
            ("notes", self.notes.as_ref()),
        ];
        for (key, path) in paths.into_iter().filter_map(|(key, path)| Some((key, path?))) {
            problems.require_input(key, path);
        }
        if self.annotate.is_some() && self.tag.is_none() {
            problems.add("annotate", "has no effect without `tag`");
        }
        if self.only_tag && self.tag.is_none() && self.push_all_tags == Some(false) {
            problems.add("only_tag", "needs a `tag` with `push_all_tags: false`: there is nothing to push");
        }
        if self.merge && self.rebase {
            problems.add("merge", "either merge or rebase can be set, but not both");
        }
        let options = self.rebase_strategy_option.as_ref().map(Words::list).unwrap_or_default();
        if !self.rebase && (self.rebase_strategy.is_some() || !options.is_empty()) {
            problems.add("rebase_strategy", "has no effect without `rebase`");
        }
        if self.rebase_strategy.iter().chain(&options).any(|word| word.starts_with('-') || word.is_empty()) {
            problems.add("rebase_strategy_option", "must not begin with `-`");
        }
        let prefix = self.refs_prefix.trim_end_matches('/');
        if !prefix.starts_with("refs/") || !git2::Reference::is_valid_name(&format!("{prefix}/x")) {
            problems.add("refs_prefix", "must be the beginning of a ref's name, such as `refs/heads`");
        } else if prefix != "refs/heads" && matches!(self.force, Force::Lease(_)) {
            problems.add_with_hint(
                "force",
                "cannot be `lease` with another `refs_prefix` than `refs/heads`",
                "what the get found is a branch, and says nothing of other refs",
            );
        }
    }
}

/// Pushes the HEAD of `params.repository`.
pub(crate) async fn put(
    context: &Context,
    source: &Source,
    params: &Params,
    inputs: &Path,
) -> Result<Response<Version>> {
    if matches!(source.version_type, VersionType::Tags | VersionType::Branches) {
        let name = source.version_type.name();
        return Err(anyhow!("there is no put with `version_type: {name}`")
            .hint("put to another resource with the same `uri` and without `version_type`"));
    }
    let branch = params.branch.as_ref().or(source.branch.as_ref());
    let branch = if params.only_tag { None } else { Some(branch.ok_or_else(no_branch)?.as_str()) };
    let inputs = &Inputs::new(inputs)?;
    let directory = inputs.find(&params.repository)?.filter(|directory| directory.is_dir()).ok_or_else(|| {
        anyhow!("`{}` is not a directory in the inputs", params.repository)
            .hint("`repository` is the name of an earlier get or of a task's output")
    })?;
    let tag = read_tag(inputs, params)?;
    // A put of a tag alone makes no commit that a note could be about.
    let notes = params
        .notes
        .as_ref()
        .filter(|_| !params.only_tag)
        .map(|file| find_notes(inputs, &directory, file))
        .transpose()?;
    prepare_libgit2()?;
    let git = Git::new(context, source, params.debug).await?;
    let repository = open_around(&directory, inputs.root())
        .with_context(|| format!("`{}` is not a git repository", params.repository))?;

    let push = Push {
        git: &git,
        // The directory may be one below, which a rebase may remove.
        directory: repository.workdir().unwrap_or(repository.path()).to_owned(),
        repository: &repository,
        branch,
        refs_prefix: params.refs_prefix.trim_end_matches('/'),
        integration: integration(params),
        tag,
        other_tags: match params.push_all_tags {
            None => OtherTags::New,
            Some(true) => OtherTags::All,
            Some(false) => OtherTags::None,
        },
        notes,
        force: params.force,
        options: &params.push_options,
    };
    let start = push.head()?;
    let pushed = push.run().await?;
    let facts = CommitFacts::of_head(&repository, &git.remote().address)?;
    let mut metadata = facts.metadata();
    let console = context.console();
    let destination = branch.map(|branch| format!(" to `{branch}`")).unwrap_or_default();
    if pushed.is_unchanged {
        console.step(format_args!(
            "nothing to push: the server has {} {}{}",
            facts.hash(),
            facts.subject(),
            destination.replacen(" to ", " on ", 1)
        ));
    } else {
        console.step(format_args!("pushed {} {}{destination}", facts.hash(), facts.subject()));
    }
    if let Some(branch) = branch.filter(|branch| pushed.made.contains(&format!("{}/{branch}", push.refs_prefix))) {
        metadata.push(Metadata::new("new_branch", branch));
        let message = format!("branch `{branch}` is new: it was not on the server");
        // Whoever rebases or merges expects the branch to be there, and may have mistyped its name.
        if push.integration == Integration::None { console.step(message) } else { console.warn(message) }
    }
    let mut tags: Vec<&str> = pushed.made.iter().filter_map(|name| name.strip_prefix("refs/tags/")).collect();
    tags.sort_unstable();
    if let Some(tags) = named(tags.into_iter()) {
        console.step(format_args!("pushed {tags}"));
    }
    let reference = match params.returning {
        Returning::Unmerged if params.merge => start.to_string(),
        _ => facts.hash().to_owned(),
    };
    let version = match &params.branch {
        // As a check has it.
        Some(branch) if source.version_type == VersionType::BranchHeads => Version::of_label(branch, reference),
        branch => Version { branch: branch.clone(), ..Version::of_commit(reference) },
    };
    Ok(Response { version, metadata })
}

fn no_branch() -> jetway::Error {
    anyhow!("there is no branch to push to").hint("set `branch` in the source or in the put's params")
}

fn integration(params: &Params) -> Integration {
    if params.merge {
        Integration::Merge
    } else if params.rebase {
        Integration::Rebase {
            strategy: params.rebase_strategy.clone(),
            options: params.rebase_strategy_option.as_ref().map(Words::list).unwrap_or_default(),
        }
    } else {
        Integration::None
    }
}

/// The tag to make: its name is the prefix and what the file holds.
fn read_tag(inputs: &Inputs, params: &Params) -> Result<Option<Tag>> {
    let Some(file) = &params.tag else { return Ok(None) };
    let read = || String::from_utf8(inputs.read(&find(inputs, file)?)?).map_err(|_| anyhow!("it is not text (UTF-8)"));
    let text = read().with_context(|| format!("cannot read the tag file `{file}`"))?;
    // Editors on Windows write a byte order mark first, which no one sees.
    let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']);
    if text.trim().is_empty() {
        return Err(anyhow!("the tag file `{file}` is empty"));
    }
    let name = format!("{}{text}", params.tag_prefix);
    if name.starts_with('-') || !git2::Reference::is_valid_name(&format!("refs/tags/{name}")) {
        return Err(anyhow!("`{}`, from the file `{file}`, is not a legal tag name", name.escape_debug()));
    }
    if let Some(character) = name.chars().find(|character| is_invisible(*character)) {
        let code = u32::from(character);
        return Err(anyhow!("the tag name in the file `{file}` has an invisible character (U+{code:04X})"));
    }
    let message = params
        .annotate
        .as_ref()
        .map(|file| find(inputs, file).with_context(|| format!("cannot read the annotation file `{file}`")));
    Ok(Some(Tag { name, message: message.transpose()? }))
}

/// Whether a character takes no place or looks like a blank, so that two tags with other names would look the same.
fn is_invisible(character: char) -> bool {
    let is_format = matches!(
        character,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    is_format || character.is_whitespace() || character.is_control()
}

fn find(inputs: &Inputs, file: &str) -> Result<PathBuf> {
    inputs.find(file)?.ok_or_else(|| anyhow!("there is no such file in the inputs"))
}

/// The file with the note. The established resource looks for it beside the repository, which is the same place for a
/// repository at the top of the inputs.
fn find_notes(inputs: &Inputs, repository: &Path, file: &str) -> Result<PathBuf> {
    let beside = || inputs.resolve(&repository.parent().unwrap_or(inputs.root()).join(file));
    let found = inputs.find(file)?.map_or_else(beside, |found| Ok(Some(found)))?;
    let found = found.filter(|path| path.is_file());
    found.ok_or_else(|| anyhow!("there is no file `{file}` in the inputs").hint("`notes` names a file"))
}
