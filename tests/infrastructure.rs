//! The fixtures do what the other tests take for granted.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "test code")]

use std::process::Output;
use std::time::{Duration, Instant};

use jetway_tests::checkout::Checkout;
use jetway_tests::http_git::{Fault, HttpGit};
use jetway_tests::layer::{self, Layer};
use jetway_tests::repository::Repository;
use jetway_tests::ssh_git::{self, SshGit};
use jetway_tests::{git, process, scratch};

/// A repository with two commits, the second on top of a merge-free first.
fn repository() -> Repository {
    let repository = Repository::new();
    repository.commit("Begin", &[("README.md", "hello\n")]);
    repository.commit("Go on", &[("src/main.rs", "fn main() {}\n")]);
    repository
}

/// `git` in a directory of its own, allowed to fail.
fn try_git(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let directory = scratch::directory();
    git::command(directory.path()).args(arguments).envs(variables.iter().copied()).output().unwrap()
}

mod repositories {
    use super::*;

    #[test]
    fn have_the_same_ids_every_time() {
        assert_eq!(repository().history("main"), repository().history("main"));
    }

    #[test]
    fn hold_every_kind_of_change() {
        let repository = repository();
        let change = repository.change("Everything").author("Grace Other", "grace@example.com");
        let commit = change
            .write_executable("bin/run it", "#!/bin/sh\n")
            .symlink("link", "README.md")
            .submodule("vendor/lib", &repository.tip("main"))
            .rename("src/main.rs", "src/lib.rs")
            .delete("README.md")
            .commit();
        let tree = repository.git(&["ls-tree", "-r", "--format=%(objectmode) %(path)", &commit]);
        assert_eq!(tree, "100755 bin/run it\n120000 link\n100644 src/lib.rs\n160000 vendor/lib");
        assert_eq!(repository.git(&["log", "-1", "--format=%an, %cn", &commit]), "Grace Other, Ada Fixture");
    }

    #[test]
    fn have_branches_that_part_meet_move_and_go() {
        let repository = repository();
        let first = repository.resolve("main~1");
        repository.branch("topic", &first);
        let topic = repository.commit_on("topic", "Aside", &[("topic.txt", "1\n")]);
        let merge = repository.merge("main", "topic", "Merge topic");
        assert_eq!(repository.resolve(&format!("{merge}^2")), topic);
        assert_eq!(repository.file("main", "topic.txt"), "1");

        let rewritten = repository.change("Another past").from(&first).write("README.md", "rewritten\n").commit();
        assert_eq!(repository.history("main"), [rewritten.as_str(), first.as_str()]);
        repository.move_branch("main", &topic);
        assert_eq!(repository.tip("main"), topic);
        repository.delete_branch("topic");
        repository.move_branch("main", &first);
        repository.forget_unreachable();
        assert!(!git::command(repository.path()).args(["cat-file", "-e", &merge]).status().unwrap().success());
    }

    #[test]
    fn have_tags_of_both_kinds() {
        let repository = repository();
        repository.tag("light", "main");
        let tag = repository.annotated_tag("heavy", "main", "A release");
        assert_eq!(repository.resolve("light"), repository.tip("main"));
        assert_ne!(tag, repository.tip("main"));
        assert_eq!(repository.resolve("heavy^{commit}"), repository.tip("main"));
        repository.delete_tag("light");
        assert_eq!(repository.bare_clone().git(&["tag"]), "heavy");
    }
}

mod http {
    use super::*;

    #[test]
    fn serves_clones_and_counts_them() {
        let repository = repository();
        let server = HttpGit::serve(repository.root());
        let directory = scratch::directory();
        let checkout = Checkout::clone(&server.url(repository.name()), directory.path(), "clone");
        assert_eq!(checkout.head(), repository.tip("main"));

        let requests = server.requests();
        let targets: Vec<_> = requests.iter().map(|seen| (seen.method.as_str(), seen.target.as_str())).collect();
        assert_eq!(
            targets,
            [
                ("GET", "/repository.git/info/refs?service=git-upload-pack"),
                ("POST", "/repository.git/git-upload-pack"),
                ("POST", "/repository.git/git-upload-pack"),
            ]
        );
        assert!(requests.iter().all(|seen| seen.status == 200 && !seen.authorized));
        assert!(requests.iter().all(|seen| seen.protocol.as_deref() == Some("version=2")));
        assert!(server.bytes_received() > 100 && server.bytes_sent() > 500);
        assert_eq!(server.connections(), 1);
        server.reset();
        assert_eq!((server.requests().len(), server.bytes_sent(), server.connections()), (0, 0, 0));
    }

