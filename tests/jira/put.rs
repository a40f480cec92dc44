//! put: edits, comments, links and transitions.

use jetway_tests::jira::{EDITIONS, Edition, Jira, at, from_jira};
use jetway_tests::scratch;
use jetway_tests::stand_in::{Fault, Response};
use serde_json::{Value, json};

use crate::support::{get, inputs, messages, metadata, put, put_step, put_with};

fn paragraph(nodes: Value) -> Value {
    json!({ "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": nodes }] })
}

#[test]
fn edits_links_comments_and_transitions_in_one_put() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let key = jira.create(0, "Release");
        let outcome = put_with(
            &jira.source(),
            json!({
                "issue_file": "ticket/key", "comment": "Deployed by $BUILD_JOB_NAME", "transition": "close",
                "fields": { "labels": ["done-$BUILD_NAME"], "description": "new" }, "link": true,
                "transition_fields": { "resolution": { "name": "Done" } },
            }),
            &[("ticket/key", "OPS-1\n")],
        );
        outcome.succeeded();
        let version = json!({ "issue": key, "status": "Done", "changed": outcome.json()["version"]["changed"] });
        assert_eq!(outcome.json()["version"], version);
        assert_eq!(jira.status(&key), "Done");
        assert_eq!(jira.field(&key, "labels"), json!(["done-42"]));
        assert_eq!(jira.field(&key, "resolution"), json!({ "name": "Done" }));
        let (comment, description) = match edition {
            Edition::Cloud => (
                paragraph(json!([{ "type": "text", "text": "Deployed by build" }])),
                paragraph(json!([{ "type": "text", "text": "new" }])),
            ),
            Edition::DataCenter => (json!("Deployed by build"), json!("new")),
        };
        assert_eq!(jira.comments(&key), [comment]);
        assert_eq!(jira.field(&key, "description"), description);
        let page = "https://ci.example.com/teams/main/pipelines/delivery/jobs/build/builds/42";
        assert_eq!(
            jira.links(&key),
            [json!({
                "globalId": format!("system=concourse&id={page}"),
                "application": { "type": "org.concourse-ci", "name": "Concourse" },
                "relationship": "build",
                "object": { "url": page, "title": "delivery/build #42" },
            })]
        );
        assert_eq!(
            messages(&outcome),
            format!(
                "set `labels`, `description` of OPS-1\nlinked OPS-1 to {page}\ncommented on OPS-1\nmoved OPS-1 from `To Do` to `Done`\n"
            )
        );
        assert_eq!(
            metadata(&outcome),
            [
                ("key", "OPS-1"),
                ("summary", "Release"),
                ("status", "Done"),
                ("url", &format!("{}/browse/OPS-1", jira.url()))
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        // The get after a put.
        get(&jira.source(), &version, json!({}), scratch::directory().path()).succeeded();
    }
}

#[test]
fn returns_current_status_and_its_time() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let key = jira.create(0, "x");
        jira.move_to(10, &key, "Approved");
        let outcome = put(&jira.source(), json!({ "issue": key, "comment": "x" }));
        assert_eq!(outcome.json()["version"], json!({ "issue": key, "status": "Approved", "changed": at(10) }));
        // The changelog may be late.
        jira.changelog_lags();
        let outcome = put(&jira.source(), json!({ "issue": key, "comment": "x" }));
        assert_eq!(outcome.json()["version"]["status"], "Approved");
    }
}

#[test]
fn sends_comment_file_unchanged() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let key = jira.create(0, "x");
        let text = "see https://x.example/a.\n$BUILD_ID `id` $(id)";
        put_with(&jira.source(), json!({ "issue": key, "comment_file": "out/text" }), &[("out/text", text)])
            .succeeded();
        let link = json!({ "type": "link", "attrs": { "href": "https://x.example/a" } });
        let expected = match edition {
            Edition::Cloud => paragraph(json!([
                { "type": "text", "text": "see " },
                { "type": "text", "text": "https://x.example/a", "marks": [link] },
                { "type": "text", "text": "." },
                { "type": "hardBreak" },
                { "type": "text", "text": "$BUILD_ID `id` $(id)" },
            ])),
            Edition::DataCenter => json!(text),
        };
        assert_eq!(jira.comments(&key), [expected]);
    }
}

#[test]
fn adds_no_comment_for_an_empty_file() {
    let jira = Jira::start(Edition::Cloud);
    let key = jira.create(0, "x");
    put_with(&jira.source(), json!({ "issue": key, "comment_file": "out/text" }), &[("out/text", " \n")]).succeeded();
    assert_eq!(jira.comments(&key), Vec::<Value>::new());
}

mod link {
    use super::*;

