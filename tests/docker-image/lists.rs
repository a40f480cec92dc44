//! Tag lists of registries and of proxies in front of them: a check reads the whole list, or fails.

use jetway_tests::registry::image::Image;
use jetway_tests::registry::memory::{Memory, error};
use jetway_tests::stand_in::{RecordedRequest, Response};
use jetway_tests::verb::Outcome;
use serde_json::json;

use crate::support::{check, messages, tags};

const LIST: &str = "/v2/team/app/tags/list";

/// A check of a registry whose tag lists come from `list`, and the number of list requests.
fn listed(list: impl Fn(&RecordedRequest) -> Response + Send + Sync + 'static) -> (Outcome, usize) {
    let registry = Memory::start();
    for tag in ["1.0.0", "2.0.0"] {
        registry.hold(&Image::named(tag), "team/app", tag);
    }
    registry.twist(move |request| request.path().ends_with("/tags/list").then(|| list(request)));
    let outcome = check("registry-image", &json!({ "repository": registry.repository("team/app") }), None);
    let lists =
        registry.server().recorded_requests().iter().filter(|request| request.path().ends_with("/tags/list")).count();
    (outcome, lists)
}

fn page(tags: &[&str]) -> Response {
    Response::json(200, &json!({ "name": "team/app", "tags": tags }))
}

fn two_pages(links: &'static [&'static str]) -> Outcome {
    let (outcome, lists) = listed(move |request| match request.query("last") {
        Some(_) => page(&["2.0.0"]),
        None => links.iter().fold(page(&["1.0.0"]), |answer, link| answer.with("Link", link)),
    });
    assert_eq!(lists, 2, "{}", outcome.stderr);
    outcome
}

/// RFC 8288: proxies add their own links, and some registries omit the relation.
#[test]
fn follows_the_next_page_among_several_links_and_without_a_relation() {
    for links in [
        &["</style.css>; rel=preload", "</v2/team/app/tags/list?n=1000&last=1.0.0>; rel=\"next\""][..],
        &["</style.css>; rel=preload, <?last=1.0.0>; rel=\"prev next\""],
        &["</v2/team/app/tags/list?n=1000&last=1.0.0>"],
    ] {
        assert_eq!(tags(&two_pages(links)), ["1.0.0", "2.0.0"], "{links:?}");
    }
}

/// sonatype/nexus-public#1011: the path in the link is wrong. Some proxies return an internal host.
#[test]
fn uses_only_the_query_of_a_link_to_another_url() {
    let elsewhere = &["<http://registry.internal:8081/v2/team/app/tags/list?last=1.0.0>; rel=\"next\""];
    assert_eq!(tags(&two_pages(elsewhere)), ["1.0.0", "2.0.0"]);
    let (outcome, _) = listed(|request| match (request.path() == LIST, request.query("last")) {
        (false, _) => Response::text(400, "not a docker request"),
        (true, Some(_)) => page(&["2.0.0"]),
        (true, None) => page(&["1.0.0"]).with("Link", &format!("</repository/x{LIST}?last=1.0.0>; rel=\"next\"")),
    });
    assert_eq!(tags(&outcome), ["1.0.0", "2.0.0"]);
}

#[test]
fn fails_when_a_page_is_missing() {
    let (outcome, _) = listed(|request| match request.query("last") {
        Some(_) => error(404, "NOT_FOUND"),
        None => page(&["1.0.0"]).with("Link", "<?last=1.0.0>; rel=next"),
    });
    outcome.failed();
    assert!(messages(&outcome).contains("last=1.0.0`, does not exist"), "{}", messages(&outcome));
}

/// Distribution's `maxpagesize`: the registry rejects a larger `n` with 400 `PAGINATION_NUMBER_INVALID`.
#[test]
fn requests_without_n_after_rejected_page_size() {
    for status in [400, 405, 422] {
        let (outcome, lists) = listed(move |request| match request.query("n") {
            Some(_) => error(status, "PAGINATION_NUMBER_INVALID"),
            None => page(&["1.0.0", "2.0.0"]),
        });
        assert_eq!((tags(&outcome).len(), lists), (2, 2), "{status}");
    }
}

#[test]
fn fails_on_endless_list() {
    let (outcome, lists) = listed(|_| page(&["1.0.0"]).with("Link", "<?last=1.0.0>; rel=next"));
    outcome.failed();
    assert!(messages(&outcome).contains("the list of tags does not end"), "{}", messages(&outcome));
    assert_eq!(lists, 2);
    // A new URL each time, but no new tags.
    let (outcome, lists) = listed(|request| {
        let last: usize = request.query("last").and_then(|last| last.parse().ok()).unwrap_or_default();
        page(&["1.0.0"]).with("Link", &format!("<?last={}>; rel=next", last + 1))
    });
    outcome.failed();
    assert!(lists < 15, "{lists}");
}
