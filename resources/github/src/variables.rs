//! Expands the build's variables in a pipeline's texts.

use jetway::{BuildMetadata, UnknownVariables, interpolate};

use crate::log::Log;

/// Expands the build's variables in `text`. A variable that this build does not set, such as the job of a one-off build, becomes
/// empty. `unknown` says how to treat any other name; a warning reports it.
pub fn fill(build: &BuildMetadata, log: Log<'_>, key: &str, text: &str, unknown: UnknownVariables) -> String {
    let filled = interpolate(text, |name| build.variable(name).or_else(|| is_known(name).then_some("")), unknown);
    if !filled.unknown.is_empty() {
        let fate = match unknown {
            UnknownVariables::Keep => "is kept",
            UnknownVariables::Remove => "is removed",
        };
        let names: Vec<String> = filled.unknown.iter().map(|name| format!("`${name}`")).collect();
        log.warn(format_args!("`{key}`: {} is not a variable of the build and {fate}", names.join(", ")));
    }
    filled.text
}

fn is_known(name: &str) -> bool {
    BuildMetadata::from_lookup(|_| Some("x".to_owned())).variable(name).is_some()
}
