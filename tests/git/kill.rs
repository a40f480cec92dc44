//! Verbs that are killed (SIGKILL, as by a stopping worker) at any moment, and concurrent puts: the next run succeeds,
//! whatever state the killed one has left.

use std::time::{Duration, Instant, SystemTime};
use std::{fs, thread};

use jetway_tests::checkout::Checkout;
use jetway_tests::http_git::HttpGit;
use jetway_tests::process::Process;
use jetway_tests::repository::Repository;
use jetway_tests::verb::{Container, Runner, Running, Verb};
use jetway_tests::{git, process, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{check_in, history, refs, request, source, with};

const KILLS: usize = 100;

/// Random moments as fractions of a run, and their seed. `JETWAY_TEST_SEED` sets the seed, to reproduce a failure.
fn moments() -> (u64, Vec<f64>) {
    let given = std::env::var("JETWAY_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_nanos() as u64;
    let seed = given.unwrap_or(now);
    let mut state = seed;
    let mut draw = || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from((mixed >> 32) as u32) / f64::from(u32::MAX)
    };
    (seed, (0..KILLS).map(|_| draw()).collect())
}

/// The duration of an uninterrupted run: the longest of three.
fn measured(mut run: impl FnMut()) -> Duration {
    let mut time = || {
        let begin = Instant::now();
        run();
        begin.elapsed()
    };
    [time(), time(), time()].into_iter().max().expect("three")
}

/// Kills the verb and all its processes after this time, as the end of its container does.
fn kill_after(running: Running, moment: Duration, container: &Container) {
    thread::sleep(moment);
    running.kill();
    running.wait(Duration::from_secs(20));
    // Orphans have another parent by now, but their environment identifies them.
    let home = container.home().into_os_string().into_encoded_bytes();
    let gone = process::wait_until(Duration::from_secs(20), || {
        let left: Vec<Process> = started_with(&home);
        left.iter().for_each(Process::kill);
        left.is_empty().then_some(())
    });
    assert!(gone.is_some(), "processes of a killed verb still run");
}

/// The processes whose environment contains `text`.
fn started_with(text: &[u8]) -> Vec<Process> {
    let pids = fs::read_dir("/proc").expect("list the processes").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_of_it = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.windows(text.len()).any(|window| window == text)
    };
    pids.filter(is_of_it).filter_map(Process::find).filter(Process::is_alive).collect()
}

fn logged_in(server: &HttpGit, repository: &Repository) -> Value {
    with(source(&server.url(repository.name())), json!({ "username": "bob", "password": "s3cret" }))
}

#[test]
fn check_succeeds_after_a_check_killed_at_any_moment() {
    if Runner::chosen() == Runner::Image {
        // A killed container is gone, so there is no later check in it.
        return;
    }
    let (repository, mut commits) = history(&["commit"; 20]);
    let server = HttpGit::builder(repository.root()).credentials("bob", "s3cret").start();
    let source = with(logged_in(&server, &repository), json!({ "ignore_paths": ["docs"] }));
    let whole = measured(|| {
        check_in(&Container::new(), &source, Some(&commits[0])).succeeded();
    });
    let (seed, moments) = moments();
    let mut container = Container::new();
    for (round, moment) in moments.into_iter().enumerate() {
        if round % 4 == 0 {
            container = Container::new();
        }
        commits.push(repository.commit("more", &[(&format!("more-{round}"), "1")]));
        let known = &commits[commits.len() - 3];
        let verb = Verb::check("git").container(&container).request(&request(&source, Some(known), &json!({})));
        kill_after(verb.spawn(), whole.mul_f64(moment), &container);
        let outcome = check_in(&container, &source, Some(known));
        let what = format!("round {round}, killed after {moment:.3} of {whole:?}, JETWAY_TEST_SEED={seed}");
        assert_eq!(outcome.code, Some(0), "{what}: {}", outcome.stderr);
        assert_eq!(refs(&outcome), commits[commits.len() - 3..], "{what}");
    }
}

