//! get: writes a revision into files for later tasks.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Metadata, Response, Result, trimmed};
use serde_json::{Map, Value, json};

use crate::cluster::kubernetes::Kubernetes;
use crate::records::Records;
use crate::records::release::Release;
use crate::source::Source;
use crate::source::name;
use crate::version::Version;
use crate::yaml;

/// Writes the version, and helm's record of its revision, into `destination`.
pub(crate) async fn get(
    context: &Context,
    source: &Source,
    version: Option<Version>,
    destination: &Path,
) -> Result<Response<Version>> {
    let version = version.ok_or_else(|| anyhow!("there is no version to get"))?;
    let files = Files { destination };
    let Some(revision) = version.number() else {
        // The version of a test, a dry run or an uninstall has no revision.
        files.write("release", &version.release)?;
        return Ok(Response::new(version));
    };
    if version.cluster.is_some() || !source.has_cluster_login() {
        context.console().step(
            "the source has no access to the cluster of this version: only the release and the revision \
                are written",
        );
        files.write("release", &version.release)?;
        files.write("revision", &revision.to_string())?;
        return Ok(Response::new(version));
    }
    for (key, problem) in [
        ("release", name::release(&version.release).err()),
        ("namespace", version.namespace.as_deref().and_then(|namespace| name::namespace(namespace).err())),
    ] {
        if let Some(problem) = problem {
            return Err(anyhow!("the version's `{key}` {problem}"));
        }
    }
    let kubernetes = Kubernetes::find(context, source).await?;
    let namespace = trimmed(version.namespace.as_ref()).unwrap_or_else(|| source.namespace());
    let found = Records::new(&kubernetes, source.storage(), namespace).read(&version.release, revision).await?;
    let release = found.ok_or_else(|| {
        anyhow!(
            "revision {revision} of the release `{}` is not in the namespace `{namespace}` (any more)",
            version.release
        )
        .hint("helm deletes the oldest revisions; `helm_history_max` in the source sets how many are kept")
    })?;
    files.write_all(&release)?;
    let chart = &release.chart;
    context.console().step(format_args!(
        "revision {revision} of `{}`: {}-{}, {}",
        release.name,
        chart.field("name"),
        chart.field("version"),
        release.info.status
    ));
    let metadata = metadata(&release, namespace);
    Ok(Response { version, metadata })
}

/// The metadata of a revision, with the lines of the established resource first.
pub(crate) fn metadata(release: &Release, namespace: &str) -> Vec<Metadata> {
    let chart = &release.chart;
    [
        ("release", release.name.clone()),
        ("revision", release.version.to_string()),
        ("chart", format!("{}-{}", chart.field("name"), chart.field("version"))),
        ("app_version", chart.field("appVersion").to_owned()),
        ("namespace", namespace.to_owned()),
        ("status", release.info.status.clone()),
        ("deployed", release.info.last_deployed.clone()),
        ("description", release.info.description.clone()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| Metadata::new(name, value))
    .collect()
}

/// The files of a get.
struct Files<'d> {
    destination: &'d Path,
}

impl Files<'_> {
    fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.destination.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write `{}`", path.display()))
    }

    fn write_all(&self, release: &Release) -> Result<()> {
        let nothing = Value::Object(Map::new());
        let values = release.config.as_ref().filter(|values| !values.is_null()).unwrap_or(&nothing);
        let chart = &release.chart;
        self.write("release", &release.name)?;
        self.write("revision", &release.version.to_string())?;
        self.write("namespace", &release.namespace)?;
        self.write("values.json", &format!("{values:#}\n"))?;
        self.write("values.yaml", &yaml::document(values))?;
        self.write("manifest.yaml", &release.manifest)?;
        self.write("notes.txt", &release.info.notes)?;
        self.write("release.json", &format!("{:#}\n", summary(release)))?;
        let directory = self.destination.join("chart");
        fs::create_dir(&directory).with_context(|| format!("cannot create `{}`", directory.display()))?;
        self.write("chart/Chart.yaml", &yaml::document(&chart.metadata))?;
        self.write(
            "chart/values.yaml",
            &yaml::document(if chart.values.is_null() { &nothing } else { &chart.values }),
        )?;
        self.write("chart/name", chart.field("name"))?;
        self.write("chart/version", chart.field("version"))?;
        self.write("chart/app_version", chart.field("appVersion"))
    }
}

/// The content of `release.json`: what `helm status` and `helm history` show of a revision.
fn summary(release: &Release) -> Value {
    let (info, chart) = (&release.info, &release.chart);
    let hooks = release.hooks.as_deref().unwrap_or_default().iter().map(|hook| {
        json!({
            "name": hook.name, "kind": hook.kind, "events": hook.events.as_deref().unwrap_or_default(),
            "last_run": {
                "started_at": hook.last_run.started_at, "completed_at": hook.last_run.completed_at,
                "phase": hook.last_run.phase,
            },
        })
    });
    json!({
        "name": release.name, "namespace": release.namespace, "revision": release.version, "status": info.status,
        "description": info.description, "first_deployed": info.first_deployed, "last_deployed": info.last_deployed,
        "chart": {
            "name": chart.field("name"), "version": chart.field("version"), "app_version": chart.field("appVersion"),
        },
        "hooks": hooks.collect::<Vec<_>>(),
    })
}