    #[test]
    fn takes_pushes() {
        let repository = repository();
        let server = HttpGit::serve(repository.root());
        let directory = scratch::directory();
        let checkout = Checkout::clone(&server.url(repository.name()), directory.path(), "clone");
        // More than git buffers, so that it sends the pack in chunks, compressed or not.
        let large = "0123456789abcdef".repeat(200_000);
        let commit = checkout.commit("Push me", &[("large.txt", &large)]);
        checkout.git(&["push", "-q", "origin", "HEAD:main"]);
        assert_eq!(repository.tip("main"), commit);
    }

    #[test]
    fn lets_in_only_who_has_the_password() {
        let repository = repository();
        let server = HttpGit::builder(repository.root()).credentials("jet", "s3cret").start();
        let refused = try_git(&["ls-remote", &server.url(repository.name())], &[]);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("could not read Username"));
        assert_eq!(server.requests().iter().map(|seen| seen.status).collect::<Vec<_>>(), [401]);

        let wrong = server.url_with_credentials(repository.name(), "jet", "wrong");
        let refused = try_git(&["ls-remote", &wrong], &[]);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("Authentication failed"));

        server.reset();
        let right = server.url_with_credentials(repository.name(), "jet", "s3cret");
        let directory = scratch::directory();
        let checkout = Checkout::clone(&right, directory.path(), "clone");
        let commit = checkout.commit("Push me", &[("file", "content")]);
        checkout.git(&["push", "-q", "origin", "HEAD:main"]);
        assert_eq!(repository.tip("main"), commit);
        assert!(server.requests().iter().any(|seen| seen.authorized));
    }

    #[test]
    fn answers_with_the_status_it_is_told_for_as_long_as_it_is_told() {
        let repository = repository();
        let server = HttpGit::serve(repository.root());
        server.fail(2, "info/refs", Fault::retry_after(503, "1"));
        let url = server.url(repository.name());
        let outcomes: Vec<_> = (0..3).map(|_| try_git(&["ls-remote", &url], &[]).status.success()).collect();
        assert_eq!(outcomes, [false, false, true]);
        let statuses: Vec<_> = server.requests_to("info/refs").iter().map(|seen| seen.status).collect();
        assert_eq!(statuses, [503, 503, 200]);
    }

    #[test]
    fn sends_clients_elsewhere() {
        let repository = repository();
        let (here, there) = (HttpGit::serve(repository.root()), HttpGit::serve(repository.root()));
        here.fail_always("", Fault::Redirect { to: there.url("") });
        let output = try_git(&["ls-remote", &here.url(repository.name()), "main"], &[]);
        assert!(String::from_utf8_lossy(&output.stdout).starts_with(&repository.tip("main")));
        assert_eq!(here.requests()[0].status, 302);
    }

    #[test]
    fn cuts_a_pack_after_so_many_bytes() {
        let repository = repository();
        repository.commit("Grow", &[("large.txt", &noise())]);
        let server = HttpGit::serve(repository.root());
        server.fail_after(2, "upload-pack", Fault::CutAfter { bytes: 1000 });
        let output = try_git(&["clone", "-q", &server.url(repository.name())], &[]);
        assert!(!output.status.success());
        assert_eq!(server.requests().last().unwrap().sent, 1000);
    }

    #[test]
    fn stalls_and_ends_all_that_it_started_when_it_is_dropped() {
        let repository = repository();
        repository.commit("Grow", &[("large.txt", &noise())]);
        let server = HttpGit::serve(repository.root());
        server.fail_after(2, "upload-pack", Fault::StallAfter { bytes: 1000 });
        let directory = scratch::directory();
        let mut client = git::command(directory.path())
            .args(["clone", "-q", &server.url(repository.name())])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let stalled = || server.requests().last().is_some_and(|seen| seen.sent == 1000).then_some(());
        process::wait_until(Duration::from_secs(20), stalled).expect("the pack begins and stalls");
        assert!(client.try_wait().unwrap().is_none());
        let root = repository.root().to_str().unwrap().to_owned();
        let serving = process::descendants(std::process::id());
        drop(server);
        assert!(!client.wait().unwrap().success());
        let left = serving.iter().filter(|process| process.command.contains("http-backend") && process.is_alive());
        let left: Vec<_> = left.filter(|process| cwd(process.pid).is_some_and(|cwd| cwd.starts_with(&root))).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn is_slow_when_told() {
        let repository = repository();
        let server = HttpGit::serve(repository.root());
        server.fail_next(Fault::Slow { first_byte: Duration::from_millis(300), bytes_per_second: 1_000_000 });
        let start = Instant::now();
        assert!(try_git(&["ls-remote", &server.url(repository.name())], &[]).status.success());
        assert!(start.elapsed() >= Duration::from_millis(300));
    }

    #[test]
    fn filters_where_the_repository_allows_it() {
        let repository = repository();
        let server = HttpGit::serve(repository.root());
        let url = server.url(repository.name());
        for (allowed, missing) in [(true, 2), (false, 0)] {
            repository.allow_filters(allowed);
            let directory = scratch::directory();
            git::run(directory.path(), &["clone", "-q", "--bare", "--filter=blob:none", &url, "clone"]);
            let arguments = ["rev-list", "--objects", "--all", "--missing=print"];
            let objects = git::run(&directory.path().join("clone"), &arguments);
            assert_eq!(objects.lines().filter(|line| line.starts_with('?')).count(), missing);
        }
    }

    /// Text that does not compress, so that a pack of it is as long.
    fn noise() -> String {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut number = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            format!("{state:016x}")
        };
        (0..25_000).map(|_| number()).collect()
    }

    fn cwd(pid: u32) -> Option<String> {
        Some(std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?.to_str()?.to_owned())
    }
}