    #[test]
    fn second_put_updates_the_link() {
        let jira = Jira::start(Edition::Cloud);
        let key = jira.create(0, "x");
        for title in ["one", "two $BUILD_ID"] {
            let link =
                json!({ "url": "https://app.example/$BUILD_NAME", "title": title, "relationship": "deployment" });
            put(&jira.source(), json!({ "issue": key, "link": link })).succeeded();
        }
        let links = jira.links(&key);
        assert_eq!(links.len(), 1);
        assert_eq!(links[0]["object"], json!({ "url": "https://app.example/42", "title": "two 4242" }));
        assert_eq!(links[0]["relationship"], "deployment");
    }

    #[test]
    fn long_url_gets_valid_id() {
        let jira = Jira::start(Edition::Cloud);
        let key = jira.create(0, "x");
        let url = format!("https://app.example/{}", "x".repeat(400));
        put(&jira.source(), json!({ "issue": key, "link": { "url": url } })).succeeded();
        assert!(jira.links(&key)[0]["globalId"].as_str().unwrap().len() < 100);
        assert_eq!(jira.links(&key)[0]["object"]["url"], json!(url));
    }

    #[test]
    fn requires_build_url() {
        let jira = Jira::start(Edition::Cloud);
        let key = jira.create(0, "x");
        let inputs = inputs(&[]);
        let step = put_step(&jira.source(), json!({ "issue": key, "link": true }), inputs.path());
        let outcome = step.without_env("BUILD_URL").without_env("ATC_EXTERNAL_URL").run();
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: the URL of the build is unknown\nhint: set the external URL of Concourse, or `link: {url: ...}`\n"
        );
        assert_eq!(jira.requests(), Vec::<String>::new());
    }

    #[test]
    fn is_retried() {
        let jira = Jira::start(Edition::Cloud);
        let key = jira.create(0, "x");
        jira.answer(1, "POST", "/remotelink", Response::text(502, ""));
        put(&jira.source(), json!({ "issue": key, "link": true })).succeeded();
        assert_eq!(jira.links(&key).len(), 1);
    }
}

mod transition {
    use super::*;

    #[test]
    fn is_found_by_name_number_and_target_status() {
        for edition in EDITIONS {
            for name in ["Close", "CLOSE", "41", "done", "$BUILD_TEAM_NAME"] {
                let jira = Jira::start(edition);
                let key = jira.create(0, "x");
                let inputs = inputs(&[]);
                let step = put_step(&jira.source(), json!({ "issue": key, "transition": name }), inputs.path());
                step.env("BUILD_TEAM_NAME", "Done").run().succeeded();
                assert_eq!(jira.status(&key), "Done", "{name}");
            }
        }
    }

    #[test]
    fn to_current_status_is_a_no_op() {
        let jira = Jira::start(Edition::Cloud);
        let key = jira.create_in(0, "x", "Done");
        let outcome = put(&jira.source(), json!({ "issue": key, "transition": "DONE" }));
        outcome.succeeded();
        assert_eq!(messages(&outcome), "OPS-1 is `Done` already\n");
        assert!(!jira.requests().iter().any(|request| request.contains("transitions")), "{:?}", jira.requests());
        // A transition to the current status sends no transition either.
        let to = json!({ "id": "10003", "name": "Done", "statusCategory": { "key": "done" } });
        let looped = json!({ "transitions": [{ "id": "51", "name": "Refresh", "to": to }] });
        jira.answer(1, "GET", "/transitions", from_jira(200, &looped));
        put(&jira.source(), json!({ "issue": key, "transition": "refresh" })).succeeded();
        assert!(!jira.requests().iter().any(|request| request.starts_with("POST") && request.contains("transitions")));
    }

    #[test]
    fn missing_transition_fails_before_any_change() {
        let jira = Jira::start(Edition::Cloud);
        let key = jira.create(0, "x");
        let params =
            json!({ "issue": key, "transition": "Released", "comment": "x", "link": true, "fields": { "labels": [] } });
        let outcome = put(&jira.source(), params.clone());
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: OPS-1 has no transition `Released` from `To Do`\n\
             hint: the possible transitions are `Ask for a review` (to `In Review`), `Approve` (to `Approved`), `Close` (to `Done`)\n"
        );
        assert!(jira.requests().iter().all(|request| request.starts_with("GET")), "{:?}", jira.requests());
        jira.answer(1, "GET", "/transitions", from_jira(200, &json!({ "transitions": [] })));
        let outcome = put(&jira.source(), params);
        assert!(
            messages(&outcome).ends_with("hint: the account may not make any transition from this status\n"),
            "{}",
            messages(&outcome)
        );
    }

    #[test]
    fn without_required_field_fails_with_jiras_message() {
        let jira = Jira::start(Edition::DataCenter);
        let key = jira.create(0, "x");
        jira.require_resolution();
        let outcome = put(&jira.source(), json!({ "issue": key, "transition": "Done", "comment": "x" }));
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "commented on OPS-1\nerror: cannot move OPS-1 from `To Do` to `Done`\n  \
             caused by: `POST http://127.0.0.1:[PORT]/jira/rest/api/2/issue/OPS-1/transitions` answered 400 Bad Request\n  \
             caused by: `resolution`: Resolution is required.\nhint: the comment was added; a second put would add it again\n"
        );
    }

    #[test]
    fn is_verified_after_a_lost_response() {
        for fault in [Fault::CutAfter, Fault::Stall] {
            let jira = Jira::start(Edition::Cloud);
            let key = jira.create(0, "x");
            let source = crate::support::with(jira.source(), json!({ "read_timeout": 1 }));
            // The issue and its transitions are read first.
            for _ in 0..2 {
                jira.fail_next(Fault::Slow(std::time::Duration::ZERO));
            }
            jira.fail_next(fault);
            put(&source, json!({ "issue": key, "transition": "Done" })).succeeded();
            assert_eq!(jira.status(&key), "Done");
        }
        let jira = Jira::start(Edition::Cloud);
        let key = jira.create(0, "x");
        jira.answer(1, "POST", "/transitions", Response::text(502, "bad gateway"));
        put(&jira.source(), json!({ "issue": key, "transition": "Done" })).failed();
        assert_eq!(jira.bodies("POST", "/transitions").len(), 1);
    }
}

