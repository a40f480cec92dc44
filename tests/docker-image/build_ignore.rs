//! `.dockerignore` compared with docker: for any patterns, the context is the same as that of docker's CLI. The engine
//! is a stand-in that records contexts and builds nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use jetway_tests::layer::{self, Layer};
use jetway_tests::scratch;
use jetway_tests::stand_in::{Response, StandIn};
use jetway_tests::verb::Verb;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use tempfile::TempDir;

/// The number of tested pattern files.
const CASES: u32 = 64;

/// An engine that accepts a context and builds nothing: `SystemPing` and `ImageBuild` of the Engine API
/// (<https://docs.docker.com/reference/api/engine/version/v1.41/>).
fn engine() -> StandIn {
    StandIn::start(|request| {
        if request.path() == "/_ping" {
            return Response::text(200, "OK").with("Api-Version", "1.41").with("Builder-Version", "1");
        }
        let failure = json!({ "errorDetail": { "message": "enough" }, "error": "enough" });
        Response::bytes(200, "application/json", failure.to_string())
    })
}

/// Names from a few words, in directories of the same words, so that some patterns match.
fn tree() -> TempDir {
    let root = scratch::directory();
    let app = root.path().join("app");
    for path in [
        "Dockerfile",
        "a",
        "b.log",
        "x/a",
        "x/b.log",
        "x/y/a",
        "x/y/c.txt",
        "x/y/z/a.log",
        "y/x/a",
        "y/x/b.log",
        "y/.hidden",
        ".git/config",
        "[odd]",
        "name with spaces",
        "z/a/a/a",
        "ü.log",
    ] {
        let path = app.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, if path.ends_with("Dockerfile") { "FROM scratch\nCOPY . /\n" } else { "content" }).unwrap();
    }
    fs::create_dir(app.join("empty")).unwrap();
    fs::set_permissions(app.join("a"), fs::Permissions::from_mode(0o751)).unwrap();
    symlink("../a", app.join("x/link")).unwrap();
    symlink("x", app.join("to-x")).unwrap();
    root
}

/// The content of a context: files and links by name with mode and size, and the names of directories, including those
/// that the archive contains only as parents of other entries.
type Contents = (BTreeMap<String, String>, BTreeSet<String>);

/// The last context that the engine got; `None` if it got none.
fn last_context(engine: &StandIn, since: usize) -> Option<Contents> {
    let requests = engine.recorded_requests().split_off(since);
    let body = &requests.iter().find(|request| request.path().ends_with("/build"))?.body;
    let mut tar = Command::new("tar");
    tar.args(["--list", "--verbose", "--numeric-owner", "--full-time", "--quoting-style=literal", "--file=-"]);
    let tar = tar.env("LC_ALL", "C.UTF-8").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut listing = tar.spawn().expect("run tar");
    let mut input = listing.stdin.take().expect("its input");
    let body = body.clone();
    let writer = std::thread::spawn(move || input.write_all(&body));
    let listed = listing.wait_with_output().expect("read an archive");
    writer.join().expect("a thread").expect("hand tar an archive");
    let (mut files, mut directories) = (BTreeMap::new(), BTreeSet::new());
    for line in String::from_utf8(listed.stdout).expect("text").lines() {
        // `-rw-r--r-- 0/0      7 2024-01-01 00:00:00 x/y/a`
        let mut words = line.split_whitespace();
        let (mode, owner, size) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        assert_eq!(owner, "0/0", "{line}");
        let time = line.find(size).and_then(|at| line[at..].find(':').map(|colon| at + colon)).unwrap();
        let name = line[time..].split_once(' ').unwrap().1.trim_end_matches('/');
        let plain = name.split(" -> ").next().unwrap();
        directories.extend(plain.match_indices('/').map(|(at, _)| plain[..at].to_owned()));
        if mode.starts_with('d') {
            directories.insert(plain.to_owned());
        } else if ![".dockerignore", "Dockerfile"].contains(&plain) {
            // The engine needs these two files, and excludes them itself.
            files.insert(name.to_owned(), format!("{mode} {size}"));
        }
    }
    directories.remove("");
    Some((files, directories))
}

/// The context of docker's CLI.
fn by_docker(engine: &StandIn, app: &Path) -> Option<Contents> {
    let since = engine.recorded_requests().len();
    run_docker(engine, app);
    last_context(engine, since)
}

fn run_docker(engine: &StandIn, app: &Path) {
    let config = scratch::directory();
    let status = Command::new("docker")
        .args(["--config", config.path().to_str().unwrap(), "build", "--quiet"])
        .arg(app)
        .env("DOCKER_HOST", engine.url().replace("http://", "tcp://"))
        .env("DOCKER_BUILDKIT", "0")
        .stdin(Stdio::null())
        .output();
    assert!(!status.expect("run docker").status.success(), "the stand-in builds nothing");
}

