//! check of many tags: by pattern, and by semantic version.

use jetway_tests::registry::Registry;
use jetway_tests::registry::image::{Image, MANIFEST};
use serde_json::{Value, json};

use crate::support::{check, messages, source, tags};

const PATH: &str = "team/app";

/// A registry with tags: `1.0 1.0.0=a` are two tags of the image `a`; a tag without `=` has its own image.
fn filled(spec: &str) -> Registry {
    let registry = Registry::start();
    push(&registry, spec);
    registry
}

fn push(registry: &Registry, spec: &str) {
    for word in spec.split_whitespace() {
        let (tag, name) = word.split_once('=').unwrap_or((word, word));
        Image::named(name).push(registry.client(), PATH, tag);
    }
}

fn digest(name: &str) -> String {
    Image::named(name).manifest.digest
}

/// The tags that a check with these keys returns.
#[track_caller]
fn found(spec: &str, keys: Value) -> String {
    let registry = filled(spec);
    tags(&check("registry-image", &source(&registry, PATH, keys), None)).join(" ")
}

/// The same with a known version: its tag and its image.
#[track_caller]
fn found_since(spec: &str, keys: Value, tag: &str, name: &str) -> String {
    let registry = filled(spec);
    let known = json!({ "tag": tag, "digest": digest(name) });
    tags(&check("registry-image", &source(&registry, PATH, keys), Some(&known))).join(" ")
}

mod by_version {
    use super::*;

    #[test]
    fn sorts_tags_as_semantic_versions() {
        for (spec, keys, expected) in [
            ("latest", json!({}), "latest"),
            ("edge 1.0.0 x-1", json!({}), "1.0.0"),
            ("1.10.0 1.9.0 v1.2 2", json!({}), "v1.2 1.9.0 1.10.0 2"),
            ("1.0.0 1.1.0 1.2.0 2.0.0", json!({ "semver_constraint": "1.x" }), "1.0.0 1.1.0 1.2.0"),
            ("1.0.0 1.1.0 latest", json!({ "semver_constraint": "~1.1" }), "1.1.0"),
            ("2024.01.05 2023.12.31", json!({}), "2023.12.31 2024.01.05"),
        ] {
            assert_eq!(found(spec, keys.clone()), expected, "{spec} {keys}");
        }
    }

    #[test]
    fn returns_pre_releases_only_if_requested() {
        let spec = "1.0.0 1.1.0-rc.9 1.1.0-rc.10 1.1.0-alpha 1.1.0-beta1 1.1.0-dev.1 1.1.0-rc.1-slim 1.0.0-alpine";
        for (keys, expected) in [
            (json!({}), "1.0.0"),
            (json!({ "pre_releases": true }), "1.0.0 1.1.0-alpha 1.1.0-beta1 1.1.0-rc.9 1.1.0-rc.10"),
            (
                json!({ "pre_releases": true, "pre_release_prefixes": ["dev"] }),
                "1.0.0 1.1.0-alpha 1.1.0-beta1 1.1.0-dev.1 1.1.0-rc.9 1.1.0-rc.10 1.1.0-rc.1-slim",
            ),
            // As in the established resource: a constraint and `pre_releases` both include pre-releases.
            (json!({ "semver_constraint": ">=1.1.0-beta" }), ""),
            (
                json!({ "semver_constraint": ">=1.1.0-beta", "pre_releases": true }),
                "1.1.0-beta1 1.1.0-rc.9 1.1.0-rc.10",
            ),
            (json!({ "semver_constraint": ">=1.1", "pre_releases": true }), ""),
        ] {
            assert_eq!(found(spec, keys.clone()), expected, "{keys}");
        }
    }

    #[test]
    fn returns_one_tag_for_an_image_with_several() {
        assert_eq!(found("1=a 1.2=a 1.2.3=a 1.2.3-rc.1=a", json!({ "pre_releases": true })), "1.2.3");
        assert_eq!(found("1.2.3-rc.1=a 1.2=a", json!({ "pre_releases": true })), "1.2");
        assert_eq!(found("1.0=a 1.0.0=b", json!({})), "1.0 1.0.0");
    }

    #[test]
    fn returns_tag_without_version() {
        assert_eq!(found("1.0.0 1.1.0 latest", json!({})), "1.0.0 1.1.0 latest");
        assert_eq!(found("1.0.0=a 1.1.0=b latest=b", json!({})), "1.0.0 1.1.0");
        assert_eq!(found("1.0.0=a 1.1.0=b latest=a", json!({})), "1.0.0 1.1.0");
        assert_eq!(found("1.0.0 1.0.0-alp alp latest", json!({ "variant": "alp" })), "1.0.0-alp alp");
        assert_eq!(found("1.0.0-alp=a alp=a latest", json!({ "variant": "alp" })), "1.0.0-alp");
    }