mod ssh {
    use super::*;

    /// An ssh command that knows the server and has one key.
    fn ssh(server: &SshGit, directory: &std::path::Path, key: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let (key_file, hosts) = (directory.join("key"), directory.join("known_hosts"));
        std::fs::write(&key_file, key).unwrap();
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&hosts, server.known_hosts() + "\n").unwrap();
        let (key_file, hosts) = (key_file.display(), hosts.display());
        format!("ssh -F none -i {key_file} -o UserKnownHostsFile={hosts} -o IdentitiesOnly=yes -o BatchMode=yes")
    }

    #[test]
    fn lets_the_deploy_key_clone_and_push() {
        if !layer::require(Layer::Ssh) {
            return;
        }
        let repository = repository();
        let server = SshGit::start();
        let directory = scratch::directory();
        let ssh = ssh(&server, directory.path(), &server.deploy_key().private);
        let url = server.url(repository.path());
        let clone = try_git_in(directory.path(), &["clone", "-q", &url, "clone"], &ssh);
        assert!(clone.status.success(), "{}\n{}", String::from_utf8_lossy(&clone.stderr), server.log());
        let clone = directory.path().join("clone");
        git::run(&clone, &["commit", "-q", "--allow-empty", "-m", "Push me"]);
        let push = try_git_in(&clone, &["push", "-q", "origin", "HEAD:main"], &ssh);
        assert!(push.status.success(), "{}\n{}", String::from_utf8_lossy(&push.stderr), server.log());
        assert_eq!(repository.tip("main"), git::run(&clone, &["rev-parse", "HEAD"]));
        assert_eq!(server.connections(), 2);
    }

    #[test]
    fn lets_nobody_else_in_until_told() {
        if !layer::require(Layer::Ssh) {
            return;
        }
        let repository = repository();
        let server = SshGit::start();
        let other = ssh_git::key_pair("ecdsa", None);
        let directory = scratch::directory();
        let ssh = ssh(&server, directory.path(), &other.private);
        let url = server.url(repository.path());
        let refused = try_git_in(directory.path(), &["ls-remote", &url], &ssh);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("Permission denied (publickey)"));
        server.authorize(&other.public);
        assert!(try_git_in(directory.path(), &["ls-remote", &url], &ssh).status.success());
    }

    #[test]
    fn protects_a_key_with_a_passphrase() {
        let open = ssh_git::key_pair("ed25519", None);
        let protected = ssh_git::key_pair("ed25519", Some("open sesame"));
        assert!(open.private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        assert!(protected.private.len() > open.private.len());
    }

    fn try_git_in(directory: &std::path::Path, arguments: &[&str], ssh: &str) -> Output {
        git::command(directory).args(arguments).env("GIT_SSH_COMMAND", ssh).output().unwrap()
    }
}

