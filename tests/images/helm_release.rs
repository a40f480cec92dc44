//! The image of the helm-release type.

use jetway_tests::layer::{self, Layer};

use crate::{inside, inspect};

#[test]
fn has_the_helm_that_its_label_names_and_a_shell() {
    if !layer::require(Layer::Image("helm-release")) {
        return;
    }
    let labels = inspect(&layer::image_name("helm-release"))["Config"]["Labels"].take();
    let version = format!("v{}", labels["sh.helm.version"].as_str().unwrap());
    assert_eq!(inside("helm-release", &["helm", "version", "--template={{.Version}}"]), version);
    let script = "printf '#!/usr/bin/env sh\ncat\n' >/tmp/x && chmod +x /tmp/x && echo it runs | /tmp/x";
    assert_eq!(inside("helm-release", &["sh", "-c", script]), "it runs");
}
