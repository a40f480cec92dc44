//! `legacy.yml`: a pipeline of 2018, with Jetway's images instead of the original ones.

use jetway_tests::worker::Status;
use serde_json::json;

use jetway_tests::delivery::World;

#[test]
fn pipeline_of_2018_runs_unchanged() {
    let Some(world) = World::start() else { return };
    let worker = world.worker("legacy.yml");
    let commit = world.push("hello");
    let build = worker.run("build").expect("a commit");
    build.ended(Status::Succeeded);
    let digest = build.versions["artifact-image"]["digest"].clone();
    assert_eq!(world.digest("team/app", &commit[..7]), digest);
    assert_eq!(world.digest("team/app", "latest"), digest);
    worker.run("unit-tests").expect("an image").ended(Status::Succeeded);
    assert_eq!(world.statuses(&commit), ["concourse-ci/unit-tests success", "concourse-ci/unit-tests pending"]);
    let build = worker.run("staging").expect("an image");
    build.ended(Status::Succeeded);
    assert!(build.log.contains("the tests of `app` passed"), "{}", build.log);
    assert_eq!(World::running(&world.staging), vec![world.application(&digest); 2]);
    let [message] = &world.webhook.messages()[..] else { panic!("one message") };
    assert_eq!(message["channel"], "#builds");
    assert_eq!(message["text"], json!("Build <https://ci.example.com/builds/1003|3> is on staging.\n"));

    let commit = world.push("bye");
    worker.run("build").expect("a commit").ended(Status::Succeeded);
    worker.run("unit-tests").expect("an image").ended(Status::Failed);
    assert_eq!(world.statuses(&commit), ["concourse-ci/unit-tests failure", "concourse-ci/unit-tests pending"]);
}