mod make {
    use std::process::Command;

    /// The flags for the compiler that a recipe sees under CI, where these are given.
    fn flags(given: &str) -> String {
        let makefile = concat!(env!("CARGO_MANIFEST_DIR"), "/../Makefile");
        let output = Command::new("make")
            .args(["--no-print-directory", "--file", makefile, "--eval", "show: ; @echo \"$$RUSTFLAGS\"", "show"])
            .env("CI", "true")
            .env("RUSTFLAGS", given)
            .env_remove("MAKEFLAGS")
            .output()
            .expect("start make");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// With other flags cargo builds everything anew: the tests would not use what `make build` has built for them.
    #[test]
    fn gives_the_same_flags_where_it_is_run_by_itself() {
        assert_eq!(flags(""), "-D warnings");
        assert_eq!(flags("-C opt-level=1"), "-C opt-level=1 -D warnings");
        assert_eq!(flags(&flags("")), flags(""));
    }
}

mod measurement {
    use super::*;
    use std::process::Command;

    #[test]
    fn counts_the_processes_of_a_tree() {
        if !layer::require(Layer::Trace) {
            return;
        }
        let mut shell = Command::new("/bin/sh");
        // Two children, one of which has a child of its own.
        shell.args(["-c", "true_() { /bin/true; :; }; /bin/true; (true_; :); :"]);
        let footprint = process::footprint(&shell, std::path::Path::new("/dev/null")).unwrap();
        assert_eq!((footprint.started, footprint.children), (3, 2));
        assert!((500_000..20_000_000).contains(&footprint.peak_rss), "{footprint:?}");
    }

    #[test]
    fn tells_what_a_run_cost() {
        let mut sleep = Command::new("sleep");
        let cost = process::cost(sleep.arg("0.2"), std::path::Path::new("/dev/null")).unwrap();
        assert!(cost.status.success());
        assert!(cost.wall >= Duration::from_millis(200));
        assert!(cost.cpu < Duration::from_millis(150), "sleeping is no work: {cost:?}");
    }
}

mod verbs {
    use jetway_tests::assert_verb;
    use jetway_tests::verb::{Container, Verb};
    use serde_json::json;

    use super::*;

    /// A verb that is a shell script.
    fn stand_in(directory: &std::path::Path, script: &str) -> std::path::PathBuf {
        let (source, path) = (directory.join("script"), directory.join("stand-in"));
        std::fs::write(&source, format!("#!/bin/sh\n{script}\n")).unwrap();
        // Copied by another process: a file that this one has just written may still be open for writing in a child that
        // another thread is starting, and cannot be executed until that has gone.
        let installed =
            std::process::Command::new("install").args(["-m", "755"]).args([&source, &path]).status().unwrap();
        assert!(installed.success());
        path
    }

    #[test]
    fn run_under_their_names_with_a_worker_s_environment_and_nothing_else() {
        let directory = scratch::directory();
        let script = stand_in(directory.path(), "echo \"${0##*/} $# in $PWD\" >&2; env | sort >&2");
        let check = Verb::check("stand-in").binary(&script).run();
        assert!(check.stderr.starts_with("check 0 in /\nATC_EXTERNAL_URL=https://ci.example.com\nBUILD_NAME=42\n"));
        let names: Vec<_> = check.stderr.lines().skip(1).filter_map(|line| line.split('=').next()).collect();
        assert_eq!(
            names,
            [
                "ATC_EXTERNAL_URL",
                "BUILD_NAME",
                "BUILD_PIPELINE_ID",
                "BUILD_PIPELINE_NAME",
                "BUILD_TEAM_ID",
                "BUILD_TEAM_NAME",
                "HOME",
                "PATH",
                "PWD",
                "TMPDIR",
            ]
        );
        let put = Verb::put("stand-in").binary(&script).dir(directory.path()).without_env("BUILD_JOB_NAME").run();
        assert!(put.stderr.starts_with("out 1 in /\n"));
        assert!(put.stderr.contains("BUILD_ID=4242\n") && !put.stderr.contains("BUILD_JOB_NAME"));
    }

