//! Makes paths of params relative: pipelines write `/image.tar` for a file in the inputs, or its absolute path. The
//! established resources accept both.

use std::path::Path;

use crate::params::put::PutParams;

/// The path without a leading slash.
pub(super) fn relative(path: &str) -> &str {
    path.trim().trim_start_matches('/')
}

/// Makes all paths of the params relative to the inputs.
pub(crate) fn make_relative(params: &mut PutParams, inputs: &Path) {
    let own = inputs.canonicalize().ok();
    let roots: Vec<&Path> =
        [Some(inputs), own.as_deref()].into_iter().flatten().filter(|root| root.is_absolute()).collect();
    let one = [
        &mut params.image,
        &mut params.load,
        &mut params.load_file,
        &mut params.import_file,
        &mut params.build,
        &mut params.dockerfile,
        &mut params.build_args_file,
        &mut params.labels_file,
        &mut params.load_base,
        &mut params.tag_file,
        &mut params.tag,
        &mut params.tags_file,
        &mut params.additional_tags,
    ];
    for path in one.into_iter().flatten().chain(&mut params.load_bases).chain(&mut params.cache_from) {
        if path.trim().starts_with('/') {
            *path = below(path.trim(), &roots);
        }
    }
}

fn below(path: &str, roots: &[&Path]) -> String {
    let inside = roots.iter().find_map(|root| Path::new(path).strip_prefix(root).ok()).and_then(Path::to_str);
    let found = inside.unwrap_or_else(|| relative(path));
    if found.is_empty() { ".".to_owned() } else { found.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_are_in_the_inputs() {
        let roots = [Path::new("/tmp/build/put")];
        for (path, expected) in [
            ("/image.tar", "image.tar"),
            ("//image/image.tar", "image/image.tar"),
            ("/tmp/build/put/app", "app"),
            ("/tmp/build/put/", "."),
            ("/", "."),
            ("/../x", "../x"),
        ] {
            assert_eq!(below(path, &roots), expected, "{path}");
        }
    }
}