/// The context of a put.
fn by_put(engine: &StandIn, inputs: &Path) -> Option<Contents> {
    let since = engine.recorded_requests().len();
    run_put(engine, inputs);
    last_context(engine, since)
}

fn run_put(engine: &StandIn, inputs: &Path) {
    let host = engine.url().replace("http://", "tcp://");
    let source = json!({ "repository": "localhost:9/x", "docker_host": host });
    let request = json!({ "source": source, "params": { "build": "app" } });
    Verb::put("docker-image").request(&request).dir(inputs).run().failed();
}

/// How often the last context that an engine got contains these bytes.
fn count_in_context(engine: &StandIn, bytes: &[u8]) -> usize {
    let requests = engine.recorded_requests();
    let body = &requests.iter().rfind(|request| request.path().ends_with("/build")).expect("a build").body;
    body.windows(bytes.len()).filter(|window| *window == bytes).count()
}

#[test]
fn context_has_the_capabilities_of_programs_as_docker_sends_them() {
    if !layer::require(Layer::Program("docker")) || !layer::require(Layer::Root) {
        return;
    }
    let (engine, inputs) = (engine(), tree());
    let app = inputs.path().join("app");
    // `cap_net_raw=ep`: revision 2, and revision 3 with the root of a namespace, as programs in a container without root set it.
    let value = |revision: u8| [&[1, 0, 0, revision, 0, 0x20][..], &[0; 14]].concat();
    let of_namespace = [value(3), 1000_u32.to_le_bytes().to_vec()].concat();
    for (file, name, value) in [
        ("a", "security.capability", value(2)),
        ("b.log", "security.capability", of_namespace),
        ("a", "user.x", value(2)),
    ] {
        rustix::fs::setxattr(app.join(file), name, &value, rustix::fs::XattrFlags::empty()).expect("set an attribute");
    }
    let record = [b"57 SCHILY.xattr.security.capability=", value(2).as_slice(), b"\n"].concat();
    for send in [|engine, inputs: &Path| run_docker(engine, &inputs.join("app")), run_put] {
        send(&engine, inputs.path());
        assert_eq!(count_in_context(&engine, &record), 2);
        assert_eq!(count_in_context(&engine, b"SCHILY.xattr."), 2, "another attribute is in the context");
    }
}

fn pattern() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "x",
        "y",
        "z",
        "*",
        "**",
        "?",
        "*.log",
        "b.log",
        "[abx]",
        "[^a]",
        "[!a]",
        ".",
        "..",
        "",
        "x*",
        "**a",
        "\\[odd\\]",
        "empty",
        ".git",
        "name with spaces",
        "ü*",
        "link",
    ]);
    let parts = prop::collection::vec(word, 1..4).prop_map(|parts| parts.join("/"));
    let sign = prop::sample::select(vec!["", "", "!", "/", "!/", " ", "! "]);
    let end = prop::sample::select(vec!["", "", "/", "/**", " "]);
    let line = (sign, parts, end).prop_map(|(sign, parts, end)| format!("{sign}{parts}{end}"));
    prop_oneof![12 => line, 1 => Just("# a comment".to_owned()), 1 => Just(String::new())]
}

#[test]
fn context_equals_that_of_docker_for_random_patterns() {
    if !layer::require(Layer::Program("docker")) {
        return;
    }
    let (engine, inputs) = (engine(), tree());
    let app = inputs.path().join("app");
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let lists = prop::collection::vec(pattern(), 1..6);
    let outcome = TestRunner::new_with_rng(config, random).run(&lists, |lines| {
        fs::write(app.join(".dockerignore"), lines.join("\n")).unwrap();
        let (theirs, ours) = (by_docker(&engine, &app), by_put(&engine, inputs.path()));
        // With wildcards after `!`, docker's classic client does not search excluded directories; BuildKit does.
        let looks_deeper =
            lines.iter().any(|line| line.trim().starts_with('!') && line.contains(['*', '?', '[', '\\']));
        match (theirs, ours) {
            (Some(theirs), Some(ours)) if looks_deeper => {
                prop_assert!(
                    theirs.0.iter().all(|(name, file)| ours.0.get(name) == Some(file)),
                    "{theirs:?}\n{ours:?}"
                );
            }
            (theirs, ours) => prop_assert_eq!(theirs, ours),
        }
        Ok(())
    });
    if let Err(problem) = outcome {
        panic!("{problem}");
    }
}