    #[test]
    fn are_shown_whole() {
        let directory = scratch::directory();
        let destination = scratch::directory();
        let script = "cat > \"$1/request\"; mkdir \"$1/bin\" \"$1/.git\"; printf x > \"$1/.git/ref\"
            printf tool > \"$1/bin/tool\"; chmod +x \"$1/bin/tool\"; ln -s bin/tool \"$1/link\"
            printf '\\033[32mwrote\\033[0m %s from 127.0.0.1:4711 in 12.5ms\\n' \"$1\" >&2
            printf '{\"version\":{\"ref\":\"0123456789012345678901234567890123456789\"}}'";
        let outcome = Verb::get("stand-in")
            .binary(&stand_in(directory.path(), script))
            .dir(destination.path())
            .request(&json!({"source": {"uri": "x"}}))
            .run();
        assert_verb!(outcome.view().tree().file("request").file(".git/ref").hide_ids(), @r#"
        exit code: 0
        ----- stdout -----
        {
          "version": {
            "ref": "[ID]"
          }
        }
        ----- stderr -----
        wrote [DIR] from 127.0.0.1:[PORT] in [TIME]
        ----- tree -----
        .git/
        bin/tool (executable)
        link -> bin/tool
        request
        ----- request -----
        {"source":{"uri":"x"}}
        ----- .git/ref -----
        x
        "#);
        assert_eq!(outcome.json()["version"]["ref"].as_str().unwrap().len(), 40);
    }

    #[test]
    fn fail_with_what_they_said() {
        let directory = scratch::directory();
        let script = stand_in(directory.path(), "echo 'error: no such branch `x`' >&2; exit 1");
        let outcome = Verb::check("stand-in").binary(&script).stdin("not read").run();
        assert_verb!(outcome.failed(), @"
        exit code: 1
        ----- stdout -----
        ----- stderr -----
        error: no such branch `x`
        ");
    }

    #[test]
    fn are_ended_and_their_children_seen() {
        let directory = scratch::directory();
        let script = stand_in(directory.path(), "trap 'kill $!; exit 7' TERM; echo ready >&2; sleep 600 & wait");
        let mut running = Verb::check("stand-in").binary(&script).spawn();
        running.wait_for_stderr("ready");
        let child = running.wait_for_child("sleep 600");
        assert_eq!(child.parent, running.pid());
        running.terminate();
        let outcome = running.wait(Duration::from_secs(10));
        assert_eq!((outcome.code, outcome.signal, outcome.held_open), (Some(7), None, false));
        assert!(process::wait_until(Duration::from_secs(5), || (!child.is_alive()).then_some(())).is_some());
    }

    #[test]
    fn leave_things_in_a_container_that_is_used_again() {
        let directory = scratch::directory();
        let script =
            stand_in(directory.path(), "ls \"$TMPDIR\" >&2; mkdir \"$TMPDIR/a\"; touch \"$TMPDIR/a/b\" \"$HOME/.c\"");
        let container = Container::new();
        let first = Verb::check("stand-in").binary(&script).container(&container).run();
        let temporary = container.temporary();
        assert_eq!(first.leftovers(), [container.home().join(".c"), temporary.join("a"), temporary.join("a/b")]);
        let second = Verb::check("stand-in").binary(&script).container(&container).run();
        assert!(second.stderr.starts_with("a\n"));
        let fresh = Verb::check("stand-in").binary(&script).run();
        assert_eq!((fresh.stderr.as_str(), fresh.leftovers().len()), ("", 3));
    }
}
