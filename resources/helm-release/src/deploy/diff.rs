//! `show_diff`: shows the changes of a deploy, object by object: helm's dry run against the deployed revision.

mod object;

use jetway::{Change, Console, Result};
use similar::TextDiff;

use self::object::Object;
use super::dry_run;
use crate::chart::Chart;
use crate::params::Params;
use crate::records::release::Release;
use crate::target::Target;

/// The number of context lines around a change.
const CONTEXT_LINES: usize = 3;

/// The words for the two sides of a comparison.
const BEFORE: &str = "before";
const NOW: &str = "now";

/// The supported options in `diff_opts`.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    context_lines: usize,
    /// The kinds that are not shown.
    suppressed: Vec<String>,
    with_hooks: bool,
    /// The unsupported options.
    unknown: Vec<String>,
}

impl Options {
    fn parse(text: &str) -> Self {
        let mut found =
            Self { context_lines: CONTEXT_LINES, suppressed: Vec::new(), with_hooks: true, unknown: Vec::new() };
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let (name, inline) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            match name {
                "--context" | "-C" => match inline.or_else(|| words.next()).map(str::parse::<i64>) {
                    // A negative number shows all lines.
                    Some(Ok(number)) => found.context_lines = usize::try_from(number).unwrap_or(usize::MAX / 4),
                    _ => found.unknown.push(word.to_owned()),
                },
                "--suppress" => {
                    let kinds = inline.or_else(|| words.next()).unwrap_or_default();
                    found.suppressed.extend(kinds.split(',').map(str::to_owned));
                }
                "--no-hooks" => found.with_hooks = false,
                // These options are always in effect.
                "--suppress-secrets" | "--include-tests" | "--color" | "--normalize-manifests" => {}
                _ => found.unknown.push(word.to_owned()),
            }
        }
        found
    }
}

/// Shows what a deploy of the chart would change.
pub(crate) async fn show(target: &Target<'_>, chart: &Chart) -> Result<()> {
    let Target { context, params, release, .. } = target;
    let Params { diff_opts, .. } = params;
    let options = Options::parse(diff_opts.as_deref().unwrap_or_default());
    for word in &options.unknown {
        context.console().warn(format_args!("`diff_opts`: `{word}` is not supported, and has no effect"));
    }
    let records = target.records();
    let all = records.list(release).await?;
    let new = dry_run::release(target, chart, all.is_empty()).await?;
    let deployed = all.into_iter().rfind(|record| record.status == "deployed");
    let deployed_release = match &deployed {
        Some(record) => records.read(release, record.revision).await?,
        None => None,
    };
    match &deployed_release {
        Some(deployed_release) => context
            .console()
            .step(format_args!("changes to the deployed revision {} of `{release}`:", deployed_release.version)),
        None => {
            context.console().step(format_args!("all objects are new, since no revision of `{release}` is deployed:"));
        }
    }
    let old = deployed_release.map(|release| objects(&release, &options)).unwrap_or_default();
    let counts = compare(context.console(), &old, &objects(&new, &options), options.context_lines);
    context.console().step(counts);
    Ok(())
}

fn objects(release: &Release, options: &Options) -> Vec<Object> {
    let hooks = release.hooks.as_deref().unwrap_or_default().iter();
    let hooks = hooks.flat_map(|hook| Object::all(&hook.manifest));
    let all = Object::all(&release.manifest).into_iter().chain(hooks);
    let all = all.filter(|object| options.with_hooks || !object.is_hook());
    all.filter(|object| !options.suppressed.contains(&object.kind)).collect()
}

/// Shows the differences, and returns a summary.
fn compare(console: &Console, old: &[Object], new: &[Object], context_lines: usize) -> String {
    let (mut added, mut changed, mut removed) = (0, 0, 0);
    for object in new {
        match old.iter().find(|other| other.is_same_object(object)) {
            None => {
                added += 1;
                console.change(Change::Header, &format!("{} {} is added", object.kind, object.name));
                lines(console, "", &object.comparison_text(None, NOW), context_lines);
            }
            Some(before) if !before.has_same_state(object) => {
                changed += 1;
                console.change(Change::Header, &format!("{} {} changes", object.kind, object.name));
                lines(
                    console,
                    &before.comparison_text(Some(object), BEFORE),
                    &object.comparison_text(Some(before), NOW),
                    context_lines,
                );
            }
            Some(_) => {}
        }
    }
    for object in old.iter().filter(|object| !new.iter().any(|other| other.is_same_object(object))) {
        removed += 1;
        console.change(Change::Header, &format!("{} {} is removed", object.kind, object.name));
        lines(console, &object.comparison_text(None, BEFORE), "", context_lines);
    }
    if added + changed + removed == 0 {
        "no object changes".to_owned()
    } else {
        format!("objects added: {added}, changed: {changed}, removed: {removed}")
    }
}

/// Shows the changed lines with their context.
fn lines(console: &Console, old: &str, new: &str, context_lines: usize) {
    let diff = TextDiff::from_lines(old, new);
    for hunk in diff.unified_diff().context_radius(context_lines).iter_hunks() {
        console.change(Change::Header, hunk.header().to_string().trim_end());
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches('\n');
            match change.tag() {
                similar::ChangeTag::Insert => console.change(Change::Added, &format!("+{line}")),
                similar::ChangeTag::Delete => console.change(Change::Removed, &format!("-{line}")),
                similar::ChangeTag::Equal => console.relay(&format!(" {line}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_supported_options_of_the_diff_plugin() {
        let options =
            Options::parse("-C 5 --suppress=Secret,ConfigMap --no-hooks --suppress-secrets --three-way-merge");
        assert_eq!((options.context_lines, options.with_hooks), (5, false));
        assert_eq!(options.suppressed, ["Secret", "ConfigMap"]);
        assert_eq!(options.unknown, ["--three-way-merge"]);
        assert!(Options::parse("--context -1").context_lines > 1_000_000);
        assert_eq!(Options::parse("--context").unknown, ["--context"]);
    }
}
