//! Deployments: puts create and update them, checks wait for them.

use std::fs;

use jetway_tests::github::{GitHub, LOGIN, commit};
use jetway_tests::scratch;
use serde_json::{Value, json};

use crate::support::{check, get, messages, put, put_step, source, with};

fn waiting(github: &GitHub, more: Value) -> Value {
    let mut source = source(github);
    source.as_object_mut().unwrap().remove("branch");
    with(source, json!({ "deployment": with(json!({ "environment": "production" }), more) }))
}

fn version(hash: &str, deployment: u64, status: u64) -> Value {
    json!({ "commit": hash, "deployment": deployment.to_string(), "status": status.to_string() })
}

mod put {
    use super::*;

    #[test]
    fn creates_a_deployment_and_updates_it() {
        let github = GitHub::start();
        let begin = json!({
            "commit": commit(1),
            "deployment": {
                "environment": "production", "state": "in_progress", "description": "rolling out",
                "environment_url": "https://app.example.com", "auto_inactive": false, "production_environment": true,
                "task": "deploy:web",
            },
        });
        let first = put(&source(&github), begin.clone());
        assert_eq!(
            github.bodies("POST", "/deployments"),
            [
                json!({
                    "ref": commit(1), "environment": "production", "auto_merge": false, "required_contexts": [],
                    "task": "deploy:web", "description": "rolling out", "production_environment": true,
                }),
                json!({
                    "state": "in_progress", "description": "rolling out", "environment_url": "https://app.example.com",
                    "log_url": "https://ci.example.com/teams/main/pipelines/delivery/jobs/build/builds/42",
                    "auto_inactive": false,
                }),
            ]
        );
        assert_eq!(first.json()["version"], version(&commit(1), 1001, 1002));
        // A repeated put and the put of the final state update the same deployment.
        put(&source(&github), begin).succeeded();
        let end = json!({
            "commit": commit(1), "deployment": { "environment": "production", "task": "deploy:web", "state": "Success" },
        });
        for _ in 0..2 {
            put(&source(&github), end.clone()).succeeded();
        }
        let deployments = github.deployments();
        assert_eq!(deployments.len(), 1);
        let states: Vec<&Value> =
            deployments[0]["statuses"].as_array().unwrap().iter().map(|messages| &messages["state"]).collect();
        assert_eq!(states, ["in_progress", "in_progress", "success", "success"]);
        assert!(github.statuses(&commit(1)).is_empty());
    }

    #[test]
    fn creates_another_deployment_when_the_last_has_ended() {
        let github = GitHub::start();
        let last = github.deploy(&commit(1), "production", LOGIN);
        github.set_deployment(last, "success", LOGIN);
        let params =
            json!({ "commit": commit(1), "deployment": { "environment": "production", "state": "in_progress" } });
        put(&source(&github), params).succeeded();
        assert_eq!(github.deployments().len(), 2);
    }

    #[test]
    fn takes_the_state_from_build_status() {
        let github = GitHub::start();
        let params = json!({ "commit": commit(1), "deployment": { "environment": "production" } });
        put(&source(&github), params.clone()).succeeded();
        assert!(github.deployments()[0]["statuses"].as_array().unwrap().is_empty());
        let inputs = scratch::directory();
        put_step(&source(&github), params, inputs.path()).env("BUILD_STATUS", "failed").run().succeeded();
        assert_eq!(github.deployments()[0]["statuses"][0]["state"], "failure");
    }

    #[test]
    fn also_sets_a_commit_status() {
        let github = GitHub::start();
        let params = json!({
            "commit": commit(1), "state": "success", "deployment": { "environment": "staging", "state": "success" },
        });
        let outcome = put(&source(&github), params);
        assert_eq!(outcome.json()["version"], json!({ "commit": commit(1), "status": "1001" }));
        assert_eq!(github.deployments()[0]["statuses"][0]["state"], "success");
    }

    #[test]
    fn fails_when_github_rejects_the_deployment() {
        let github = GitHub::start();
        let params = json!({
            "commit": commit(1), "deployment": { "environment": "production", "required_contexts": ["unit"] },
        });
        let outcome = put(&source(&github), params);
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: cannot create a deployment of 0000000000000000000000000000000000000001 to `production`\n  caused by: `POST \
             http://127.0.0.1:[PORT]/repos/octo/app/deployments` answered 409 Conflict (x-github-request-id: 0680:45A6:21C5D6C:62D2A4F:62D6350C)\n  \
             caused by: Conflict: Commit status checks failed for master.; `unit` is pending\nhint: GitHub deploys a commit only if all `required_contexts` have succeeded and the commit merges with the default branch\n"
        );
    }

    #[test]
    fn is_rejected_with_deployment_in_the_source() {
        let github = GitHub::start();
        let outcome = put(&waiting(&github, json!({})), json!({ "commit": commit(1), "state": "success" }));
        outcome.failed();
        assert!(messages(&outcome).starts_with("error: a put is not supported with `deployment` in the source\n"));
    }
}

