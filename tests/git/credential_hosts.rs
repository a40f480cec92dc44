//! `credential_hosts`: the servers that get the source's login.

use jetway_tests::http_git::HttpGit;
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{messages, request, source, with};

/// A repository with a submodule on another server. Both servers require the same login.
struct Servers {
    own: HttpGit,
    other: HttpGit,
    source: Value,
    commit: String,
    _repositories: [Repository; 2],
}

impl Servers {
    fn start() -> Self {
        let guarded =
            |repository: &Repository| HttpGit::builder(repository.root()).credentials("bob", "s3cret-pw").start();
        let library = Repository::named("library");
        let library_commit = library.commit("library", &[("l", "1")]);
        let other = guarded(&library);
        let application = Repository::named("application");
        let modules = format!("[submodule \"library\"]\n\tpath = library\n\turl = {}\n", other.url(library.name()));
        let change = application.change("use it").write(".gitmodules", &modules);
        let commit = change.submodule("library", &library_commit).commit();
        let own = guarded(&application);
        let login = json!({ "username": "bob", "password": "s3cret-pw" });
        let source = with(source(&own.url(application.name())), login);
        Self { own, other, source, commit, _repositories: [library, application] }
    }
}

fn get(source: &Value, commit: &str) -> Outcome {
    let destination = scratch::directory();
    Verb::get("git").dir(destination.path()).request(&request(source, Some(commit), &json!({}))).run()
}

#[test]
fn login_is_sent_only_to_listed_hosts() {
    let servers = Servers::start();
    let Servers { source, commit, .. } = &servers;
    let of = |hosts: Value| get(&with(source.clone(), json!({ "credential_hosts": hosts })), commit);
    let outcome = get(source, commit);
    outcome.failed();
    assert!(messages(&outcome).contains("library"), "{}", messages(&outcome));
    of(json!(["127.0.0.1"])).succeeded();
    let (own, other) = (format!("127.0.0.1:{}", servers.own.port()), format!("127.0.0.1:{}", servers.other.port()));
    of(json!([own, other])).succeeded();
    of(json!([own])).failed();
    for hosts in [json!([other]), json!(["git.example"])] {
        let outcome = of(hosts);
        outcome.failed();
        assert!(!outcome.stderr.contains("s3cret-pw"));
    }
    let outcome = of(json!(["git.example"]));
    let warning =
        "warning: `credential_hosts` does not include `127.0.0.1`, the host of `uri`: that host gets no credentials\n";
    assert!(messages(&outcome).starts_with(warning), "{}", messages(&outcome));
}
