//! Deployments: made and told of by puts, waited for by checks.

use std::fs;

use jetway_tests::github::{GitHub, LOGIN, commit};
use jetway_tests::scratch;
use serde_json::{Value, json};

use crate::support::{check, get, put, put_step, said, source, with};

fn waiting(github: &GitHub, more: Value) -> Value {
    let mut source = source(github);
    source.as_object_mut().unwrap().remove("branch");
    with(source, json!({ "deployment": with(json!({ "environment": "production" }), more) }))
}

fn version(hash: &str, deployment: u64, status: u64) -> Value {
    json!({ "commit": hash, "deployment": deployment.to_string(), "status": status.to_string() })
}

mod a_put {
    use super::*;

    #[test]
    fn makes_a_deployment_and_goes_on_with_it() {
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
        // The same put again, and the one that ends it, are about the same deployment.
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
            deployments[0]["statuses"].as_array().unwrap().iter().map(|said| &said["state"]).collect();
        assert_eq!(states, ["in_progress", "in_progress", "success", "success"]);
        assert!(github.statuses(&commit(1)).is_empty());
    }

    #[test]
    fn makes_another_one_when_the_last_has_ended() {
        let github = GitHub::start();
        let last = github.deploy(&commit(1), "production", LOGIN);
        github.set_deployment(last, "success", LOGIN);
        let params =
            json!({ "commit": commit(1), "deployment": { "environment": "production", "state": "in_progress" } });
        put(&source(&github), params).succeeded();
        assert_eq!(github.deployments().len(), 2);
    }

    #[test]
    fn takes_the_state_from_the_build_in_a_hook() {
        let github = GitHub::start();
        let params = json!({ "commit": commit(1), "deployment": { "environment": "production" } });
        put(&source(&github), params.clone()).succeeded();
        assert!(github.deployments()[0]["statuses"].as_array().unwrap().is_empty());
        let inputs = scratch::directory();
        put_step(&source(&github), params, inputs.path()).env("BUILD_STATUS", "failed").run().succeeded();
        assert_eq!(github.deployments()[0]["statuses"][0]["state"], "failure");
    }

    #[test]
    fn may_set_a_status_of_the_commit_too() {
        let github = GitHub::start();
        let params = json!({
            "commit": commit(1), "state": "success", "deployment": { "environment": "staging", "state": "success" },
        });
        let outcome = put(&source(&github), params);
        assert_eq!(outcome.json()["version"], json!({ "commit": commit(1), "status": "1001" }));
        assert_eq!(github.deployments()[0]["statuses"][0]["state"], "success");
    }

    #[test]
    fn fails_when_github_refuses_the_deployment() {
        let github = GitHub::start();
        let params = json!({
            "commit": commit(1), "deployment": { "environment": "production", "required_contexts": ["unit"] },
        });
        let outcome = put(&source(&github), params);
        outcome.failed();
        assert_eq!(
            said(&outcome),
            "error: cannot create a deployment of 0000000000000000000000000000000000000001 to `production`\n  caused by: `POST \
             http://127.0.0.1:[PORT]/repos/octo/app/deployments` answered 409 Conflict (x-github-request-id: 0680:45A6:21C5D6C:62D2A4F:62D6350C)\n  \
             caused by: Conflict: Commit status checks failed for master.; `unit` is pending\nhint: GitHub deploys a commit only if all `required_contexts` have succeeded and the commit merges with the default branch\n"
        );
    }

    #[test]
    fn is_refused_where_deployments_are_waited_for() {
        let github = GitHub::start();
        let outcome = put(&waiting(&github, json!({})), json!({ "commit": commit(1), "state": "success" }));
        outcome.failed();
        assert!(said(&outcome).starts_with("error: a put is not supported with `deployment` in the source\n"));
    }
}

mod a_check {
    use super::*;

    #[test]
    fn gives_the_deployments_that_have_reached_the_state() {
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
        // What is said again, and what GitHub itself says once the next one has succeeded, makes no new version.
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
    fn looks_at_what_counts_alone() {
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

mod a_get {
    use super::*;

    #[test]
    fn writes_what_was_said() {
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
    fn fails_for_what_is_not_there_or_does_not_pass() {
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
            assert!(said(&outcome).starts_with(words), "{}", outcome.stderr);
        }
    }
}
