//! The image of the git type.

use std::collections::BTreeMap;
use std::time::Duration;

use jetway_tests::http_git::{Fault, HttpGit};
use jetway_tests::layer::{self, Layer};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::verb::{Runner, Verb};
use serde_json::json;

use crate::{docker, files, inside, inspect};

#[test]
fn has_the_configuration_that_pipelines_rely_on() {
    if !layer::require(Layer::Image("git")) {
        return;
    }
    let expected = "user.name=git\nuser.email=git@localhost\npull.rebase=false\nprotocol.file.allow=always\n\
                    http.version=HTTP/2\nsafe.directory=*";
    assert_eq!(inside("git", &["git", "config", "--system", "--list"]), expected);
}

/// The programs that git calls for a resource, each with a task that fails without it.
#[test]
fn has_the_programs_that_gets_and_puts_need() {
    if !layer::require(Layer::Image("git")) {
        return;
    }
    let script = "set -e; for program in git git-crypt git-lfs gpgv ssh ssh-keygen; do command -v $program; done
        ! command -v gpg-agent; git lfs version >/dev/null; git-crypt version >/dev/null; gpgv --version >/dev/null";
    let expected =
        "/usr/bin/git\n/usr/bin/git-crypt\n/usr/bin/git-lfs\n/usr/bin/gpgv\n/usr/bin/ssh\n/usr/bin/ssh-keygen";
    assert_eq!(inside("git", &["sh", "-c", script]), expected);
}

#[test]
fn is_not_much_larger_than_what_its_packages_need() {
    if !layer::require(Layer::Image("git")) {
        return;
    }
    let base = std::env::var("JETWAY_BASE").unwrap_or_else(|_| "debian:bookworm-slim".to_owned());
    let size = |image: &str| inspect(image)["Size"].as_u64().unwrap();
    // The package database has sizes in kilobytes of 1024.
    let script = "dpkg-query -W -f '${Package} ${Installed-Size}\\n'";
    let packages = |image: &str| -> BTreeMap<String, u64> {
        let output = docker(&["run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", script]);
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.map(|(name, size)| (name.to_owned(), size.parse().unwrap_or_default())).collect()
    };
    let (before, after) = (packages(&base), packages(&layer::image_name("git")));
    let added: u64 = after.iter().filter(|(name, _)| !before.contains_key(*name)).map(|(_, size)| size * 1024).sum();
    let grown = size(&layer::image_name("git")) - size(&base);
    println!("image git: {grown} bytes on top of the base; its packages need {added}");
    assert!(grown * 10 <= added * 13, "{grown} bytes on top of the base, where packages need {added}");
}

#[test]
fn has_a_small_binary() {
    if !layer::require(Layer::Image("git")) {
        return;
    }
    let bytes = files("git")["usr/local/bin/jetway-git"].size;
    // aws-lc-rs, which has the keys of private authorities that ring lacks, is 2 MiB of it.
    assert!(bytes < 12 * 1024 * 1024, "{bytes} bytes");
}

#[test]
fn has_a_git_whose_everyday_commands_need_nothing_that_was_left_out() {
    if !layer::require(Layer::Image("git")) {
        return;
    }
    // Rebase, merge, submodules and stash are where parts of git have been scripts.
    let script = "set -e; cd /tmp; git init -q -b main a; cd a; git commit -q --allow-empty -m one
        git init -q /tmp/b; git -C /tmp/b commit -q --allow-empty -m sub; git submodule --quiet add file:///tmp/b b
        git commit -q -m two; git switch -q -c side HEAD~1; git commit -q --allow-empty -m three
        git rebase -q main; git switch -q main; git merge -q --no-ff -m four side; echo x > x; git add x; git stash -q
        git submodule --quiet update --init --recursive; git log --format=%s --first-parent";
    assert_eq!(inside("git", &["sh", "-c", script]), "four\ntwo\none");
}

#[test]
fn ends_with_its_children_when_a_step_is_aborted() {
    if !layer::require(Layer::Image("git")) {
        return;
    }
    let repository = Repository::new();
    repository.commit("Begin", &[("README.md", "hello\n")]);
    let server = HttpGit::serve(repository.root());
    server.fail_always("", Fault::Stall);
    let source = json!({ "uri": server.url(repository.name()), "branch": "main" });
    let mut running = Verb::check("git").runner(Runner::Image).request(&json!({ "source": source })).spawn();
    let child = running.wait_for_child("git-remote-http");
    // As the first process of its container it gets no signal that it does not ask for.
    running.terminate();
    let outcome = running.wait(Duration::from_secs(10));
    assert_ne!(outcome.code, Some(0));
    assert!(!child.is_alive());
    // The cache is there for the next check; nothing else is.
    let mut left = outcome.leftovers();
    left.retain(|path| !path.to_string_lossy().contains("/jetway-git-cache"));
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
}

#[test]
fn runs_as_a_worker_runs_it() {
    if !layer::require(Layer::Image("git")) {
        return;
    }
    let repository = Repository::new();
    let tip = repository.commit("Begin", &[("README.md", "hello\n")]);
    let source = json!({ "uri": repository.file_url(), "branch": "main" });
    let check = Verb::check("git").runner(Runner::Image).request(&json!({ "source": source })).run();
    assert_eq!(check.json(), json!([{ "ref": tip }]));

    let destination = scratch::directory();
    let request = json!({ "source": source, "version": { "ref": tip } });
    let get = Verb::get("git").runner(Runner::Image).dir(destination.path()).request(&request).run();
    assert_eq!(get.json()["version"], json!({ "ref": tip }));
    assert_eq!(std::fs::read_to_string(destination.path().join("README.md")).unwrap(), "hello\n");
}
