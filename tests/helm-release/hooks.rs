//! Hooks of a chart that do what they should.

use jetway_tests::kubernetes::{Helm, cluster};
use serde_json::json;

use crate::support::{add_hook, inputs, put, revisions, source};

const ENDS: &str = "jetway.test/exit-code: \"0\"";

#[test]
fn a_hook_that_ends_well_is_waited_for_and_stays_or_goes_as_the_chart_says() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        for (policy, left) in [("before-hook-creation", "pod/before\n"), ("hook-succeeded", "")] {
            let namespace = cluster.namespace();
            let inputs = inputs(&[]);
            let annotations = format!("{ENDS}, jetway.test/after: 2s, helm.sh/hook-delete-policy: {policy}");
            add_hook(inputs.path(), "post-upgrade", &annotations);
            let params = json!({ "chart": "chart", "timeout": "2m" });
            let put = || put(helm, cluster.programs(), &source(&namespace), params.clone(), inputs.path()).run();
            let hooks =
                || namespace.kubectl(&["get", "pods", "--field-selector=metadata.name=before", "--output=name"]);
            put().succeeded();
            assert_eq!(hooks(), "", "{helm:?}: it is none of an install");
            for revision in [2, 3] {
                assert_eq!(put().json()["version"], revisions([revision])[0], "{helm:?} {policy}");
                assert_eq!(hooks(), left, "{helm:?} {policy}");
                if !left.is_empty() {
                    let phase = namespace.kubectl(&["get", "pod", "before", "--output=jsonpath={.status.phase}"]);
                    assert_eq!(phase, "Succeeded", "{helm:?}");
                }
            }
        }
    }
}