    #[test]
    fn variant_is_the_suffix_of_a_tag() {
        let spec = "1.2.3 1.2.3-foo 1.3.0-foo 1.4.0-bar 1.3.1-rc.1-foo 1.5.0-barfoo";
        assert_eq!(found(spec, json!({ "variant": "foo" })), "1.2.3-foo 1.3.0-foo");
        assert_eq!(
            found(spec, json!({ "variant": "foo", "pre_releases": true })),
            "1.2.3-foo 1.3.0-foo 1.3.1-rc.1-foo"
        );
    }

    #[test]
    fn omits_versions_older_than_the_known_one() {
        let spec = "1.0.0 1.1.0 1.2.0 2.0.0-rc.1 1.1";
        assert_eq!(found_since(spec, json!({}), "1.1.0", "1.1.0"), "1.1.0 1.2.0");
        // If its tag has moved, is deleted or does not match, the check returns all tags.
        assert_eq!(found_since(spec, json!({}), "1.1.0", "other"), "1.0.0 1.1 1.1.0 1.2.0");
        assert_eq!(found_since(spec, json!({}), "1.0.5", "1.1.0"), "1.0.0 1.1 1.1.0 1.2.0");
        assert_eq!(found_since("1.0.0 latest", json!({}), "latest", "latest"), "1.0.0 latest");
    }

    #[test]
    fn sends_one_head_for_each_candidate_tag() {
        let registry = filled("1.0.0");
        // Two hundred tags of one manifest take two hundred requests.
        let manifest = Image::named("1.0.0").manifest;
        for minor in 1..=200 {
            registry.client().put_manifest(PATH, &format!("1.{minor}.0"), MANIFEST, &manifest.bytes);
        }
        let before = registry.requests().len();
        let keys = json!({ "semver_constraint": ">=1.100" });
        let known = json!({ "tag": "1.191.0", "digest": manifest.digest });
        let outcome = check("registry-image", &source(&registry, PATH, keys), Some(&known));
        assert_eq!(tags(&outcome).len(), 1);
        let requests = registry.requests().split_off(before);
        let heads = requests.iter().filter(|line| line.starts_with("HEAD ")).count();
        assert_eq!((heads, requests.len()), (10, 11), "{requests:?}");
    }

    #[test]
    fn unknown_repository_fails() {
        let outcome = check("registry-image", &source(&Registry::start(), "no/such", json!({})), None);
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: `localhost:[PORT]` has no repository `no/such`\n\
             hint: the registry may also hide a repository that these credentials cannot read\n"
        );
    }

    #[test]
    fn docker_image_follows_versions() {
        let registry = filled("1.0.0 1.1.0 2.0.0");
        let keys = json!({ "semver_constraint": "1.x" });
        let answer = check("docker-image", &source(&registry, PATH, keys), None).json();
        assert_eq!(answer, json!([{ "digest": digest("1.0.0") }, { "digest": digest("1.1.0") }]));
    }
}

mod by_pattern {
    use super::*;

    /// An image with this creation time.
    fn made(registry: &Registry, tag: &str, created: &str) {
        let config = json!({ "architecture": "amd64", "os": "linux", "created": created, "config": { "Labels": { "tag": tag } } });
        Image::new(&config, Vec::new()).push(registry.client(), PATH, tag);
    }

    /// A tag list in this order, which the registry itself does not return.
    #[track_caller]
    fn found(spec: &str, keys: Value) -> String {
        let found = super::found(spec, keys);
        let mut tags: Vec<&str> = found.split(' ').collect();
        tags.sort_unstable();
        tags.join(" ")
    }

    #[test]
    fn returns_all_matching_tags() {
        let spec = "b-2 a-1 c-3 1.0.0";
        assert_eq!(found(spec, json!({ "tag_regex": "-[0-9]$" })), "a-1 b-2 c-3");
        assert_eq!(found(spec, json!({ "tag_regex": "(?i)^[AB]" })), "a-1 b-2");
        // The most common form.
        assert_eq!(found(spec, json!({ "tag_regex": r"^\d+\.\d+\.\d+$" })), "1.0.0");
        assert_eq!(found(spec, json!({ "tag_regex": r"\b\w-\d\b" })), "a-1 b-2 c-3");
        assert_eq!(found(spec, json!({ "tag_regex": "nothing" })), "");
        assert_eq!(found(spec, json!({ "tag_regex": "^a", "semver_constraint": "1.x" })), "a-1");
        assert_eq!(found_since(spec, json!({ "tag_regex": "^b" }), "b-2", "b-2"), "b-2");
    }

