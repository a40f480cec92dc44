//! The charts that a chart in the inputs depends on. Those in its `charts/` need no repository, and the versions of its lock count.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jetway::{Advise as _, Command, Result};
use serde::Deserialize;

use super::connection;
use crate::target::Target;

/// The lock files of charts: of today's form, and of helm 2's.
const LOCKS: [&str; 2] = ["Chart.lock", "requirements.lock"];

/// What helm says of a lock whose versions cannot be had for what the chart asks for now.
const OUT_OF_SYNC: [&str; 2] = ["is out of sync with the dependencies file", "can't get a valid version for"];

/// The statuses of `helm dependency list` for charts that can be used.
const USABLE: [&str; 2] = ["ok", "unpacked"];

/// Fetches the charts, unless they are all there.
pub(crate) async fn fetch(target: &Target<'_>, chart: &Path) -> Result<()> {
    let Some(places) = places(chart) else { return Ok(()) };
    let console = target.context.console();
    let locks = Locks::read(chart)?;
    if places.iter().all(|place| !is_beside(chart, place)) && are_all_there(target, chart, &locks).await? {
        console.step("the charts that the chart depends on are in its directory `charts`: none is fetched");
        return Ok(());
    }
    let options: BTreeSet<_> = places.iter().flat_map(|place| connection::options(target, place)).collect();
    let command = |verb: &str| -> Command {
        let command = target.helm.command("dependency").label(format!("helm dependency {verb}")).arg(verb);
        command.args(&options).arg("--").arg(chart).relay_stdout()
    };
    if locks.is_empty() {
        console.step("fetching the charts that the chart depends on");
        let fetched = command("update").run().await;
        locks.restore()?;
        return fetched?.success().map(|_| ());
    }
    console.step("fetching the charts that the chart depends on, in the versions of its lock");
    let fetched = command("build").run().await;
    locks.restore()?;
    let fetched = fetched?;
    if fetched.is_success() || !OUT_OF_SYNC.iter().any(|words| fetched.stderr.contains(words)) {
        return fetched.success().map(|_| ());
    }
    console.warn(
        "the chart's lock does not match its dependencies: their versions are resolved anew, and the lock is not used",
    );
    let fetched = command("update").run().await;
    locks.restore()?;
    fetched?.success().hint("`helm dependency update` makes the lock anew").map(|_| ())
}

/// The addresses of repositories that the chart's dependencies are in; helm needs a definition of each to fetch by a lock.
pub(crate) fn repositories(chart: &Path) -> Vec<String> {
    let places = places(chart).unwrap_or_default();
    let mut urls: Vec<String> = places.into_iter().map(|place| place.trim().trim_end_matches('/').to_owned()).collect();
    urls.retain(|url| url.starts_with("https://") || url.starts_with("http://"));
    urls.sort();
    urls.dedup();
    urls
}

/// Whether the place is a directory beside the chart, whose content may have changed since a copy was made of it.
fn is_beside(chart: &Path, place: &str) -> bool {
    place.trim().strip_prefix("file://").is_some_and(|path| chart.join(path).is_dir())
}

async fn are_all_there(target: &Target<'_>, chart: &Path, locks: &Locks) -> Result<bool> {
    let listed = target.helm.command("dependency").label("helm dependency list").arg("list").arg("--").arg(chart);
    let listed = listed.quiet().run().await?;
    Ok(listed.is_success()
        && all_usable(&listed.text())
        && locks.versions().all(|(name, version)| has(chart, name, version)))
}

/// Whether each row of the table of `helm dependency list` ends in a good status.
fn all_usable(table: &str) -> bool {
    let rows = table.lines().skip(1).take_while(|line| !line.trim().is_empty());
    let mut statuses =
        rows.map(|row| row.rsplit('\t').map(str::trim).find(|cell| !cell.is_empty()).unwrap_or_default());
    statuses.all(|status| USABLE.contains(&status))
}