#[test]
fn check_of_labels_succeeds_after_a_check_killed_at_any_moment() {
    if Runner::chosen() == Runner::Image {
        return;
    }
    let (repository, _) = history(&["commit"; 5]);
    let server = HttpGit::serve(repository.root());
    let url = server.url(repository.name());
    let kinds = [
        json!({ "uri": url, "tag_filter": "v*" }),
        json!({ "uri": url, "branch": "main", "tag_filter": "v*", "paths": ["more-*"] }),
        json!({ "uri": url, "version_type": "branch_heads", "branch_regex": "v.*" }),
    ];
    let mut known: Vec<Value> = Vec::new();
    // Each name is a tag and a branch, at its own commit.
    let push = |known: &mut Vec<Value>| {
        let name = format!("v{:03}", known.len());
        let commit = repository.commit("more", &[(&format!("more-{}", known.len()), "1")]);
        repository.tag(&name, &commit);
        repository.branch(&name, &commit);
        known.push(json!({ "ref": name, "commit": commit }));
    };
    push(&mut known);
    let check = |container: &Container, source: &Value, version: &Value| {
        Verb::check("git").container(container).request(&json!({ "source": source, "version": version }))
    };
    let wholes = kinds.each_ref().map(|source| {
        measured(|| {
            check(&Container::new(), source, &known[0]).run().succeeded();
        })
    });
    let (seed, moments) = moments();
    let mut containers = kinds.each_ref().map(|_| Container::new());
    for (round, moment) in moments.into_iter().enumerate() {
        let kind = round % kinds.len();
        if round % 12 < kinds.len() {
            containers[kind] = Container::new();
        }
        push(&mut known);
        let (source, container) = (&kinds[kind], &containers[kind]);
        let expected = &known[known.len() - 2..];
        kill_after(check(container, source, &expected[0]).spawn(), wholes[kind].mul_f64(moment), container);
        let outcome = check(container, source, &expected[0]).run();
        let what = format!("round {round}, killed after {moment:.3} of {:?}, JETWAY_TEST_SEED={seed}", wholes[kind]);
        assert_eq!(outcome.code, Some(0), "{what}: {}", outcome.stderr);
        let found = outcome.json();
        let found = found.as_array().expect("a list");
        // Branches with older tips may come before the known one.
        assert_eq!(found[found.len().saturating_sub(2)..], *expected, "{what}");
    }
}

#[test]
fn get_succeeds_after_a_get_killed_at_any_moment() {
    if Runner::chosen() == Runner::Image {
        return;
    }
    let (library, library_commits) = history(&["library"]);
    let (repository, _) = history(&["commit"; 20]);
    let modules = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {}\n", library.file_url());
    let change = repository.change("use it").write(".gitmodules", &modules).submodule("lib", &library_commits[0]);
    let commit = change.commit();
    let server = HttpGit::builder(repository.root()).credentials("bob", "s3cret").start();
    let source = logged_in(&server, &repository);
    let container = Container::new();
    let get = |destination: &TempDir, params: &Value| {
        let request = request(&source, Some(&commit), params);
        Verb::get("git").container(&container).dir(destination.path()).request(&request)
    };
    // Submodules take most of the time of a get, so only one round of four has them.
    let without = |params: Value| with(params, json!({ "submodules": "none" }));
    let kinds = [json!({}), without(json!({})), without(json!({ "depth": 1 })), without(json!({ "depth": 2 }))];
    let wholes = kinds.each_ref().map(|params| {
        measured(|| {
            get(&scratch::directory(), params).run().succeeded();
        })
    });
    let (seed, moments) = moments();
    for (round, moment) in moments.into_iter().enumerate() {
        let kind = round % kinds.len();
        let (params, whole) = (&kinds[kind], wholes[kind]);
        let half_done = scratch::directory();
        kill_after(get(&half_done, params).spawn(), whole.mul_f64(moment), &container);
        let destination = scratch::directory();
        let outcome = get(&destination, params).run();
        let what = format!("round {round}, killed after {moment:.3} of {whole:?}, JETWAY_TEST_SEED={seed}");
        assert_eq!(outcome.code, Some(0), "{what}: {}", outcome.stderr);
        assert_eq!(git::run(destination.path(), &["rev-parse", "HEAD"]), commit, "{what}");
        assert_eq!(git::run(destination.path(), &["status", "--porcelain"]), "", "{what}");
        assert!(destination.path().join("file-19").exists(), "{what}");
        assert_eq!(destination.path().join("lib/file-0").exists(), kind == 0, "{what}");
        // The password file of the killed get is gone.
        let files: Vec<_> = outcome.leftovers().into_iter().filter(|path| !path.is_dir()).collect();
        assert_eq!(files, Vec::<std::path::PathBuf>::new(), "{what}");
    }
}

#[test]
fn concurrent_puts_lose_no_commit_in_twenty_rounds() {
    const ROUNDS: usize = 20;
    let (repository, _) = history(&["one"]);
    let url = repository.file_url();
    for round in 1..=ROUNDS {
        // Both clones are created before the first push.
        let racers = ["left", "right"].map(|racer| {
            let inputs = scratch::directory();
            let checkout = Checkout::clone(&url, inputs.path(), "app");
            checkout.commit(racer, &[(&format!("{racer}-{round}"), "1")]);
            inputs
        });
        let refs: Vec<String> = thread::scope(|scope| {
            let put = |inputs: &TempDir| {
                let params = json!({ "repository": "app", "rebase": true });
                let request = request(&source(&url), None, &params);
                let outcome = Verb::put("git").dir(inputs.path()).request(&request).run();
                outcome.json()["version"]["ref"].as_str().expect("a ref").to_owned()
            };
            let threads = racers.each_ref().map(|inputs| scope.spawn(move || put(inputs)));
            threads.into_iter().map(|thread| thread.join().expect("a put")).collect()
        });
        let history = repository.history("main");
        assert_eq!(history.len(), 1 + 2 * round, "round {round}");
        // Each version is a commit on the server.
        assert!(refs.iter().all(|reference| history[..2].contains(reference)), "round {round}: {refs:?}, {history:?}");
        for racer in ["left", "right"] {
            assert_eq!(repository.file("main", &format!("{racer}-{round}")), "1");
        }
    }
}
