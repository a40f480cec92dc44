//! git-lfs files: downloads in a get, uploads in a put, and the hosts that get the password.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::checkout::Checkout;
use jetway_tests::http_git::{Fault, HttpGit};
use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::ssh_git::{SshGit, key_pair};
use jetway_tests::verb::{Outcome, Runner, Verb};
use jetway_tests::{git, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{messages, request, source, with};

const ATTRIBUTES: (&str, &str) = (".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");

/// A repository with `a/one.bin` and `b/two.bin` in git-lfs, and their objects on the server.
struct Large {
    repository: Repository,
    commit: String,
}

impl Large {
    fn new() -> Self {
        Self::with_files(&[("a/one.bin", "one, large\n"), ("b/two.bin", "two, large\n")])
    }

    fn with_files(files: &[(&str, &str)]) -> Self {
        let repository = Repository::new();
        repository.commit("begin", &[("README.md", "hello\n")]);
        let work = scratch::directory();
        let checkout = Checkout::clone(&repository.file_url(), work.path(), "app");
        checkout.git(&["lfs", "install", "--local"]);
        let commit = checkout.commit("large", &[&[ATTRIBUTES], files].concat());
        checkout.git(&["push", "-q", "origin", "main"]);
        assert!(repository.path().join("lfs/objects").is_dir(), "git-lfs pushed no object");
        Self { repository, commit }
    }

    fn server(&self) -> (HttpGit, String) {
        let server = HttpGit::builder(self.repository.root()).credentials("bob", "s3cret-pw").start();
        let url = server.url(self.repository.name());
        (server, url)
    }
}

fn logged_in(uri: &str) -> Value {
    with(source(uri), json!({ "username": "bob", "password": "s3cret-pw" }))
}

fn get(source: &Value, commit: &str, params: Value) -> (TempDir, Outcome) {
    let destination = scratch::directory();
    let request = request(source, Some(commit), &params);
    let outcome = Verb::get("git").dir(destination.path()).request(&request).run();
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
    assert!(!outcome.stderr.contains("s3cret-pw"), "{}", outcome.stderr);
    (destination, outcome)
}

fn read(destination: &TempDir, file: &str) -> String {
    fs::read_to_string(destination.path().join(file)).unwrap_or_else(|error| panic!("read {file}: {error}"))
}

fn is_pointer(text: &str) -> bool {
    text.starts_with("version https://git-lfs.github.com/spec/v1\n")
}

/// How many objects were downloaded.
fn fetched(server: &HttpGit) -> usize {
    server.requests_to("/info/lfs/storage/").iter().filter(|seen| seen.method == "GET" && seen.status == 200).count()
}

mod get {
    use super::*;

    #[test]
    fn downloads_files_with_the_password_of_the_source() {
        if !require(Layer::Program("git-lfs")) {
            return;
        }
        let large = Large::new();
        let (server, url) = large.server();
        let with_user = server.url_with_credentials(large.repository.name(), "bob", "s3cret-pw");
        for (source, params) in
            [(logged_in(&url), json!({})), (logged_in(&url), json!({ "depth": 1 })), (source(&with_user), json!({}))]
        {
            server.reset();
            let (destination, outcome) = get(&source, &large.commit, params);
            outcome.succeeded();
            assert_eq!(read(&destination, "a/one.bin"), "one, large\n");
            assert_eq!(read(&destination, "b/two.bin"), "two, large\n");
            assert_eq!(fetched(&server), 2, "{:?}", server.requests_to("lfs"));
            let configuration = git::run(destination.path(), &["config", "--local", "--list"]);
            assert!(!configuration.contains("s3cret-pw") && !configuration.contains("bob"), "{configuration}");
            // For git-lfs, the work tree is unchanged.
            let filters = ["-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.required=true"];
            let status = git::run(destination.path(), &[&filters[..], &["status", "--porcelain"]].concat());
            assert_eq!(status, "");
        }
    }

    #[test]
    fn downloads_files_of_a_local_repository() {
        if !require(Layer::Program("git-lfs")) {
            return;
        }
        let large = Large::new();
        for params in [json!({}), json!({ "depth": 1 })] {
            let (destination, outcome) = get(&source(&large.repository.file_url()), &large.commit, params);
            outcome.succeeded();
            assert_eq!(read(&destination, "a/one.bin"), "one, large\n");
        }
    }

    #[test]
    fn sparse_checkout_does_not_download_omitted_files() {
        if !require(Layer::Program("git-lfs")) {
            return;
        }
        let large = Large::new();
        let (server, url) = large.server();
        for params in [json!({}), json!({ "depth": 1 })] {
            server.reset();
            let source = with(logged_in(&url), json!({ "sparse_paths": ["/a/", "/.gitattributes"] }));
            let (destination, outcome) = get(&source, &large.commit, params);
            outcome.succeeded();
            assert_eq!(read(&destination, "a/one.bin"), "one, large\n");
            assert!(!destination.path().join("b").exists());
            assert_eq!(fetched(&server), 1);
        }
    }

    #[test]
    fn disable_git_lfs_keeps_pointers_without_requests() {
        if !require(Layer::Program("git-lfs")) {
            return;
        }
        let large = Large::new();
        let (server, url) = large.server();
        let (destination, outcome) = get(&logged_in(&url), &large.commit, json!({ "disable_git_lfs": true }));
        outcome.succeeded();
        assert!(is_pointer(&read(&destination, "a/one.bin")) && is_pointer(&read(&destination, "b/two.bin")));
        assert!(server.requests_to("info/lfs").is_empty());
        assert_eq!(git::run(destination.path(), &["status", "--porcelain"]), "");
    }

    #[test]
    fn downloads_files_of_submodules() {
        if !require(Layer::Program("git-lfs")) {
            return;
        }
        let large = Large::new();
        let (server, library_url) = large.server();
        let repository = Repository::new();
        let modules = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {library_url}\n");
        let change = repository.change("use it").write(".gitmodules", &modules);
        let commit = change.submodule("lib", &large.commit).commit();
        // The submodule is on the server of the source, so it gets the password.
        let place = large.repository.root().join("outer.git");
        let outer = repository.bare_clone();
        fs::rename(outer.path(), &place).expect("serve both from one place");
        let url = server.url("outer.git");
        for (params, is_fetched) in
            [(json!({}), true), (json!({ "depth": 1 }), true), (json!({ "disable_git_lfs": true }), false)]
        {
            let (destination, outcome) = get(&logged_in(&url), &commit, params);
            outcome.succeeded();
            assert_eq!(is_pointer(&read(&destination, "lib/a/one.bin")), !is_fetched);
        }
    }

    #[test]
    fn does_not_send_the_password_to_other_hosts() {
        if !require(Layer::Program("git-lfs")) {
            return;
        }
        let elsewhere = Large::new();
        let (other, other_url) = elsewhere.server();
        let configuration = format!("[lfs]\n\turl = {other_url}/info/lfs\n");
        let large = Large::with_files(&[("a/one.bin", "one, large\n")]);
        let commit = large.repository.commit("elsewhere", &[(".lfsconfig", &configuration)]);
        let (_server, url) = large.server();
        let (_destination, outcome) = get(&logged_in(&url), &commit, json!({}));
        outcome.failed();
        let messages = messages(&outcome);
        assert!(messages.starts_with("error: cannot check out the version\n"), "{messages}");
        assert!(messages.contains("hint: the credentials of the source are sent only to its own host"), "{messages}");
        assert!(!other.requests().is_empty());
        assert!(other.requests().iter().all(|seen| !seen.authorized), "{:?}", other.requests());

        // A login for that host in `submodule_credentials` is used.
        let host = other_url.trim_start_matches("http://").split('/').next().expect("a host");
        let credentials = json!([{ "host": host, "username": "bob", "password": "s3cret-pw" }]);
        let with_both = with(logged_in(&url), json!({ "submodule_credentials": credentials }));
        let (destination, outcome) = get(&with_both, &commit, json!({}));
        outcome.succeeded();
        assert_eq!(read(&destination, "a/one.bin"), "one, large\n");

        // A host that requires no login works.
        let open = HttpGit::serve(elsewhere.repository.root());
        let configuration = format!("[lfs]\n\turl = {}/info/lfs\n", open.url(elsewhere.repository.name()));
        let commit = large.repository.commit("elsewhere", &[(".lfsconfig", &configuration)]);
        let (destination, outcome) = get(&logged_in(&url), &commit, json!({}));
        outcome.succeeded();
        assert_eq!(read(&destination, "a/one.bin"), "one, large\n");
        assert!(open.requests().iter().all(|seen| !seen.authorized));
    }

    #[test]
    fn uses_the_address_and_login_from_the_ssh_server() {
        if !require(Layer::Program("git-lfs")) || !require(Layer::Ssh) {
            return;
        }
        let large = Large::new();
        let (files, files_url) = large.server();
        let server = SshGit::start();
        // As at hosting services: the forced command of the key responds to git-lfs, and runs all other commands.
        let login = json!({
            "href": format!("{files_url}/info/lfs"),
            "header": { "Authorization": format!("Basic {}", STANDARD.encode("bob:s3cret-pw")) },
        });
        let script = large.repository.root().join("serve");
        let text = format!(
            "#!/bin/sh\ncase \"$SSH_ORIGINAL_COMMAND\" in\n\
             git-lfs-authenticate*) echo '{login}' ;;\n\
             git-lfs-transfer*) exit 127 ;;\n\
             *) exec sh -c \"$SSH_ORIGINAL_COMMAND\" ;;\nesac\n"
        );
        fs::write(&script, text).expect("write the command");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("make it executable");
        let key = key_pair("ed25519", None);
        server.authorize(&format!("command=\"{}\" {}", script.display(), key.public));
        let source = with(source(&server.url(large.repository.path())), json!({ "private_key": key.private }));
        for params in [json!({}), json!({ "depth": 1 })] {
            let (destination, outcome) = get(&source, &large.commit, params);
            outcome.succeeded();
            assert_eq!(read(&destination, "a/one.bin"), "one, large\n");
        }
        assert_eq!(fetched(&files), 4);
    }

    #[test]
    fn fails_for_a_missing_object() {
        if !require(Layer::Program("git-lfs")) {
            return;
        }
        let large = Large::new();
        fs::remove_dir_all(large.repository.path().join("lfs")).expect("lose the objects");
        let (_server, url) = large.server();
        let (_destination, outcome) = get(&logged_in(&url), &large.commit, json!({}));
        outcome.failed();
        let messages = messages(&outcome);
        assert!(messages.starts_with("error: cannot check out the version\n"), "{messages}");
        assert!(messages.contains("Object does not exist"), "{messages}");
    }

    #[test]
    fn times_out_for_a_silent_server() {
        if !require(Layer::Program("git-lfs")) {
            return;
        }
        let large = Large::new();
        let (server, url) = large.server();
        server.fail_always("info/lfs", Fault::Stall);
        let source = with(logged_in(&url), json!({ "network_timeout": 1 }));
        let (_destination, outcome) = get(&source, &large.commit, json!({}));
        outcome.failed();
        assert!(outcome.elapsed < Duration::from_secs(30), "{:?}", outcome.elapsed);
    }

    #[test]
    fn fails_with_a_hint_if_git_lfs_is_not_installed() {
        if !require(Layer::Program("git-lfs")) || Runner::chosen() == Runner::Image {
            // The image contains git-lfs.
            return;
        }
        let large = Large::new();
        let programs = scratch::directory();
        let search_path = git::search_path();
        let find =
            |name: &str| search_path.split(':').map(|path| Path::new(path).join(name)).find(|path| path.exists());
        symlink(find("git").expect("git"), programs.path().join("git")).expect("link git");
        for (params, works) in [(json!({}), false), (json!({ "disable_git_lfs": true }), true)] {
            let destination = scratch::directory();
            let request = request(&source(&large.repository.file_url()), Some(&large.commit), &params);
            let outcome = Verb::get("git")
                .dir(destination.path())
                .request(&request)
                .env("PATH", programs.path().to_str().expect("UTF-8"))
                .run();
            if works {
                outcome.succeeded();
                assert!(is_pointer(&read(&destination, "a/one.bin")));
            } else {
                outcome.failed();
                let hint = "hint: this repository needs git-lfs, which is not installed; `disable_git_lfs: true` checks out the pointers\n";
                assert!(messages(&outcome).ends_with(hint), "{}", messages(&outcome));
            }
        }
    }
}

mod put {
    use super::*;

    /// The inputs after a task: a get of the repository in `app`, with a new commit of a git-lfs file.
    fn changed(large: &Large, url: &str, content: &str) -> TempDir {
        let inputs = scratch::directory();
        let app = inputs.path().join("app");
        fs::create_dir(&app).expect("make the destination");
        let request = request(&logged_in(url), Some(&large.commit), &json!({}));
        Verb::get("git").dir(&app).request(&request).run().succeeded();
        fs::write(app.join("three.bin"), content).expect("write a file");
        let filters = ["-c", "filter.lfs.clean=git-lfs clean -- %f", "-c", "filter.lfs.required=true"];
        git::run(&app, &[&filters[..], &["add", "."]].concat());
        git::run(&app, &["commit", "-q", "-m", "three"]);
        assert!(is_pointer(&git::run(&app, &["show", "HEAD:three.bin"])));
        inputs
    }

    fn put(url: &str, inputs: &TempDir, params: Value) -> Outcome {
        let outcome = Verb::put("git").dir(inputs.path()).request(&request(&logged_in(url), None, &params)).run();
        assert!(!outcome.stderr.contains("s3cret-pw"), "{}", outcome.stderr);
        outcome
    }

    /// The git-lfs file after a get of the version of the put.
    fn arrived(url: &str, outcome: &Outcome) -> String {
        let version = outcome.json()["version"]["ref"].as_str().expect("a ref").to_owned();
        let (destination, outcome) = super::get(&logged_in(url), &version, json!({}));
        outcome.succeeded();
        read(&destination, "three.bin")
    }

    #[test]
    fn uploads_files_with_and_without_the_hook() {
        if !require(Layer::Program("git-lfs")) {
            return;
        }
        let large = Large::new();
        let (server, url) = large.server();
        for (content, has_hook) in [("three, large\n", true), ("three, larger\n", false)] {
            let inputs = changed(&large, &url, content);
            let hook = inputs.path().join("app/.git/hooks/pre-push");
            assert!(hook.exists(), "git-lfs leaves its hooks where it has been at work");
            if !has_hook {
                fs::remove_file(hook).expect("remove the hook");
            }
            server.reset();
            let outcome = put(&url, &inputs, json!({ "repository": "app", "branch": format!("hook-{has_hook}") }));
            outcome.succeeded();
            let sent = server.requests_to("/info/lfs/storage/").into_iter().filter(|seen| seen.method == "PUT");
            assert_eq!(sent.filter(|seen| seen.status == 200).count(), 1, "{:?}", server.requests_to("lfs"));
            let version = outcome.json()["version"].clone();
            let destination = scratch::directory();
            let request = json!({ "source": logged_in(&url), "version": version });
            Verb::get("git").dir(destination.path()).request(&request).run().succeeded();
            assert_eq!(read(&destination, "three.bin"), content);
        }
    }

    #[test]
    fn rebases_onto_other_pushes() {
        if !require(Layer::Program("git-lfs")) {
            return;
        }
        let large = Large::new();
        let (_server, url) = large.server();
        let inputs = changed(&large, &url, "three, large\n");
        let work = scratch::directory();
        let theirs = Checkout::clone(&large.repository.file_url(), work.path(), "theirs");
        theirs.git(&["lfs", "install", "--local"]);
        theirs.commit("theirs", &[("a/four.bin", "four, large\n")]);
        theirs.git(&["push", "-q", "origin", "main"]);
        let outcome = put(&url, &inputs, json!({ "repository": "app", "rebase": true }));
        outcome.succeeded();
        assert_eq!(arrived(&url, &outcome), "three, large\n");
        assert!(is_pointer(&large.repository.file("main", "three.bin")));
        assert_eq!(fs::read_to_string(inputs.path().join("app/a/four.bin")).expect("a file"), "four, large\n");
    }

    #[test]
    fn pushes_nothing_if_the_upload_fails() {
        if !require(Layer::Program("git-lfs")) {
            return;
        }
        let large = Large::new();
        let (server, url) = large.server();
        for has_hook in [true, false] {
            let inputs = changed(&large, &url, &format!("never arrives, {has_hook}\n"));
            if !has_hook {
                fs::remove_file(inputs.path().join("app/.git/hooks/pre-push")).expect("remove the hook");
            }
            server.fail_always("info/lfs/storage", Fault::status(507));
            let outcome = put(&url, &inputs, json!({ "repository": "app" }));
            outcome.failed();
            let messages = messages(&outcome);
            assert!(messages.contains("caused by: LFS: Insufficient server storage"), "{messages}");
            assert_eq!(large.repository.tip("main"), large.commit);
            server.recover();
        }
    }
}