    #[test]
    fn sorts_tags_by_the_match_of_a_named_group() {
        let spec = "main-9-beef main-10-cafe main-101-0a1b 1.10.0-x 1.9.0-x latest";
        for (keys, expected) in [
            // Numbers are valid versions.
            (
                json!({ "tag_regex": "^main-(?P<build>[0-9]+)-[0-9a-f]+$", "sort": "semver" }),
                "main-9-beef main-10-cafe main-101-0a1b",
            ),
            (
                json!({ "tag_regex": "^main-(?P<build>[0-9]+)-", "sort": "text" }),
                "main-10-cafe main-101-0a1b main-9-beef",
            ),
            (
                json!({ "tag_regex": "^main-[0-9]+-(?P<commit>.*)$", "sort": "text" }),
                "main-101-0a1b main-9-beef main-10-cafe",
            ),
            (json!({ "tag_regex": "^(?P<version>.*)-x$", "sort": "semver" }), "1.9.0-x 1.10.0-x"),
            (json!({ "tag_regex": "^(?P<version>.*)-x$", "sort": "semver", "semver_constraint": "~1.9" }), "1.9.0-x"),
            // A tag without a match is ignored.
            (json!({ "tag_regex": "^latest$|^(?P<version>.*)-x$", "sort": "semver" }), "1.9.0-x 1.10.0-x"),
            // Without a group, the whole tag is the key.
            (json!({ "tag_regex": ".", "sort": "semver" }), "1.9.0-x 1.10.0-x"),
            (json!({ "tag_regex": "^(main-1|l)", "sort": "text" }), "latest main-10-cafe main-101-0a1b"),
        ] {
            assert_eq!(super::found(spec, keys.clone()), expected, "{keys}");
        }
        let keys = json!({ "tag_regex": "^main-(?P<build>[0-9]+)-", "sort": "semver" });
        assert_eq!(found_since(spec, keys.clone(), "main-10-cafe", "main-10-cafe"), "main-10-cafe main-101-0a1b");
        // If the known tag has moved or is deleted, the check returns all matching tags.
        assert_eq!(found_since(spec, keys.clone(), "main-10-cafe", "other"), "main-9-beef main-10-cafe main-101-0a1b");
        assert_eq!(found_since(spec, keys, "main-11-cafe", "x"), "main-9-beef main-10-cafe main-101-0a1b");
    }

    #[test]
    fn rejects_invalid_sort() {
        let registry = Registry::start();
        for (keys, problem) in [
            (json!({ "sort": "semver" }), "`source.sort`: requires `tag_regex`"),
            (
                json!({ "tag_regex": "(?P<a>.)(?P<b>.)", "sort": "text" }),
                "`source.sort`: `tag_regex` has several named groups; tags can be sorted by only one",
            ),
            (
                json!({ "tag_regex": ".", "sort": "text", "created_at_sort": true }),
                "`source.sort`: excludes `created_at_sort`: both keys set the order",
            ),
            (json!({ "tag_regex": ".", "sort": "age" }), "`source.sort`: expected `created`, `semver` or `text`"),
        ] {
            let outcome = check("registry-image", &source(&registry, PATH, keys), None);
            outcome.failed();
            assert!(messages(&outcome).contains(problem), "{}", messages(&outcome));
        }
        assert_eq!(registry.requests().len(), 0);
    }

    #[test]
    fn sorts_tags_by_creation_time() {
        let registry = Registry::start();
        made(&registry, "a", "2024-03-01T00:00:00Z");
        made(&registry, "b", "2024-01-01T12:00:00.5+02:00");
        made(&registry, "c", "2024-02-01T00:00:00Z");
        for keys in [json!({ "created_at_sort": true }), json!({ "sort": "created" })] {
            let mut keys = keys;
            keys["tag_regex"] = json!(".");
            assert_eq!(tags(&check("registry-image", &source(&registry, PATH, keys), None)), ["b", "c", "a"]);
        }
    }
}

mod cost {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use jetway_tests::stand_in::{Response, StandIn};

    use super::*;

    /// The tags of the HEAD requests, in order.
    fn heads(requests: &[String]) -> Vec<String> {
        let tag = |request: &String| {
            let rest = request.strip_prefix("HEAD /v2/team/app/manifests/")?;
            rest.split(' ').next().map(str::to_owned)
        };
        let mut tags: Vec<String> = requests.iter().filter_map(tag).collect();
        tags.sort();
        tags
    }

