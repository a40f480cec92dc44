//! Chooses one of an engine's two builders, and adds hints to errors that the other builder would not have.

use jetway::{Advise as _, Error, trimmed};

use crate::build::bases::instructions;
use crate::engine::Engine;
use crate::params::put::{PutParams, switch};

/// One of an engine's builders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builder {
    Classic,
    BuildKit,
}

/// Why a builder was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// This key of the params requests it.
    Key(&'static str),
    /// It is the engine's default.
    Default,
}

/// The builder that the params request, with the key that does; `None` if none does.
pub(super) fn requested(params: &PutParams) -> Option<(Builder, &'static str)> {
    if let Some(key) = params.asks_for_buildkit() {
        return Some((Builder::BuildKit, key));
    }
    let is_classic = trimmed(params.docker_buildkit.as_deref()).is_some_and(|word| switch(word) == Some(false));
    let key = if is_classic { Some("docker_buildkit") } else { params.asks_for_classic_builder() };
    key.map(|key| (Builder::Classic, key))
}

/// The builder to use: the requested builder, or else the engine's default.
pub(super) fn choose(requested: Option<(Builder, &'static str)>, engine: &Engine) -> (Builder, Reason) {
    match requested {
        Some((builder, key)) => (builder, Reason::Key(key)),
        None if engine.builds_by_buildkit() => (Builder::BuildKit, Reason::Default),
        None => (Builder::Classic, Reason::Default),
    }
}

/// Adds a hint to a build error that the other builder, or a newer `BuildKit`, would not have.
pub(super) fn advise(error: Error, recipe: &str, builder: (Builder, Reason), engine: &Engine) -> Error {
    match builder {
        (Builder::Classic, reason) => {
            let Some(feature) = buildkit_feature(recipe) else { return error };
            error.hint(match reason {
                Reason::Key("docker_buildkit") => {
                    format!("{feature} requires BuildKit: remove `docker_buildkit: 0` from params")
                }
                Reason::Key(key) => format!(
                    "{feature} requires BuildKit: replace `{key}`, which requires the classic builder, by `docker_buildkit: 1` in params"
                ),
                Reason::Default => format!("{feature} requires BuildKit: set `docker_buildkit: 1` in params"),
            })
        }
        (Builder::BuildKit, _) if engine.has_old_buildkit() && frontend(recipe).is_none() => {
            match buildkit_feature(recipe) {
                Some(feature) => error.hint(format!(
                    "{feature} may require a newer BuildKit than that of this engine ({}): set `# syntax=docker/dockerfile:1` in the first line of the Dockerfile to use the current Dockerfile frontend",
                    engine.name()
                )),
                None => error,
            }
        }
        (Builder::BuildKit, _) => error,
    }
}

/// The frontend image of a Dockerfile.
fn frontend(recipe: &str) -> Option<&str> {
    super::bases::directives(recipe.trim_start_matches('\u{feff}')).1
}

/// Options of instructions that the classic builder does not support, see
/// <https://docs.docker.com/reference/dockerfile/>.
const OPTIONS: [(&str, &[&str]); 3] = [
    ("RUN", &["--mount", "--network", "--security", "--device"]),
    ("COPY", &["--chmod", "--link", "--parents", "--exclude"]),
    ("ADD", &["--chmod", "--link", "--exclude", "--checksum", "--keep-git-dir", "--unpack"]),
];

/// Build args that only `BuildKit` sets.
const PLATFORM_ARGS: [&str; 8] = [
    "BUILDPLATFORM",
    "BUILDARCH",
    "BUILDOS",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETARCH",
    "TARGETOS",
    "TARGETVARIANT",
];

/// The first feature of a Dockerfile that only `BuildKit` supports, as a message names it.
fn buildkit_feature(recipe: &str) -> Option<String> {
    if frontend(recipe).is_some() {
        return Some("`# syntax=` in the Dockerfile".to_owned());
    }
    instructions(recipe).iter().find_map(|instruction| {
        let mut words = instruction.split_whitespace();
        let name = words.next()?.to_ascii_uppercase();
        let name = if name == "ONBUILD" { words.next()?.to_ascii_uppercase() } else { name };
        let known = OPTIONS.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, options)| options);
        let option = words
            .take_while(|word| word.starts_with("--"))
            .map(|word| word.split_once('=').map_or(word, |(option, _)| option))
            .find(|option| known.contains(option));
        if let Some(option) = option {
            return Some(format!("`{name} {option}`"));
        }
        if !known.is_empty() && has_here_document(instruction) {
            return Some(format!("the here-document of `{name}`"));
        }
        let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let argument = instruction.split(|character| !is_name(character)).find(|word| PLATFORM_ARGS.contains(word))?;
        Some(format!("`{argument}` in the Dockerfile"))
    })
}

/// Whether an instruction has a here-document: `<<EOF`, `<<-EOF`, `<<"EOF"`.
fn has_here_document(instruction: &str) -> bool {
    instruction.split_whitespace().any(|word| {
        let Some((_, name)) = word.split_once("<<") else { return false };
        let name = name.strip_prefix('-').unwrap_or(name).trim_start_matches(['"', '\'']);
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockerfile_that_needs_buildkit_is_recognized() {
        for (recipe, expected) in [
            ("# syntax=docker/dockerfile:1\nFROM scratch", "`# syntax=` in the Dockerfile"),
            ("FROM --platform=$BUILDPLATFORM x", "`BUILDPLATFORM` in the Dockerfile"),
            ("FROM x\nARG TARGETARCH\nRUN y-${TARGETARCH}", "`TARGETARCH` in the Dockerfile"),
            ("FROM x\nCOPY --chown=1 --chmod=755 a /", "`COPY --chmod`"),
            ("FROM x\ncopy --link \\\n  a /", "`COPY --link`"),
            ("FROM x\nADD --checksum=sha256:aa https://x /", "`ADD --checksum`"),
            ("FROM x\nRUN --mount=type=cache,target=/c true", "`RUN --mount`"),
            ("FROM x\nONBUILD RUN --network=none true", "`RUN --network`"),
            ("FROM x\nCOPY <<EOF /x\nhello\nEOF", "the here-document of `COPY`"),
            ("FROM x\nRUN python3 <<-'END'\n1\nEND", "the here-document of `RUN`"),
        ] {
            assert_eq!(buildkit_feature(recipe).as_deref(), Some(expected), "{recipe}");
        }
    }

    #[test]
    fn dockerfile_for_either_builder_is_recognized() {
        for recipe in [
            "FROM --platform=linux/amd64 x AS y\nCOPY --chown=1 --from=y a /\nADD --chown=1 b /",
            "FROM x\nRUN tool --mount=1 --link && echo $((1<<2)) \"a << b\"",
            "FROM x\n# RUN --mount=type=ssh\nENV MY_TARGETARCH=1",
            "",
        ] {
            assert_eq!(buildkit_feature(recipe), None, "{recipe}");
        }
    }
}
