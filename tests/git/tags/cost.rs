use std::fmt::Write as _;
use std::slice;

use super::*;

fn five_thousand() -> (Repository, Vec<String>) {
    let (repository, commits) = history(&["one", "two", "three"]);
    let names = (0..5_000).map(|number| format!("{} refs/tags/v{number:04}", commits[number % 3]));
    let lines: String = names.map(|line| line + "\n").collect();
    let head = format!("# pack-refs with: peeled fully-peeled sorted \n{} refs/heads/main\n", commits[2]);
    fs::write(repository.path().join("packed-refs"), head + &lines).expect("write the tags");
    let _ = fs::remove_file(repository.path().join("refs/heads/main"));
    (repository, commits)
}

#[test]
fn unchanged_tags_cost_one_list_and_no_fetch() {
    let (repository, commits) = five_thousand();
    let (server, url) = serve(&repository);
    for more in [json!({}), json!({ "branch": "main" })] {
        let container = Container::new();
        let source = tags(&url, more);
        let newest = version("v4998", &commits[2]);
        let found = refs(&check_in(&container, &source, NONE));
        assert_eq!(found.len(), 1);
        server.reset();
        let found = check_in(&container, &source, json!({ "ref": found[0] }));
        assert_eq!(refs(&found).len(), 1, "{newest}");
        assert_eq!(server.requests().len(), 2, "the greeting and the list: {:?}", server.requests());
        // A hash, a name and the packet format.
        let list = 5_000 * "003d HASH refs/tags/v0000\n".len() as u64 + 5_000 * 36 + 1_024;
        assert!(server.bytes_sent() < list, "{} bytes", server.bytes_sent());
    }
}

#[test]
fn list_without_http_omits_other_refs() {
    let (repository, commits) = history(&["one"]);
    repository.tag("v1", &commits[0]);
    repository.git(&["update-ref", "refs/pull/1/head", &commits[0]]);
    for (source, expected) in [
        (tags(&repository.file_url(), json!({})), vec!["v1".to_owned()]),
        (crate::support::source(&repository.file_url()), commits.clone()),
        (tags(&repository.file_url(), json!({ "branch": "main" })), vec!["v1".to_owned()]),
    ] {
        let trace = scratch::directory();
        let file = trace.path().join("packets");
        let request = json!({ "source": source });
        let verb = Verb::check("git").request(&request);
        let outcome = verb.env("GIT_TRACE_PACKET", file.to_str().expect("UTF-8")).run();
        assert_eq!(refs(&outcome), expected);
        let packets = fs::read_to_string(&file).expect("read what git has sent and received");
        assert!(packets.contains("ls-refs") && !packets.contains("refs/pull/"), "{packets}");
    }
}

#[test]
fn filter_lists_only_tags_with_its_prefix() {
    let (repository, commits) = five_thousand();
    let (server, url) = serve(&repository);
    let source = tags(&url, json!({ "tag_filter": "v123?" }));
    assert_eq!(refs(&check(&source, version("v1230", &commits[0]))).first().map(String::as_str), Some("v1230"));
    assert!(server.bytes_sent() < 4_096, "{} bytes", server.bytes_sent());
}

#[test]
fn new_tag_is_fetched_without_files_or_history() {
    let mut messages = vec!["commit"; 60];
    messages.push("newest");
    let (repository, commits) = history(&messages);
    repository.tag("v1", &commits[59]);
    let (server, url) = serve(&repository);
    let container = Container::new();
    let source = tags(&url, json!({}));
    assert_eq!(refs(&check_in(&container, &source, NONE)), ["v1"]);
    assert!(server.bytes_sent() < 4_096, "{} bytes for one tag", server.bytes_sent());
    repository.annotated_tag("v2", &commits[60], "Release 2");
    server.reset();
    assert_eq!(refs(&check_in(&container, &source, version("v1", &commits[59]))), ["v1", "v2"]);
    assert!(server.bytes_sent() < 4_096, "{} bytes for one tag", server.bytes_sent());
}

#[test]
fn new_tags_on_a_branch_fetch_only_new_commits() {
    let (repository, commits) = history(&vec!["commit"; 200]);
    repository.tag("v1", &commits[199]);
    let (server, url) = serve(&repository);
    let container = Container::new();
    let source = tags(&url, json!({ "branch": "main" }));
    assert_eq!(refs(&check_in(&container, &source, NONE)), ["v1"]);
    let newest = repository.commit("newest", &[("x", "1")]);
    repository.annotated_tag("v2", &newest, "Release 2");
    server.reset();
    assert_eq!(refs(&check_in(&container, &source, version("v1", &commits[199]))), ["v1", "v2"]);
    assert!(server.bytes_sent() < 4_096, "{} bytes for one commit", server.bytes_sent());
}

/// The names and hashes are longer than the limit of an argument list (2 MiB). Each tag is on its own commit.
#[test]
fn many_tags_do_not_exceed_the_argument_limit() {
    const COUNT: usize = 40_000;
    let repository = Repository::new();
    let mut stream = String::new();
    for number in 1..=COUNT {
        let parent = if number > 1 { format!("from :{}\n", number - 1) } else { String::new() };
        let time = 1_500_000_000 + number;
        write!(
            stream,
            "commit refs/heads/main\nmark :{number}\ncommitter a <a@b> {time} +0000\ndata 1\nx\n{parent}\n\
             reset refs/tags/build-{number:06}\nfrom :{number}\n\n"
        )
        .expect("a string");
    }
    repository.fast_import(&stream);
    repository.git(&["pack-refs", "--all"]);
    let (_server, url) = serve(&repository);
    let source = tags(&url, json!({ "tag_filter": "build-*" }));
    let container = Container::new();
    let newest = format!("build-{COUNT:06}");
    for known in [NONE, version(&newest, &repository.resolve(&newest))] {
        assert_eq!(refs(&check_in(&container, &source, known)), slice::from_ref(&newest));
    }
    let older = format!("build-{:06}", COUNT - 1_000);
    let found = refs(&check(&source, version(&older, &repository.resolve(&older))));
    assert_eq!((found.len(), found.first(), found.last()), (1_001, Some(&older), Some(&newest)));
}
