//! put with `wait`: helm's strategies, and plain seconds.

use std::time::Duration;

use jetway_tests::kubernetes::{Helm, cluster};
use serde_json::{Value, json};

use crate::support::{inputs, put, revisions, said, source};

#[test]
fn a_word_is_how_helm_waits_and_a_number_is_how_long_is_slept() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
        // What is to come up has all the time that a busy machine takes; what is not, enough for helm to write its record.
        let put = |wait: Value, timeout: &str| {
            let params = json!({ "chart": "chart", "values": "broken.yaml", "wait": wait, "timeout": timeout });
            put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run()
        };
        assert_eq!(put(json!("none"), "2m").json()["version"], revisions([1])[0], "{helm:?}");
        let slept = put(json!("1"), "2m");
        assert_eq!(slept.json()["version"], revisions([2])[0], "{helm:?}");
        assert!(slept.elapsed >= Duration::from_secs(1));
        put(json!("legacy"), "6s").failed();
        let watched = put(json!("watcher"), "6s");
        watched.failed();
        let text = said(&watched);
        if helm == Helm::Three {
            let refused = "error: `wait: watcher` is nothing that helm 3 can do\nhint: helm 3 waits in one way, `legacy`; watching came with helm 4\n";
            assert!(text.ends_with(refused), "{text}");
        } else {
            assert!(text.contains("revision 4 is `failed`, and revision 2 is deployed (demo-1.2.3, app version 4.5)\n"), "{text}");
        }
    }
}