mod check {
    use super::*;

    #[test]
    fn returns_deployments_that_have_reached_the_state() {
        let github = GitHub::start();
        let source = waiting(&github, json!({}));
        assert_eq!(check(&source, None).json(), json!([]));
        let first = github.deploy(&commit(1), "production", "ci");
        github.set_deployment(first, "in_progress", "ci");
        github.deploy(&commit(1), "staging", "ci");
        assert_eq!(check(&source, None).json(), json!([]));
        let reached = github.set_deployment(first, "success", "ci");
        let one = version(&commit(1), first, reached);
        assert_eq!(check(&source, None).json(), json!([one]));
        // A repeated status is not a version, nor is the `inactive` that GitHub sets once the next deployment succeeds.
        github.set_deployment(first, "success", "ci");
        let second = github.deploy(&commit(2), "production", "ci");
        let second_reached = github.set_deployment(second, "success", "ci");
        github.set_deployment(first, "inactive", "ci");
        let two = version(&commit(2), second, second_reached);
        assert_eq!(check(&source, Some(&one)).json(), json!([one, two]));
        assert_eq!(check(&source, Some(&two)).json(), json!([two]));
        assert_eq!(check(&source, None).json(), json!([two]));
        let gone = version(&commit(1), 5, 6);
        assert_eq!(check(&source, Some(&gone)).json(), json!([one, two]));
    }

    #[test]
    fn counts_only_matching_creators_states_and_commits() {
        let github = GitHub::start();
        let deployment = github.deploy(&commit(1), "production", "ci");
        github.set_deployment(deployment, "success", "mallory");
        let of_alice = waiting(&github, json!({ "creators": ["alice"] }));
        assert_eq!(check(&of_alice, None).json(), json!([]));
        let failed = github.set_deployment(deployment, "failure", "alice");
        assert_eq!(check(&waiting(&github, json!({})), None).json(), json!([]));
        let source = waiting(&github, json!({ "state": "failure", "creators": ["alice"] }));
        assert_eq!(check(&source, None).json(), json!([version(&commit(1), deployment, failed)]));
        let elsewhere = with(source, json!({ "commit": commit(2) }));
        assert_eq!(check(&elsewhere, None).json(), json!([]));
    }
}

mod get {
    use super::*;

    #[test]
    fn writes_the_status_of_the_deployment() {
        let github = GitHub::start();
        let deployment = github.deploy(&commit(1), "production", "ci");
        let status = github.set_deployment(deployment, "success", "alice");
        let destination = scratch::directory();
        let outcome = get(&waiting(&github, json!({})), &version(&commit(1), deployment, status), destination.path());
        outcome.succeeded();
        for (name, content) in [
            ("commit", commit(1)),
            ("state", "success".to_owned()),
            ("environment", "production".to_owned()),
            ("deployment", deployment.to_string()),
            ("creator", "alice".to_owned()),
        ] {
            assert_eq!(fs::read_to_string(destination.path().join(name)).unwrap(), content, "{name}");
        }
    }

    #[test]
    fn fails_for_missing_or_non_matching_deployment() {
        let github = GitHub::start();
        let deployment = github.deploy(&commit(1), "production", "ci");
        let failed = github.set_deployment(deployment, "failure", "ci");
        let source = waiting(&github, json!({}));
        for (version, words) in [
            (version(&commit(1), 7, failed), "error: cannot read deployment 7\n"),
            (version(&commit(2), deployment, failed), "error: deployment 1001 is for commit 0"),
            (version(&commit(1), deployment, 7), "error: deployment 1001 has no status 7 (any more)\n"),
            (version(&commit(1), deployment, failed), "error: status 1002 does not pass the gate"),
            (json!({ "commit": commit(1), "deployment": "1001" }), "error: the version does not belong to this gate\n"),
        ] {
            let destination = scratch::directory();
            let outcome = get(&source, &version, destination.path());
            outcome.failed();
            assert!(messages(&outcome).starts_with(words), "{}", outcome.stderr);
        }
    }
}
