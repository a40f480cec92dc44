//! check: lists the deployed revisions of the release.

use jetway::{Advise as _, Context, Result, anyhow, nearest, trimmed};

use crate::cluster::kubernetes::Kubernetes;
use crate::records::Records;
use crate::source::Source;
use crate::source::name;
use crate::source::status::Status;
use crate::version::Version;

/// Returns the versions from `version` on, oldest first; only the latest one without a `version`.
pub(crate) async fn check(context: &Context, source: &Source, version: Option<Version>) -> Result<Vec<Version>> {
    let Some(release) = release(source, version.as_ref()) else {
        context.console().step("the source has no `release`: only puts that set `release` create versions");
        return Ok(version.into_iter().collect());
    };
    if !source.has_cluster_login() {
        context.console().step(if source.cluster_keys().is_none() {
            "the source has no cluster: only puts with their own kubeconfig create versions"
        } else {
            "the source has no credentials for `cluster_url`: only puts with `token_path` create versions"
        });
        return Ok(version.into_iter().collect());
    }
    let kubernetes = Kubernetes::find(context, source).await?;
    let namespace = source.namespace();
    kubernetes.warn_of_ignored_namespace();
    let records = Records::new(&kubernetes, source.storage(), namespace);
    let all = records.list(release).await?;
    // A version of another namespace or cluster is ignored.
    let is_here = |version: &&Version| version.namespace.is_none() && version.cluster.is_none();
    let known = version.as_ref().filter(|version| version.release == release).filter(is_here);
    if all.is_empty() {
        // A put has just uninstalled the release, so a missing release is the expected state.
        if let Some(known) = known.filter(|version| version.uninstalled.is_some()) {
            return Ok(vec![known.clone()]);
        }
        return Err(missing(&records, release, namespace).await);
    }
    let words: Vec<&str> = source.statuses.iter().map(|status| Status::word(*status)).collect();
    let mut revisions: Vec<u64> =
        all.iter().filter(|record| words.contains(&record.status.as_str())).map(|record| record.revision).collect();
    let newest = all.last().map_or(0, |newest| newest.revision);
    match known.and_then(Version::number) {
        // Revision numbers only grow while a release exists, so this one was uninstalled and installed again.
        Some(known) if newest < known => context.console().warn(format_args!(
            "the latest revision of `{release}` is {newest}, but the known version is revision {known}: the \
             release was reinstalled, and all its revisions are versions; Concourse starts no builds for \
             versions that it has seen before"
        )),
        Some(known) => revisions.retain(|revision| *revision >= known),
        None => revisions = revisions.pop().into_iter().collect(),
    }
    if revisions.is_empty()
        && let Some(newest) = all.last()
    {
        let (revision, status) = (newest.revision, &newest.status);
        context.console().step(format_args!("no version yet: revision {revision} of `{release}` is `{status}`"));
    }
    Ok(revisions.into_iter().map(|revision| Version::of_revision(release, revision)).collect())
}

/// The release to check: the source's, or else the version's.
fn release<'s>(source: &'s Source, version: Option<&'s Version>) -> Option<&'s str> {
    let of_version = version.map(|version| version.release.as_str());
    let legal = of_version.filter(|name| name::release(name).is_ok());
    trimmed(source.release.as_ref()).or(legal)
}

async fn missing(records: &Records<'_>, release: &str, namespace: &str) -> jetway::Error {
    let error = anyhow!("there is no release `{release}` in the namespace `{namespace}`");
    let names = match records.release_names().await {
        Ok(names) => names,
        Err(other) => return other.context(error.to_string()),
    };
    match nearest(release, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None if names.is_empty() => error.hint("the namespace has no releases; the first put creates one"),
        None => error.hint("the first put creates it"),
    }
}
