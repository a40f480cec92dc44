//! The objects of a release, to select its pods, jobs and events.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::records::release::Release;

/// Labels and their values.
pub(crate) type Labels = BTreeMap<String, String>;

/// Labels with the name of the release, on objects of charts and of controllers.
const INSTANCE: [&str; 2] = ["app.kubernetes.io/instance", "release"];

/// Labels with the name of the job, on the pods of a job.
pub(crate) const JOB: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];

/// The objects that belong to a release.
#[derive(Debug)]
pub(crate) struct ReleaseObjects {
    release: String,
    /// Kinds and names, including those of hooks.
    objects: Vec<(String, String)>,
    /// The pod selectors of workloads.
    selectors: Vec<Labels>,
}

#[derive(Deserialize)]
struct Object {
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

#[derive(Default, Deserialize)]
struct Spec {
    /// Any value: the format differs between a Service and a Deployment.
    selector: Option<Value>,
}

impl ReleaseObjects {
    /// The objects in the manifest and the hooks of the release.
    pub(crate) fn of(release: &Release) -> Self {
        let mut found = Self { release: release.name.clone(), objects: Vec::new(), selectors: Vec::new() };
        for document in documents(&release.manifest) {
            // Kubernetes has not accepted an unreadable document either.
            let Ok(object) = serde_saphyr::from_str::<Object>(&document) else { continue };
            let labels = object.spec.selector.as_ref().and_then(|selector| selector.get("matchLabels"));
            let labels = labels.and_then(|labels| serde_json::from_value::<Labels>(labels.clone()).ok());
            found.selectors.extend(labels.filter(|labels| !labels.is_empty()));
            found.objects.push((object.kind, object.metadata.name));
        }
        for hook in release.hooks.as_deref().unwrap_or_default() {
            found.objects.push((hook.kind.clone(), hook.name.clone()));
        }
        found
    }

    /// Whether the release has an object of that kind and name.
    pub(crate) fn has(&self, kind: &str, name: &str) -> bool {
        self.objects.iter().any(|(its_kind, its_name)| its_kind == kind && its_name == name)
    }

    /// Whether a pod belongs to the release, directly or by a workload.
    pub(crate) fn has_pod(&self, name: &str, labels: &Labels) -> bool {
        let by_job = JOB.iter().filter_map(|label| labels.get(*label)).any(|job| self.has("Job", job));
        let selected = |selector: &Labels| selector.iter().all(|(label, value)| labels.get(label) == Some(value));
        self.has("Pod", name) || by_job || self.is_labelled(labels) || self.selectors.iter().any(selected)
    }

    /// Whether the labels name the release.
    pub(crate) fn is_labelled(&self, labels: &Labels) -> bool {
        INSTANCE.iter().any(|label| labels.get(*label) == Some(&self.release))
    }

    /// Whether a controller created an object for one of them: its name then begins with theirs.
    pub(crate) fn has_dependent(&self, name: &str) -> bool {
        let begins =
            |object: &str| name.strip_prefix(object).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        self.objects.iter().any(|(_, object)| !object.is_empty() && begins(object))
    }
}

/// The documents of a manifest. Three dashes at the start of any line begin a new one.
pub(crate) fn documents(manifest: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in manifest.lines() {
        let begins = line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if begins {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    documents.retain(|document| !document.trim().is_empty());
    documents
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn selects_pods_by_name_job_selector_and_label() {
        let manifest = "---\n# Source: a\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector:\n    matchLabels: {app: web}\n\
                        ---\nkind: Service\nmetadata: {name: web}\nspec: {selector: {tier: front}}\n\
                        --- # another\nkind: Job\nmetadata: {name: migrate}\n---\n: {broken\n---\nkind: ConfigMap\nmetadata: {name: text}\ndata:\n  a: |\n    ---\n";
        let release: Release = serde_json::from_value(json!({
            "name": "demo", "manifest": manifest, "hooks": [{ "name": "demo-test", "kind": "Pod", "events": ["test"] }],
        }))
        .unwrap();
        let objects = ReleaseObjects::of(&release);
        assert!(objects.has_pod("web-1-2", &labels(&[("app", "web"), ("more", "x")])));
        assert!(objects.has_pod("m-1", &labels(&[("job-name", "migrate")])));
        assert!(objects.has_pod("demo-test", &labels(&[])));
        assert!(objects.has_pod("operated", &labels(&[("app.kubernetes.io/instance", "demo")])));
        assert!(!objects.has_pod("other", &labels(&[("app", "other"), ("tier", "front"), ("job-name", "x")])));
        assert!(objects.has("ConfigMap", "text"));
        assert!(
            objects.has_dependent("web-5d8") && objects.has_dependent("migrate") && !objects.has_dependent("webhook")
        );
    }

    proptest! {
        #[test]
        fn parses_any_manifest_without_a_panic(manifest in ".*", lines in proptest::collection::vec("(---|kind: [A-Z]|metadata: \\{name: [a-z-]{0,3}\\}|spec: .{0,9}|.{0,9})", 0..20)) {
            for manifest in [manifest, lines.join("\n")] {
                let release: Release = serde_json::from_value(json!({ "name": "demo", "manifest": manifest })).unwrap();
                let objects = ReleaseObjects::of(&release);
                // An object without a name has no dependents.
                prop_assert!(!objects.has_dependent(""));
            }
        }
    }
}
