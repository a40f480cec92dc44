//! The dependencies of a chart in the inputs. Those in its `charts/` need no repository; a lock file fixes their versions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jetway::{Advise as _, Command, Result};
use serde::Deserialize;

use super::connection;
use crate::error_texts::KnownError;
use crate::target::Target;

/// The lock files of charts, in the current format and in that of helm 2.
const LOCKS: [&str; 2] = ["Chart.lock", "requirements.lock"];

/// The statuses in `helm dependency list` of dependencies that need no fetch.
const USABLE: [&str; 2] = ["ok", "unpacked"];

/// Fetches the dependencies, unless `charts/` has them all.
pub(crate) async fn fetch(target: &Target<'_>, chart: &Path) -> Result<()> {
    let Some(places) = repositories_in(chart) else { return Ok(()) };
    let console = target.context.console();
    let locks = Locks::read(chart)?;
    if places.iter().all(|place| !is_local_directory(chart, place)) && are_all_in_charts(target, chart, &locks).await? {
        console.step("all dependencies of the chart are in its directory `charts`: nothing is fetched");
        return Ok(());
    }
    let options: BTreeSet<_> = places.iter().flat_map(|place| connection::options(target, place)).collect();
    let command = |verb: &str| -> Command {
        let command = target.helm.command("dependency").label(format!("helm dependency {verb}")).arg(verb);
        command.args(&options).arg("--").arg(chart).relay_stdout()
    };
    if locks.is_empty() {
        console.step("fetching the chart's dependencies");
        let fetched = command("update").run().await;
        locks.restore()?;
        return fetched?.success().map(|_| ());
    }
    console.step("fetching the chart's dependencies, in the versions of its lock file");
    let fetched = command("build").run().await;
    locks.restore()?;
    let fetched = fetched?;
    if fetched.is_success() || !KnownError::ChartLockOutOfSync.is_in(&fetched.stderr) {
        return fetched.success().map(|_| ());
    }
    console.warn(
        "the chart's lock file does not match its dependencies: the versions are resolved again, without the \
         lock file",
    );
    let fetched = command("update").run().await;
    locks.restore()?;
    fetched?.success().hint("`helm dependency update` writes a new lock file").map(|_| ())
}

/// The addresses of the repositories of the chart's dependencies. With a lock file, helm fetches only from repositories
/// in its list.
pub(crate) fn repositories(chart: &Path) -> Vec<String> {
    let places = repositories_in(chart).unwrap_or_default();
    let mut urls: Vec<String> = places.into_iter().map(|place| place.trim().trim_end_matches('/').to_owned()).collect();
    urls.retain(|url| url.starts_with("https://") || url.starts_with("http://"));
    urls.sort();
    urls.dedup();
    urls
}

/// Whether a dependency is a local directory. It may have changed since it was copied into `charts/`.
fn is_local_directory(chart: &Path, place: &str) -> bool {
    place.trim().strip_prefix("file://").is_some_and(|path| chart.join(path).is_dir())
}

async fn are_all_in_charts(target: &Target<'_>, chart: &Path, locks: &Locks) -> Result<bool> {
    let listed = target.helm.command("dependency").label("helm dependency list").arg("list").arg("--").arg(chart);
    let listed = listed.quiet().run().await?;
    Ok(listed.is_success()
        && all_usable(&listed.text())
        && locks.versions().all(|(name, version)| has_version(chart, name, version)))
}

/// Whether each row of the table of `helm dependency list` has a usable status.
fn all_usable(table: &str) -> bool {
    let rows = table.lines().skip(1).take_while(|line| !line.trim().is_empty());
    let mut statuses =
        rows.map(|row| row.rsplit('\t').map(str::trim).find(|cell| !cell.is_empty()).unwrap_or_default());
    statuses.all(|status| USABLE.contains(&status))
}

/// Whether `charts/` has that version of a chart, as an archive or a directory.
fn has_version(chart: &Path, name: &str, version: &str) -> bool {
    #[derive(Deserialize)]
    struct Metadata {
        version: String,
    }
    let charts = chart.join("charts");
    let unpacked = std::fs::read_to_string(charts.join(name).join("Chart.yaml")).ok();
    let unpacked = unpacked.and_then(|text| serde_saphyr::from_str::<Metadata>(&text).ok());
    charts.join(format!("{name}-{version}.tgz")).is_file() || unpacked.is_some_and(|found| found.version == version)
}

/// The content of the chart's lock files before helm runs.
struct Locks {
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
    locked: Vec<Locked>,
}

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    dependencies: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
}

