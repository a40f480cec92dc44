//! The pipeline `delivery.yml`.

use jetway_tests::worker::{Status, Worker};
use serde_json::{Value, json};

use jetway_tests::delivery::World;

/// Values for pods that never become ready.
const NEVER_READY: &str = "podAnnotations: {jetway.test/ready: \"false\"}\n";

/// Values for a test that fails with a message.
const FAILING_TEST: &str =
    "testAnnotations: {jetway.test/exit-code: \"1\", jetway.test/logs: \"expected 2, found 3\"}\n";

/// Builds and tests the head of `develop`, and returns the digest of the image.
fn built(worker: &Worker) -> Value {
    let build = worker.run("build").expect("a commit");
    build.ended(Status::Succeeded);
    worker.run("unit-tests").expect("an image").ended(Status::Succeeded);
    build.versions["artifact-image"]["digest"].clone()
}

#[test]
fn commit_is_built_and_tested() {
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
        assert!(!World::betrays(&build.log), "{}", build.log);
    }
    assert!(world.slack.messages().is_empty());
}

#[test]
fn pull_request_is_tested_and_gets_the_outcome() {
    let Some(world) = World::start() else { return };
    let worker = world.worker("delivery.yml");
    world.push("hello");
    assert!(worker.run("pull-request").is_none(), "there is no pull request");
    for (word, outcome) in [("bye", Status::Failed), ("hello # again", Status::Succeeded)] {
        let head = world.push_to_pull_request(7, word);
        let build = worker.run("pull-request").expect("a pull request");
        build.ended(outcome);
        assert_eq!(build.versions["pull-request"]["commit"], head);
        let last = if outcome == Status::Failed { "failure" } else { "success" };
        let statuses = [format!("concourse-ci/unit-tests {last}"), "concourse-ci/unit-tests pending".to_owned()];
        assert_eq!(world.statuses(&head), statuses);
        assert!(!World::betrays(&build.log), "{}", build.log);
    }
    let comments = world.github.comments(7);
    assert!(
        comments.len() == 1 && comments[0].1.starts_with("The tests fail: https://ci.example.com/"),
        "{comments:?}"
    );
    assert!(worker.run("pull-request").is_none(), "each head once");
}

#[test]
fn commit_is_deployed_to_production_after_approval_by_status() {
    let Some(world) = World::start() else { return };
    let worker = world.worker("delivery.yml");
    let commit = world.push("hello");
    let digest = built(&worker);
    let build = worker.run("staging").expect("an image whose tests passed");
    build.ended(Status::Succeeded);
    assert_eq!(build.versions["staging"], json!({ "release": "app", "revision": "1" }));
    assert!(build.log.contains("the tests of `app` passed"), "{}", build.log);
    assert_eq!(World::running(&world.staging), vec![world.application(&digest); 2]);
    let staged =
        ["Build 3 brings the application to staging. :white_check_mark:", "  It is there, and its tests have passed."];
    assert_eq!(world.heard(), staged);
    assert!(!World::betrays(&build.log), "{}", build.log);

    assert!(worker.run("production").is_none(), "nobody has said a word");
    world.github.set_status(&commit, "go-no-go", "success", "mallory");
    assert!(worker.run("production").is_none(), "mallory is nobody to say so");
    world.github.set_status(&commit, "go-no-go", "failure", "grace");
    assert!(worker.run("production").is_none(), "grace said no");
    assert_eq!(World::running(&world.production), Vec::<String>::new());
    world.github.set_status(&commit, "go-no-go", "success", "grace");
    let build = worker.run("production").expect("a go");
    build.ended(Status::Succeeded);
    assert_eq!(build.versions["production"], json!({ "release": "app", "revision": "1" }));
    assert_eq!(World::running(&world.production), vec![world.application(&digest); 3]);
    assert_eq!(world.deployments(), [(commit, vec!["in_progress".to_owned(), "success".to_owned()])]);
    assert_eq!(world.heard().len(), 4);

    // The next commit is on staging, but the gate was opened for the first commit.
    world.push("hello # again");
    let next = built(&worker);
    worker.run("staging").expect("an image").ended(Status::Succeeded);
    assert_eq!(World::running(&world.staging), vec![world.application(&next); 2]);
    worker.run("production").expect("an old go").ended(Status::Failed);
    assert_eq!(World::running(&world.production), vec![world.application(&digest); 3]);
}

#[test]
fn commit_is_deployed_to_production_after_approval_by_ticket() {
    let Some(world) = World::start() else { return };
    let worker = world.worker("delivery.yml");
    let commit = world.push("hello");
    let digest = built(&worker);
    worker.run("staging").expect("an image").ended(Status::Succeeded);
    assert_eq!(world.tickets(), ["OPS-1 To Do"]);
    let description = world.jira.field("OPS-1", "description").to_string();
    assert!(description.contains(&commit), "{description}");
    assert!(worker.run("production-by-ticket").is_none(), "the ticket is not approved yet");
    world.jira.move_to(600, "OPS-1", "In Review");
    assert!(worker.run("production-by-ticket").is_none(), "the ticket is in review");
    world.jira.move_to(1200, "OPS-1", "Approved");
    let build = worker.run("production-by-ticket").expect("an approved ticket");
    build.ended(Status::Succeeded);
    assert!(!World::betrays(&build.log), "{}", build.log);
    assert_eq!(build.versions["production"], json!({ "release": "app", "revision": "1" }));
    assert_eq!(World::running(&world.production), vec![world.application(&digest); 3]);
    assert_eq!(world.tickets(), ["OPS-1 Done"]);
    let comments = Value::from(world.jira.comments("OPS-1")).to_string();
    assert!(comments.contains("On production since build 6."), "{comments}");
    let pages: Vec<Value> = world.jira.links("OPS-1").iter().map(|link| link["object"]["url"].clone()).collect();
    assert_eq!(pages.len(), 2, "the builds of staging and production: {pages:?}");

    // The next commit has its own ticket, and the approval of the first ticket does not apply to it.
    world.push("hello # again");
    built(&worker);
    worker.run("staging").expect("an image").ended(Status::Succeeded);
    assert_eq!(world.tickets(), ["OPS-1 Done", "OPS-2 To Do"]);
    world.jira.move_to(1800, "OPS-1", "Approved");
    worker.run("production-by-ticket").expect("an approved ticket").ended(Status::Failed);
    assert_eq!(World::running(&world.production), vec![world.application(&digest); 3]);
    // The approval is withdrawn before the build starts.
    world.jira.move_to(2400, "OPS-2", "Approved");
    let version = worker.check("approved").pop().expect("an approved ticket");
    assert_eq!(version["issue"], "OPS-2");
    world.jira.move_to(3000, "OPS-2", "In Review");
    let build = worker.run("production-by-ticket").expect("a version that Concourse has stored");
    build.ended(Status::Failed);
    assert!(build.log.contains("has left the status `Approved`"), "{}", build.log);
}