/// Whether `charts/` has that version of a chart, packed or not.
fn has(chart: &Path, name: &str, version: &str) -> bool {
    #[derive(Deserialize)]
    struct Metadata {
        version: String,
    }
    let charts = chart.join("charts");
    let unpacked = std::fs::read_to_string(charts.join(name).join("Chart.yaml")).ok();
    let unpacked = unpacked.and_then(|text| serde_saphyr::from_str::<Metadata>(&text).ok());
    charts.join(format!("{name}-{version}.tgz")).is_file() || unpacked.is_some_and(|found| found.version == version)
}

/// The lock files of a chart, as they are in the inputs.
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
        // helm itself complains about a lock that cannot be read.
        let texts = files.iter().filter_map(|(_, content)| std::str::from_utf8(content.as_ref()?).ok());
        let locked =
            texts.filter_map(|text| serde_saphyr::from_str::<Lock>(text).ok()).flat_map(|lock| lock.dependencies);
        Ok(Self { locked: locked.collect(), files })
    }

    fn is_empty(&self) -> bool {
        self.files.iter().all(|(_, content)| content.is_none())
    }

    /// The names and versions in them.
    fn versions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.locked.iter().map(|locked| (locked.name.as_str(), locked.version.as_str()))
    }

    /// Undoes what helm has changed: the inputs are not this step's.
    fn restore(&self) -> Result<()> {
        for (path, content) in &self.files {
            let now = std::fs::read(path).ok();
            let restored = match content {
                _ if now == *content => Ok(()),
                Some(content) => std::fs::write(path, content),
                None => std::fs::remove_file(path),
            };
            restored.with_context(|| format!("cannot restore the chart's lock `{}`", path.display()))?;
        }
        Ok(())
    }
}

/// Where the charts come from that a chart needs; `None` when it needs none. Helm reads more than this program does, and complains
/// better: what cannot be read here and speaks of dependencies has some.
fn places(chart: &Path) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Metadata {
        dependencies: Option<Vec<Dependency>>,
    }
    #[derive(Deserialize)]
    struct Dependency {
        repository: Option<String>,
    }
    // Charts of helm 2's form have a file of their own for it.
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
    fn what_helm_alone_can_read_may_have_dependencies() {
        let some = |found: &[&str]| Some(found.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>());
        for (text, expected) in [
            ("name: a\nversion: 1.0.0\n", None),
            ("name: a\ndependencies:\n", None),
            ("name: a\ndependencies:\n- {name: b, repository: file://../b}\n- {name: c}\n", some(&["file://../b"])),
            // Twice the same key, which helm takes.
            ("name: a\nname: a\ndependencies:\n- {name: b, repository: file://../b}\n", some(&[])),
            ("name: a\nname: a\n", None),
        ] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join("Chart.yaml"), text).unwrap();
            assert_eq!(places(directory.path()), expected, "{text}");
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
    fn restores_locks_and_finds_the_versions_that_they_name() {
        let chart = tempfile::tempdir().unwrap();
        let lock = "dependencies:\n- {name: sub, repository: 'https://x', version: 1.0.0}\ndigest: x\n";
        std::fs::write(chart.path().join("Chart.lock"), lock).unwrap();
        let locks = Locks::read(chart.path()).unwrap();
        assert_eq!(locks.versions().collect::<Vec<_>>(), [("sub", "1.0.0")]);
        assert!(!has(chart.path(), "sub", "1.0.0"));
        std::fs::create_dir_all(chart.path().join("charts/sub")).unwrap();
        std::fs::write(chart.path().join("charts/sub/Chart.yaml"), "name: sub\nversion: 1.0.0\n").unwrap();
        assert!(has(chart.path(), "sub", "1.0.0") && !has(chart.path(), "sub", "1.0.1"));
        std::fs::write(chart.path().join("Chart.lock"), "other").unwrap();
        std::fs::write(chart.path().join("requirements.lock"), "new").unwrap();
        locks.restore().unwrap();
        assert_eq!(std::fs::read_to_string(chart.path().join("Chart.lock")).unwrap(), lock);
        assert!(!chart.path().join("requirements.lock").exists());
    }
}