    #[test]
    fn requests_only_returned_tags_of_five_hundred() {
        let registry = Registry::start();
        let client = registry.client();
        let base = Image::named("x");
        client.put_blob(PATH, &base.config);
        let mut manifest: Value = serde_json::from_slice(&base.manifest.bytes).unwrap();
        // 0.0.0 to 9.9.4, each with its own image.
        let tags: Vec<String> =
            (0..500).map(|number| format!("{}.{}.{}", number / 50, number / 5 % 10, number % 5)).collect();
        for tag in &tags {
            manifest["annotations"] = json!({ "tag": tag });
            client.put_manifest(PATH, tag, MANIFEST, manifest.to_string().as_bytes());
        }
        let run = |keys: Value, version: Option<&Value>| {
            let before = registry.requests().len();
            let outcome = check("registry-image", &source(&registry, PATH, keys), version);
            let answer = outcome.json();
            let mut told = super::tags(&outcome);
            told.sort();
            let requests = registry.requests().split_off(before);
            assert_eq!(heads(&requests), told, "one HEAD for each tag that is told of, and none for another");
            assert_eq!(requests.len(), told.len() + 1, "and the list: {requests:?}");
            answer.as_array().unwrap().clone()
        };
        let all = run(json!({}), None);
        assert_eq!(all.len(), 500);
        let ordered: Vec<&str> = all.iter().map(|version| version["tag"].as_str().unwrap()).collect();
        assert_eq!(ordered, tags.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(run(json!({ "semver_constraint": "~3.1" }), None).len(), 5);
        assert_eq!(run(json!({ "tag_regex": "^4\\." }), None).len(), 50);
        // Within the limits, and from the known version on, in any order.
        let by_group = json!({ "tag_regex": "^(?P<version>[0-8].*)$", "sort": "semver", "semver_constraint": ">=8.9" });
        let some = run(by_group.clone(), None);
        assert_eq!(some.len(), 5);
        assert_eq!(run(by_group, Some(&some[3])).len(), 2);
        assert_eq!(run(json!({ "tag_regex": "^9", "sort": "text" }), Some(&all[490])).len(), 10);
        // The known version and newer tags.
        assert_eq!(run(json!({}), Some(&all[490])).len(), 10);
        assert_eq!(run(json!({ "semver_constraint": "<9.9.3" }), Some(&all[490])).len(), 8);
    }

    #[test]
    fn reads_pages_and_requests_tags_concurrently_within_limit() {
        const PAGES: usize = 5;
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let highest = Arc::clone(&most);
        let server = StandIn::start(move |request| {
            if request.path().ends_with("/tags/list") {
                let page: usize = request.query("last").map_or(0, |last| last.parse().unwrap());
                let tags: Vec<String> = (0..8).map(|patch| format!("1.{page}.{patch}")).collect();
                let answer = Response::json(200, &json!({ "name": PATH, "tags": tags }));
                let link = format!("</v2/team/app/tags/list?last={}&n=8>; rel=\"next\"", page + 1);
                return if page + 1 < PAGES { answer.with("Link", &link) } else { answer };
            }
            highest.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Long enough for the other concurrent requests to arrive.
            std::thread::sleep(Duration::from_millis(50));
            now.fetch_sub(1, Ordering::SeqCst);
            let digest = digest(request.path());
            Response::text(200, "").with("Docker-Content-Digest", &digest)
        });
        let host = server.url().replace("http://", "");
        let outcome = check("registry-image", &json!({ "repository": format!("{host}/team/app") }), None);
        assert_eq!(tags(&outcome).len(), PAGES * 8);
        assert_eq!((tags(&outcome)[0].as_str(), tags(&outcome)[39].as_str()), ("1.0.0", "1.4.7"));
        let lists =
            server.recorded_requests().into_iter().filter(|request| request.path().ends_with("/tags/list")).count();
        assert_eq!(lists, PAGES);
        let most = most.load(Ordering::SeqCst);
        assert!((2..=8).contains(&most), "{most} at once");
    }

    #[test]
    fn fails_on_next_page_elsewhere_or_loop() {
        let other = StandIn::start(|_| Response::json(200, &json!({ "tags": ["2.0.0"] })));
        let page = |link: String| {
            StandIn::start(move |request| {
                if !request.path().ends_with("/tags/list") {
                    return Response::text(404, "");
                }
                Response::json(200, &json!({ "tags": ["1.0.0"] })).with("Link", &format!("<{link}>; rel=\"next\""))
            })
        };
        for (link, says) in [
            (format!("{}/v2/team/app/tags/list", other.url()), "refusing to read the next page from another server"),
            (
                "https://registry.example/v2/team/app/tags/list".to_owned(),
                "refusing to read the next page from another server",
            ),
            ("?n=1000".to_owned(), "the list of tags does not end: its next page was already read"),
        ] {
            let server = page(link);
            let host = server.url().replace("http://", "");
            let source =
                json!({ "repository": format!("{host}/team/app"), "username": "u", "password": "p4ssw0rd-of-u" });
            let outcome = check("registry-image", &source, None);
            outcome.failed();
            assert!(messages(&outcome).contains(says), "{}", messages(&outcome));
        }
        assert_eq!(other.recorded_requests(), []);
    }
}