#[test]
fn never_sends_comment_twice_after_a_lost_response() {
    for edition in EDITIONS {
        for status in [500, 502, 504] {
            let jira = Jira::start(edition);
            let key = jira.create(0, "x");
            jira.answer(1, "POST", "/comment", Response::text(status, "oops"));
            let outcome = put(&jira.source(), json!({ "issue": key, "comment": "x" }));
            outcome.failed();
            assert_eq!(jira.bodies("POST", "/comment").len(), 1);
            let hint = "hint: the comment may have been added; it is not sent again, to avoid a duplicate\n";
            assert!(messages(&outcome).ends_with(hint), "{}", messages(&outcome));
        }
        let jira = Jira::start(edition);
        let key = jira.create(0, "x");
        jira.answer(1, "POST", "/comment", jetway_tests::jira::rate_limited(1));
        put(&jira.source(), json!({ "issue": key, "comment": "x" })).succeeded();
        assert_eq!(jira.comments(&key).len(), 1);
    }
}

/// A proxy with a login page answers 200.
#[test]
fn fails_on_a_web_page_of_a_proxy() {
    let jira = Jira::start(Edition::Cloud);
    let key = jira.create(0, "x");
    let page = || Response::bytes(200, "text/html", "<!DOCTYPE html><html>Log in");
    for (method, part, params) in [
        ("POST", "/comment", json!({ "issue": key, "comment": "x" })),
        ("PUT", "/issue/", json!({ "issue": key, "fields": { "labels": [] } })),
        ("POST", "/remotelink", json!({ "issue": key, "link": true })),
        ("POST", "/transitions", json!({ "issue": key, "transition": "Done" })),
        ("POST", "/issue", json!({ "create": { "project": "OPS", "summary": "x" } })),
        ("GET", "/issue/", json!({ "issue": key, "comment": "x" })),
    ] {
        jira.answer(1, method, part, page());
        let outcome = put(&jira.source(), params);
        outcome.failed();
        let messages = messages(&outcome);
        assert!(messages.contains("caused by: the response does not come from Jira's API\n"), "{messages}");
        assert!(messages.contains("<!DOCTYPE html><html>Log in"), "{messages}");
        assert!(
            messages.ends_with(
                "hint: check that `url` is the URL of Jira, and that no proxy or login page answers instead\n"
            ),
            "{messages}"
        );
    }
    assert_eq!((jira.comments(&key).len(), jira.status(&key)), (0, "To Do".to_owned()));
}

#[test]
fn warns_when_issue_cannot_be_read_back() {
    let jira = Jira::start(Edition::Cloud);
    let key = jira.create(0, "x");
    jira.answer(1, "POST", "/changelog/bulkfetch", from_jira(403, &json!({ "errorMessages": ["no"], "errors": {} })));
    let outcome = put(&jira.source(), json!({ "issue": key, "transition": "Done" }));
    outcome.succeeded();
    assert_eq!(outcome.json()["version"]["status"], "Done");
    assert!(
        messages(&outcome).contains("warning: the put is complete, but the issue cannot be read back: "),
        "{}",
        messages(&outcome)
    );
}

#[test]
fn fails_when_issue_does_not_exist() {
    let jira = Jira::start(Edition::Cloud);
    let outcome = put(&jira.source(), json!({ "issue": "OPS-7", "comment": "x" }));
    outcome.failed();
    assert!(messages(&outcome).starts_with("error: cannot read the issue OPS-7\n"), "{}", messages(&outcome));
    assert_eq!(jira.requests().len(), 1);
}

#[test]
fn follows_moved_issue_to_its_new_key() {
    let jira = Jira::start(Edition::Cloud);
    let key = jira.create(0, "x");
    jira.rename(&key, "OPS-20");
    let outcome = put(&jira.source(), json!({ "issue": "10001", "comment": "x" }));
    assert_eq!(outcome.json()["version"]["issue"], "OPS-20");
}
