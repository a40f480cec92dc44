//! Hints for helm's errors: the key that helps, or the likely cause.

use std::path::{Path, PathBuf};

use jetway::{Advise, Error, Finished};

use crate::chart::Chart;
use crate::error_texts::KnownError;

/// The maximum size of an object in Kubernetes.
const LIMIT: &str = "1 MiB (1048576 bytes)";

/// The maximum number of files in which the largest one is searched.
const MAX_FILES: usize = 10_000;

/// The error of a command of helm that failed.
pub(crate) fn helm_error(finished: &Finished, chart: Option<&Chart>) -> Error {
    let hints = hints(&finished.stderr, chart);
    hints.into_iter().fold(finished.failure(), Advise::hint)
}

fn hints(output: &str, chart: Option<&Chart>) -> Vec<String> {
    let reports = |error: KnownError| error.is_in(output);
    let mut hints = Vec::new();
    if reports(KnownError::FieldConflict) {
        hints.push(
            "`force_conflicts: true` in the params lets the chart win; if something else (such as an \
             autoscaler) is to set the field, remove it from the chart"
                .to_owned(),
        );
    }
    if reports(KnownError::ForeignObject) {
        hints.push("`take_ownership: true` in the params takes the object over".to_owned());
    }
    if reports(KnownError::TooLarge) {
        hints.push(format!(
            "helm stores a chart with all its files, the values and the manifest in one record, of {LIMIT} at most"
        ));
        let largest = chart.and_then(Chart::directory).and_then(largest_file);
        hints.push(match largest {
            Some((path, size)) => format!(
                "the largest file of the chart is `{}` ({} KiB); `.helmignore` of the chart excludes files that \
                 are not needed",
                path.display(),
                size.div_ceil(1024)
            ),
            None => "`.helmignore` of the chart excludes files that are not needed".to_owned(),
        });
    }
    if reports(KnownError::UnknownKind) {
        hints.push(if reports(KnownError::UnknownKindOfDeployedRevision) {
            "the deployed revision has an object whose kind no longer exists in the cluster: restore its CRD or \
             API (`kubectl apply`), deploy, and then remove it; or correct helm's record with the plugin \
             `mapkubeapis`"
                .to_owned()
        } else {
            "the cluster does not have this kind: install its CRD first, for example from `crds/` of the chart"
                .to_owned()
        });
    }
    if reports(KnownError::ImmutableField) {
        hints.push("`force: true` in the params replaces objects that cannot be updated".to_owned());
    }
    if reports(KnownError::MissingNamespace) {
        hints.push("`create_namespace: true` in the params creates the namespace".to_owned());
    }
    hints
}

/// The largest file below a directory, with its relative path and its size in bytes.
fn largest_file(root: &Path) -> Option<(PathBuf, u64)> {
    let mut directories = vec![root.to_owned()];
    let mut largest: Option<(PathBuf, u64)> = None;
    let mut seen = 0;
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MAX_FILES {
                return largest;
            }
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                directories.push(entry.path());
            } else if largest.as_ref().is_none_or(|(_, size)| metadata.len() > *size) {
                let path = entry.path();
                let path = path.strip_prefix(root).map(Path::to_owned).unwrap_or(path);
                largest = Some((path, metadata.len()));
            }
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_key_that_helps() {
        let conflict = "Error: UPGRADE FAILED: conflict occurred while applying object n/app apps/v1, Kind=Deployment: Apply failed \
                        with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas";
        for (messages, words) in [
            (conflict, "`force_conflicts: true`"),
            (
                "ConfigMap \"a\" exists and cannot be imported into the current release: invalid ownership metadata",
                "`take_ownership",
            ),
            ("Secret \"s\" is invalid: data: Too long: may not be more than 1048576 bytes", "1 MiB (1048576 bytes)"),
            ("Secret \"s\" is invalid: data: Too long: must have at most 1048576 bytes", "1 MiB (1048576 bytes)"),
            (
                "unable to build kubernetes objects from current release manifest: no matches for kind \"G\"",
                "restore its CRD",
            ),
            (
                "unable to build kubernetes objects from release manifest: no matches for kind \"G\"",
                "install its CRD first",
            ),
            ("spec.selector: Invalid value: field is immutable", "`force: true`"),
            ("create: failed to create: namespaces \"n\" not found", "`create_namespace: true`"),
        ] {
            let hints = hints(messages, None).join("\n");
            assert!(hints.contains(words), "{messages}: {hints}");
        }
        assert!(hints("Error: UPGRADE FAILED: timed out", None).is_empty());
    }

    #[test]
    fn finds_the_largest_file_of_a_chart() {
        let chart = tempfile::tempdir().unwrap();
        assert_eq!(largest_file(chart.path()), None);
        std::fs::create_dir(chart.path().join("files")).unwrap();
        std::fs::write(chart.path().join("Chart.yaml"), "name: a\n").unwrap();
        std::fs::write(chart.path().join("files/dump"), [0; 4096]).unwrap();
        assert_eq!(largest_file(chart.path()), Some((PathBuf::from("files/dump"), 4096)));
    }
}
