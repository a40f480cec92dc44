//! Base resource types that `images/bundle.sh` makes of images.

use std::fs;
use std::path::Path;
use std::process::Command;

use jetway_tests::layer::{self, Layer};
use jetway_tests::registry::run;
use jetway_tests::scratch;
use serde_json::{Value, json};

use crate::docker;

/// A type whose image is small.
const KIND: &str = "slack";

/// An image of the engine. It is removed when it is dropped.
struct Image(&'static str);

impl Drop for Image {
    fn drop(&mut self) {
        docker(&["rmi", "--force", self.0]);
    }
}

/// Makes the bundle of a type, and returns its metadata and the SHA-256 of its file system.
fn bundle(kind: &str, release: Option<&str>) -> (Value, String) {
    let directory = scratch::directory();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("images/bundle.sh");
    let mut command = Command::new(script);
    command.arg(kind).env("JETWAY_BUNDLES", directory.path()).env_remove("JETWAY_VERSION");
    run(command.envs(release.map(|version| ("JETWAY_VERSION", version))));
    let bundle = directory.path().join(kind);
    let metadata = fs::read(bundle.join("resource_metadata.json")).unwrap();
    let sum = run(Command::new("sha256sum").arg(bundle.join("rootfs.tgz")));
    (serde_json::from_slice(&metadata).unwrap(), sum[..64].to_owned())
}

#[test]
fn development_version_changes_with_the_content_and_only_then() {
    if !layer::require(Layer::Image(KIND)) {
        return;
    }
    let (metadata, sum) = bundle(KIND, None);
    let version = format!("{}-dev.{}", env!("CARGO_PKG_VERSION"), &sum[..12]);
    let expected = json!({ "type": KIND, "version": version, "privileged": false, "unique_version_history": false });
    assert_eq!(metadata, expected);
    assert_eq!(bundle(KIND, None), (metadata, sum.clone()));

    let context = scratch::directory();
    let recipe = format!("FROM {}\nCOPY Dockerfile /changed\n", layer::image_name(KIND));
    fs::write(context.path().join("Dockerfile"), recipe).unwrap();
    let image = Image("jetway/changed-slack:dev");
    let mut build = Command::new("docker");
    build.args(["build", "--quiet", "--tag", image.0]).arg(context.path()).env("DOCKER_BUILDKIT", "0");
    run(&mut build);
    let (changed, changed_sum) = bundle("changed-slack", None);
    assert_ne!(changed_sum, sum);
    assert_eq!(changed["version"], format!("{}-dev.{}", env!("CARGO_PKG_VERSION"), &changed_sum[..12]));
}

#[test]
fn release_has_the_version_that_it_was_given() {
    if !layer::require(Layer::Image(KIND)) {
        return;
    }
    let (metadata, _) = bundle(KIND, Some("1.2.3"));
    assert_eq!(metadata["version"], "1.2.3");
}
