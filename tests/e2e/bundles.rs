//! Base resource types, as a worker loads them: unpacked, without the configuration of the image.

use std::path::Path;
use std::process::Command;

use jetway_tests::worker::Status;
use jetway_tests::{registry, scratch};
use serde_json::{Value, json};

use jetway_tests::delivery::World;

#[test]
fn worker_loads_bundles_as_base_types() {
    let Some(world) = World::start() else { return };
    let bundles = scratch::directory();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("images/bundle.sh");
    registry::run(Command::new(script).env("JETWAY_BUNDLES", bundles.path()));
    for (kind, privileged) in [("git", false), ("docker-image", true), ("registry-image", false)] {
        let metadata = std::fs::read(bundles.path().join(kind).join("resource_metadata.json")).unwrap();
        let mut metadata: Value = serde_json::from_slice(&metadata).unwrap();
        let version = metadata.as_object_mut().unwrap().remove("version").unwrap();
        let development = concat!(env!("CARGO_PKG_VERSION"), "-dev.");
        assert!(version.as_str().unwrap().starts_with(development), "{kind}: {version}");
        let expected = json!({ "type": kind, "privileged": privileged, "unique_version_history": false });
        assert_eq!(metadata, expected);
    }
    let worker = world.worker("base-types.yml").with_bundles(bundles.path());
    let commit = world.push("one");
    let build = worker.run("release").expect("a commit");
    build.ended(Status::Succeeded);
    assert_eq!(build.versions["artifact-image"]["digest"], world.digest("team/app", "latest"));
    assert_eq!(build.versions["release-image"]["digest"], world.digest("team/release", "1.0"));
    assert_eq!(world.code.resolve(&format!("built-{}", &commit[..7])), commit);
}
