//! put: pushes a commit to a branch, tags it, and adds a note to it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Inputs, Metadata, Response, Result};
use jetway_git_client::Git;
use jetway_git_client::transport::repository::{open_around, prepare_libgit2};

use crate::checkout::metadata::CommitFacts;
use crate::push::Push;
use crate::push::integration::Integration;
use crate::push::other_tags::{OtherTags, list_tags};
use crate::push::tag::Tag;
use crate::push::work_tree::WorkTree;
use crate::source::Source;
use crate::source::labels::VersionType;
use crate::source::put_params::{PutParams, Returning, Words};
use crate::version::Version;

/// Pushes the HEAD of `params.repository`.
pub(crate) async fn put(
    context: &Context,
    source: &Source,
    params: &PutParams,
    inputs: &Path,
) -> Result<Response<Version>> {
    if matches!(source.version_type, VersionType::Tags | VersionType::Branches) {
        let name = source.version_type.name();
        return Err(anyhow!("a put is not supported with `version_type: {name}`")
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
    // `only_tag` ignores `notes`, because it pushes no commit.
    let notes = params
        .notes
        .as_ref()
        .filter(|_| !params.only_tag)
        .map(|file| find_notes(inputs, &directory, file))
        .transpose()?;
    prepare_libgit2()?;
    source.warn(context.console());
    let git = Git::new(context, &source.access(), params.debug).await?;
    let repository = open_around(&directory, inputs.root())
        .with_context(|| format!("`{}` is not a git repository", params.repository))?;

    let push = Push {
        work_tree: WorkTree {
            git: &git,
            // `params.repository` may be a subdirectory, which a rebase may remove.
            directory: repository.workdir().unwrap_or(repository.path()).to_owned(),
            repository: &repository,
        },
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
    let start = push.work_tree.head()?;
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
    if let Some(branch) = branch.filter(|branch| pushed.created.contains(&format!("{}/{branch}", push.refs_prefix))) {
        metadata.push(Metadata::new("new_branch", branch));
        let message = format!("created branch `{branch}`, which did not exist on the server");
        // With `rebase` or `merge` the branch should exist already: its name may be mistyped.
        if push.integration == Integration::None { console.step(message) } else { console.warn(message) }
    }
    let mut tags: Vec<&str> = pushed.created.iter().filter_map(|name| name.strip_prefix("refs/tags/")).collect();
    tags.sort_unstable();
    if let Some(tags) = list_tags(tags.into_iter()) {
        console.step(format_args!("pushed {tags}"));
    }
    let reference = match params.returning {
        Returning::Unmerged if params.merge => start.to_string(),
        _ => facts.hash().to_owned(),
    };
    let version = match &params.branch {
        // A check returns the same version.
        Some(branch) if source.version_type == VersionType::BranchHeads => Version::of_label(branch, reference),
        branch => Version { branch: branch.clone(), ..Version::of_commit(reference) },
    };
    Ok(Response { version, metadata })
}

fn no_branch() -> jetway::Error {
    anyhow!("there is no branch to push to").hint("set `branch` in the source or in the put's params")
}

fn integration(params: &PutParams) -> Integration {
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

/// Reads the name of the tag from its file, and adds the prefix.
fn read_tag(inputs: &Inputs, params: &PutParams) -> Result<Option<Tag>> {
    let Some(file) = &params.tag else { return Ok(None) };
    let read = || String::from_utf8(inputs.read(&find(inputs, file)?)?).map_err(|_| anyhow!("it is not valid UTF-8"));
    let text = read().with_context(|| format!("cannot read the tag file `{file}`"))?;
    // Editors on Windows write an invisible byte order mark first.
    let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']);
    if text.trim().is_empty() {
        return Err(anyhow!("the tag file `{file}` is empty"));
    }
    let name = format!("{}{text}", params.tag_prefix);
    if name.starts_with('-') || !git2::Reference::is_valid_name(&format!("refs/tags/{name}")) {
        return Err(anyhow!("`{}` from the file `{file}` is not a valid tag name", name.escape_debug()));
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

/// Whether a character is invisible or looks like a blank, so that two different tag names would look the same.
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

/// Finds the file with the note in the inputs, or beside the repository, where the established resource looks.
fn find_notes(inputs: &Inputs, repository: &Path, file: &str) -> Result<PathBuf> {
    let beside = || inputs.resolve(&repository.parent().unwrap_or(inputs.root()).join(file));
    let found = inputs.find(file)?.map_or_else(beside, |found| Ok(Some(found)))?;
    let found = found.filter(|path| path.is_file());
    found.ok_or_else(|| anyhow!("there is no file `{file}` in the inputs").hint("`notes` names a file"))
}