impl Locks {
    fn read(chart: &Path) -> Result<Self> {
        let read = |name: &&str| {
            let path = chart.join(name);
            let content = match std::fs::read(&path) {
                Ok(content) => Some(content),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(error).with_context(|| format!("cannot read the chart's `{name}`")),
            };
            Ok((path, content))
        };
        let files = LOCKS.iter().map(read).collect::<Result<Vec<_>>>()?;
        // helm itself reports a lock file that cannot be parsed.
        let texts = files.iter().filter_map(|(_, content)| std::str::from_utf8(content.as_ref()?).ok());
        let locked =
            texts.filter_map(|text| serde_saphyr::from_str::<Lock>(text).ok()).flat_map(|lock| lock.dependencies);
        Ok(Self { locked: locked.collect(), files })
    }

    fn is_empty(&self) -> bool {
        self.files.iter().all(|(_, content)| content.is_none())
    }

    /// The names and versions in the lock files.
    fn versions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.locked.iter().map(|locked| (locked.name.as_str(), locked.version.as_str()))
    }

    /// Restores the lock files that helm has changed, since a put does not change its inputs.
    fn restore(&self) -> Result<()> {
        for (path, content) in &self.files {
            let now = std::fs::read(path).ok();
            let restored = match content {
                _ if now == *content => Ok(()),
                Some(content) => std::fs::write(path, content),
                None => std::fs::remove_file(path),
            };
            restored.with_context(|| format!("cannot restore the chart's lock file `{}`", path.display()))?;
        }
        Ok(())
    }
}

/// The repositories of the chart's dependencies; `None` if it has no dependencies. A chart file that cannot be parsed here but
/// mentions dependencies counts as one with dependencies, so that helm reports its problem.
fn repositories_in(chart: &Path) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Metadata {
        dependencies: Option<Vec<Dependency>>,
    }
    #[derive(Deserialize)]
    struct Dependency {
        repository: Option<String>,
    }
    // Charts in the format of helm 2 list their dependencies in a separate file.
    let texts = ["Chart.yaml", "requirements.yaml"].map(|name| std::fs::read_to_string(chart.join(name)).ok());
    let mut has_some = false;
    let mut places = Vec::new();
    for text in texts.into_iter().flatten() {
        match serde_saphyr::from_str::<Metadata>(&text) {
            Ok(metadata) => {
                let dependencies = metadata.dependencies.unwrap_or_default();
                has_some |= !dependencies.is_empty();
                places.extend(dependencies.into_iter().filter_map(|dependency| dependency.repository));
            }
            Err(_) => has_some |= text.lines().any(|line| line.starts_with("dependencies:")),
        }
    }
    has_some.then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_chart_file_may_have_dependencies() {
        let some = |found: &[&str]| Some(found.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>());
        for (text, expected) in [
            ("name: a\nversion: 1.0.0\n", None),
            ("name: a\ndependencies:\n", None),
            ("name: a\ndependencies:\n- {name: b, repository: file://../b}\n- {name: c}\n", some(&["file://../b"])),
            // A duplicate key, which helm accepts.
            ("name: a\nname: a\ndependencies:\n- {name: b, repository: file://../b}\n", some(&[])),
            ("name: a\nname: a\n", None),
        ] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join("Chart.yaml"), text).unwrap();
            assert_eq!(repositories_in(directory.path()), expected, "{text}");
        }
    }

    #[test]
    fn reads_the_table_of_dependencies() {
        let head = "NAME\tVERSION\tREPOSITORY      \tSTATUS  \n";
        assert!(all_usable(&format!(
            "{head}a   \t1.0.0  \thttps://x\tok      \nb\t~1\t\tunpacked\n\nWARNING: \"x\"\n"
        )));
        for status in ["missing", "wrong version", "too many matches"] {
            assert!(!all_usable(&format!("{head}a\t1\thttps://x\tok\nb\t1\thttps://x\t{status}\n")), "{status}");
        }
    }

    #[test]
    fn restores_lock_files_and_reads_their_versions() {
        let chart = tempfile::tempdir().unwrap();
        let lock = "dependencies:\n- {name: sub, repository: 'https://x', version: 1.0.0}\ndigest: x\n";
        std::fs::write(chart.path().join("Chart.lock"), lock).unwrap();
        let locks = Locks::read(chart.path()).unwrap();
        assert_eq!(locks.versions().collect::<Vec<_>>(), [("sub", "1.0.0")]);
        assert!(!has_version(chart.path(), "sub", "1.0.0"));
        std::fs::create_dir_all(chart.path().join("charts/sub")).unwrap();
        std::fs::write(chart.path().join("charts/sub/Chart.yaml"), "name: sub\nversion: 1.0.0\n").unwrap();
        assert!(has_version(chart.path(), "sub", "1.0.0") && !has_version(chart.path(), "sub", "1.0.1"));
        std::fs::write(chart.path().join("Chart.lock"), "other").unwrap();
        std::fs::write(chart.path().join("requirements.lock"), "new").unwrap();
        locks.restore().unwrap();
        assert_eq!(std::fs::read_to_string(chart.path().join("Chart.lock")).unwrap(), lock);
        assert!(!chart.path().join("requirements.lock").exists());
    }
}
