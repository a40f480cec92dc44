//! Servers with fewer features than git, or without the whole history: verbs fall back or fail in time.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jetway_tests::checkout::Checkout;
use jetway_tests::http_git::Fault;
use jetway_tests::repository::Repository;
use jetway_tests::stand_in::{Response, StandIn};
use jetway_tests::verb::{Container, Outcome, Verb};
use jetway_tests::{git, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{check, check_in, history, messages, refs, request, serve, source, with};

fn get(source: &Value, version: &str, params: &Value) -> (TempDir, Outcome) {
    let destination = scratch::directory();
    let outcome = Verb::get("git").dir(destination.path()).request(&request(source, Some(version), params)).run();
    (destination, outcome)
}

/// Asserts that a get of the version with these params checks out that commit.
#[track_caller]
fn assert_get_checks_out(source: &Value, version: &str, params: &Value) -> TempDir {
    let (destination, outcome) = get(source, version, params);
    outcome.succeeded();
    assert_eq!(git::run(destination.path(), &["rev-parse", "HEAD"]).trim(), version);
    destination
}

mod dumb_http {
    use super::*;

    /// Serves the repository as plain files (gitprotocol-http(5), "Dumb Clients"): `info/refs` is text, and no media
    /// type begins with `application/x-git-`. A missing file is a 404 ("General Request Processing").
    fn serve_files(repository: &Repository) -> (StandIn, String) {
        repository.git(&["repack", "-adq"]);
        repository.git(&["update-server-info"]);
        let root: PathBuf = repository.root().to_owned();
        let server = StandIn::start(move |request| {
            let path = request.path().trim_start_matches('/');
            let path = path.split('?').next().unwrap_or_default();
            match fs::read(root.join(path)) {
                Ok(content) if path.ends_with("/info/refs") => {
                    Response::bytes(200, "text/plain; charset=utf-8", content)
                }
                Ok(content) => Response::bytes(200, "application/octet-stream", content),
                Err(_) => Response::text(404, "not found"),
            }
        });
        let url = format!("{}/{}", server.url(), repository.name());
        (server, url)
    }

    #[test]
    fn check_reads_commits_by_hash_message_and_path() {
        let (repository, commits) = history(&["one", "two", "three [ci skip]"]);
        repository.tag("v1", &commits[1]);
        let (server, url) = serve_files(&repository);
        assert_eq!(refs(&check(&source(&url), None)), [commits[1].clone()]);
        assert_eq!(refs(&check(&source(&url), Some(&commits[0]))), commits[..2]);
        let by_path = with(source(&url), json!({ "paths": ["file-0"], "version_depth": 5 }));
        assert_eq!(refs(&check(&by_path, None)), [commits[0].clone()]);
        for more in [json!({}), json!({ "branch": "main" }), json!({ "paths": ["file-1"] })] {
            assert_eq!(refs(&check(&with(json!({ "uri": url, "tag_filter": "v*" }), more), None)), ["v1"]);
        }
        assert!(server.recorded_requests().len() < 200, "{} requests", server.recorded_requests().len());
    }

    #[test]
    fn check_continues_if_the_version_is_gone() {
        let (repository, commits) = history(&["one", "two"]);
        let (_server, url) = serve_files(&repository);
        let outcome = check(&source(&url), Some(&"1".repeat(40)));
        assert_eq!(refs(&outcome), commits[1..]);
        assert!(messages(&outcome).contains("is gone from the server"), "{}", messages(&outcome));
    }

    #[test]
    fn get_with_a_depth_fetches_the_whole_history() {
        let (repository, commits) = history(&["one", "two", "three"]);
        repository.tag("v1", &commits[0]);
        let (_server, url) = serve_files(&repository);
        for params in [json!({}), json!({ "depth": 1 }), json!({ "depth": 1, "fetch_tags": true })] {
            let destination = assert_get_checks_out(&source(&url), &commits[1], &params);
            assert_eq!(git::run(destination.path(), &["rev-list", "--count", "HEAD"]).trim(), "2");
        }
        let (_destination, outcome) = get(&source(&url), &commits[1], &json!({ "depth": 1 }));
        assert!(messages(&outcome).contains("the server does not support shallow fetches"), "{}", messages(&outcome));
    }
}

mod shallow_mirror {
    use super::*;

    /// A repository with the newest three commits of `commits`, created by `git clone --depth`.
    fn mirror(repository: &Repository) -> (TempDir, String) {
        let directory = scratch::directory();
        let path = directory.path().join("mirror.git");
        let to = path.to_str().expect("UTF-8");
        git::run(directory.path(), &["clone", "-q", "--bare", "--depth", "3", &repository.file_url(), to]);
        let url = format!("file://{to}");
        (directory, url)
    }

    #[test]
    fn check_returns_the_commits_of_the_mirror() {
        let (repository, commits) = history(&["one", "two", "three", "four", "five", "six"]);
        let (_directory, url) = mirror(&repository);
        let source = source(&url);
        assert_eq!(refs(&check(&source, None)), commits[5..]);
        assert_eq!(refs(&check(&with(source.clone(), json!({ "version_depth": 9 })), None)), commits[3..]);
        let by_path = with(source.clone(), json!({ "paths": ["file-4", "file-5"] }));
        let container = Container::new();
        for _ in 0..2 {
            assert_eq!(refs(&check_in(&container, &source, Some(&commits[3]))), commits[3..]);
            assert_eq!(refs(&check_in(&container, &by_path, Some(&commits[4]))), commits[4..]);
        }
        assert_eq!(refs(&check(&with(source, json!({ "paths": ["no-such-file"] })), None)), Vec::<String>::new());
    }

    #[test]
    fn check_restarts_if_the_version_is_beyond_the_boundary() {
        let (repository, commits) = history(&["one", "two", "three", "four", "five", "six"]);
        let (_directory, url) = mirror(&repository);
        assert_eq!(refs(&check(&source(&url), Some(&commits[1]))), commits[5..]);
    }

    #[test]
    fn check_returns_nothing_if_all_commits_are_skipped() {
        let (repository, _) = history(&["one", "two", "three [ci skip]", "four [ci skip]", "five [ci skip]"]);
        let (_directory, url) = mirror(&repository);
        assert_eq!(refs(&check(&source(&url), None)), Vec::<String>::new());
    }

    #[test]
    fn get_and_put_work_at_any_depth() {
        let (repository, commits) = history(&["one", "two", "three", "four", "five", "six"]);
        let (directory, url) = mirror(&repository);
        for params in [json!({}), json!({ "depth": 1 }), json!({ "depth": 10 })] {
            assert_get_checks_out(&source(&url), &commits[4], &params);
        }
        let inputs = scratch::directory();
        let checkout = Checkout::clone(&url, inputs.path(), "work");
        let commit = checkout.commit("seven", &[("x", "7")]);
        let params = json!({ "repository": "work", "rebase": true });
        Verb::put("git").dir(inputs.path()).request(&request(&source(&url), None, &params)).run().succeeded();
        assert_eq!(git::run(&directory.path().join("mirror.git"), &["rev-parse", "main"]).trim(), commit);
    }
}

#[test]
fn check_falls_back_if_the_server_refuses_a_filter() {
    let (repository, commits) = history(&["one", "two", "three"]);
    repository.tag("v1", &commits[1]);
    // git-config(1), "uploadpackfilter": hosting services allow only some filters.
    for allowed in [
        &[("allow", "false")][..],
        &[("allow", "false"), ("blob:none.allow", "true")],
        &[("blob:none.allow", "false")],
        &[("tree.allow", "false")],
        &[("tree.maxDepth", "0")],
    ] {
        let copy = repository.bare_clone();
        for (key, value) in allowed {
            copy.configure(&format!("uploadpackfilter.{key}"), value);
        }
        let source = source(&copy.file_url());
        let by_path = with(source.clone(), json!({ "paths": ["file-0", "file-2"] }));
        let by_tag = json!({ "uri": copy.file_url(), "tag_filter": "v*" });
        let container = Container::new();
        for _ in 0..2 {
            assert_eq!(refs(&check_in(&container, &source, Some(&commits[0]))), commits, "{allowed:?}");
            let expected = [commits[0].clone(), commits[2].clone()];
            assert_eq!(refs(&check_in(&container, &by_path, Some(&commits[0]))), expected, "{allowed:?}");
            assert_eq!(refs(&check_in(&container, &by_tag, None)), ["v1"], "{allowed:?}");
        }
    }
}

#[test]
fn check_and_get_work_without_filters_and_protocol_version_2() {
    let (repository, commits) = history(&["one", "two", "three"]);
    repository.tag("v1", &commits[1]);
    repository.allow_filters(false);
    let (_server, url) = serve(&repository);
    for version in ["0", "1", "2"] {
        let source = with(
            source(&url),
            json!({ "git_config": [{ "name": "protocol.version", "value": version }], "disable_ci_skip": true }),
        );
        assert_eq!(refs(&check(&source, None)), commits[2..]);
        assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
        let by_path = with(source.clone(), json!({ "paths": ["file-1"] }));
        assert_eq!(refs(&check(&by_path, Some(&commits[0]))), commits[..2]);
        assert_eq!(refs(&check(&with(source.clone(), json!({ "tag_filter": "v*" })), None)), ["v1"]);
        for params in [json!({}), json!({ "depth": 1 })] {
            let destination = assert_get_checks_out(&source, &commits[2], &params);
            let head = git::run(destination.path(), &["symbolic-ref", "refs/remotes/origin/HEAD"]);
            assert_eq!(head.trim(), "refs/remotes/origin/main", "{version} {params}");
        }
    }
}

#[test]
fn check_fails_if_the_server_closes_after_its_greeting() {
    let (repository, commits) = history(&["one", "two"]);
    let (server, url) = serve(&repository);
    server.fail_always("/git-upload-pack", Fault::CutAfter { bytes: 0 });
    let started = Instant::now();
    let outcome = check(&source(&url), Some(&commits[0]));
    outcome.failed();
    assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
    assert!(server.requests().len() < 40, "{} requests", server.requests().len());
}