#[test]
fn fetches_application_by_ssh_and_charts_by_https() {
    let Some(world) = World::start() else { return };
    let worker = world.worker("delivery.yml");
    let commit = world.push("hello");
    assert_eq!(worker.check("code-base"), [json!({ "ref": commit })]);
    assert_eq!(world.readers_of_charts(), Vec::<String>::new());
    // The authority of its certificate is only in the worker's `/etc/ssl/certs`, not in a source.
    assert_eq!(worker.check("charts"), [json!({ "ref": world.tip_of_charts() })]);
    let readers = world.readers_of_charts();
    assert!(!readers.is_empty() && readers.iter().all(|user| user == "ci-charts"), "{readers:?}");
}

#[test]
fn commit_with_failing_tests_is_not_deployed() {
    let Some(world) = World::start() else { return };
    let worker = world.worker("delivery.yml");
    let commit = world.push("bye");
    assert!(worker.run("unit-tests").is_none(), "there is no image yet");
    worker.run("build").expect("a commit").ended(Status::Succeeded);
    worker.run("unit-tests").expect("an image").ended(Status::Failed);
    assert_eq!(world.statuses(&commit), ["concourse-ci/unit-tests failure", "concourse-ci/unit-tests pending"]);
    assert!(worker.run("staging").is_none(), "no image has passed its tests");
    assert_eq!(World::revisions(&world.staging), Vec::<String>::new());
}

#[test]
fn failed_build_is_reported() {
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

#[test]
fn failed_deploy_is_rolled_back() {
    let Some(world) = World::start() else { return };
    let worker = world.worker("delivery.yml");
    world.push("hello");
    let good = world.application(&built(&worker));
    worker.run("staging").expect("an image").ended(Status::Succeeded);
    let cases = [
        (NEVER_READY, vec!["superseded", "failed", "deployed"], "revision 3 is deployed now"),
        (
            FAILING_TEST,
            vec!["superseded", "failed", "superseded", "superseded", "deployed"],
            "revision 5 is deployed now",
        ),
    ];
    for (number, (values, revisions, runs)) in cases.into_iter().enumerate() {
        world.push_for_staging(&format!("hello # {number}"), values);
        built(&worker);
        let build = worker.run("staging").expect("an image");
        build.ended(Status::Failed);
        assert!(!build.versions.contains_key("staging"), "{}", build.log);
        assert!(build.log.contains(runs) && build.log.contains("and its tests passed"), "{}", build.log);
        assert_eq!(World::revisions(&world.staging), revisions);
        assert_eq!(World::running(&world.staging), [good.as_str(); 2]);
        if values == FAILING_TEST {
            let log = &build.log;
            assert!(log.contains("failed, attempt 3 of 3") && log.contains("expected 2, found 3"), "{log}");
        }
        let heard = world.heard();
        let [.., began, ended] = heard.as_slice() else { panic!("{heard:?}") };
        assert!(began.ends_with(" brings the application to staging. :x:"), "{heard:?}");
        assert!(ended.starts_with("  It is not good, and was taken back: https://ci.example.com/"), "{heard:?}");
    }
    // Only the image that is still on staging may be deployed to production and has a ticket.
    assert_eq!(world.tickets(), ["OPS-1 To Do"]);
    assert!(worker.run("production").is_none(), "nobody has said a word");
}

#[test]
fn aborted_deploy_is_reported_and_the_next_one_recovers() {
    let Some(world) = World::start() else { return };
    let worker = world.worker("delivery.yml");
    world.push("hello");
    let good = world.application(&built(&worker));
    worker.run("staging").expect("an image").ended(Status::Succeeded);
    world.push_for_staging("hello # slow", NEVER_READY);
    built(&worker);
    let is_time = || World::revisions(&world.staging).last().is_some_and(|status| status == "pending-upgrade");
    let build = worker.run_and_abort("staging", is_time);
    build.ended(Status::Aborted);
    assert!(build.log.contains("revision 2 is `failed`, and revision 1 is deployed"), "{}", build.log);
    assert!(World::running(&world.staging).contains(&good));
    let heard = world.heard();
    assert_eq!(heard.last().unwrap(), "  Somebody has put a stop to it.", "{heard:?}");
    world.push("hello # quick");
    let quick = world.application(&built(&worker));
    worker.run("staging").expect("an image").ended(Status::Succeeded);
    assert_eq!(World::running(&world.staging), [quick.as_str(); 2]);
    assert_eq!(World::revisions(&world.staging), ["superseded", "failed", "deployed"]);
}
