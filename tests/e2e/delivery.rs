//! `delivery.yml`, commit by commit.

use jetway_tests::worker::Status;

use crate::world::World;

#[test]
fn a_good_commit_is_built_and_tested() {
    let Some(world) = World::start() else { return };
    let worker = world.worker("delivery.yml");
    for word in ["hello", "hello # again"] {
        let commit = world.push(word);
        let build = worker.run("build").expect("a commit");
        build.ended(Status::Succeeded);
        assert_eq!(build.versions["code-base"]["ref"], commit);
        let digest = build.versions["artifact-image"]["digest"].as_str().unwrap().to_owned();
        assert_eq!((&world.digest("team/app", &commit[..7]), &world.digest("team/app", "latest")), (&digest, &digest));
        worker.run("unit-tests").expect("an image").ended(Status::Succeeded);
        assert_eq!(world.statuses(&commit), ["concourse-ci/unit-tests success", "concourse-ci/unit-tests pending"]);
        assert!(!build.log.contains("0f1e2d3c4b5a") && !build.log.contains("PRIVATE KEY"), "{}", build.log);
    }
    assert!(world.slack.messages().is_empty());
}

#[test]
fn a_commit_whose_tests_fail_gets_no_further() {
    let Some(world) = World::start() else { return };
    let worker = world.worker("delivery.yml");
    let commit = world.push("bye");
    assert!(worker.run("unit-tests").is_none(), "there is no image yet");
    worker.run("build").expect("a commit").ended(Status::Succeeded);
    worker.run("unit-tests").expect("an image").ended(Status::Failed);
    assert_eq!(world.statuses(&commit), ["concourse-ci/unit-tests failure", "concourse-ci/unit-tests pending"]);
}

#[test]
fn a_build_that_fails_is_told() {
    let Some(world) = World::start() else { return };
    let worker = world.worker("delivery.yml");
    world.code.change("Break the image").on("develop").write("Dockerfile", "FROM scratch\nRUN [\"/none\"]\n").commit();
    let build = worker.run("build").expect("a commit");
    build.ended(Status::Failed);
    assert!(!build.versions.contains_key("artifact-image"), "{}", build.log);
    let messages = world.slack.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].body["attachments"][0]["color"], "#d00000");
}
