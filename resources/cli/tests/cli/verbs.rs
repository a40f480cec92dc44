//! Verbs from a pipeline file, against a real repository.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use crate::{ONE, Outcome, TWO, TestDirectory};

const PIPELINE: &str = "\
resource_types:
- {name: mine, type: registry-image, source: {repository: registry.test/jetway-git}}
resources:
- name: repo
  type: mine
  source: &source {uri: ((uri)), branch: ((branches.main)), private_key: ((key))}
- {name: pinned, type: git, source: *source, version: {ref: 524f3107060bbb785c25e0920d00466d60438024}}
- {name: other, type: time, source: *source}
- {name: numbered, type: git, source: {uri: ((uri)), branch: 1.10}}
jobs:
- name: test
  plan:
  - get: repo
    params: {depth: 1}
- name: many
  plan:
  - get: repo
  - do:
    - {get: shallow, resource: repo, params: {git.depth: ((depth))}}
- name: release
  plan:
  - put: repo
    params: {repository: changed}
  on_failure: {put: repo, params: {repository: ((unused))}}
";

const VARS: &str = "--var uri=file://PLACE/repo.git --var branches.main=main --yaml-var key=";

fn place() -> TestDirectory {
    let place = TestDirectory::new();
    place.repository().file("ci.yml", PIPELINE);
    place
}

fn run(place: &TestDirectory, arguments: &str) -> Outcome {
    place.jetway(&format!("{arguments} --pipeline ci.yml {VARS}"))
}

fn assert_refused(outcome: &Outcome, stderr: &str) {
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (1, "", stderr));
}

#[test]
fn check_returns_the_versions() {
    let place = place();
    let outcome = run(&place, "check --resource repo");
    assert_eq!(outcome.stdout, format!("[{{\"ref\":\"{TWO}\"}}]\n"), "{}", outcome.stderr);
    let outcome = run(&place, &format!("check --resource repo --version ref={ONE}"));
    assert_eq!(outcome.stdout, format!("[{{\"ref\":\"{ONE}\"}},{{\"ref\":\"{TWO}\"}}]\n"), "{}", outcome.stderr);
    assert_eq!(outcome.code, 0);
}

#[test]
fn get_uses_requested_pinned_or_newest_version() {
    let place = place();
    for (arguments, fetched) in [
        (format!("get --resource repo --version ref={ONE} asked"), ONE),
        ("get --resource pinned pinned".to_owned(), ONE),
        ("get --resource repo newest".to_owned(), TWO),
    ] {
        let outcome = run(&place, &arguments);
        assert!(outcome.stdout.starts_with(&format!("{{\"version\":{{\"ref\":\"{fetched}\"}}")), "{}", outcome.stderr);
        assert_eq!(
            outcome.stderr.contains("running a check of `repo` for the newest version"),
            arguments.ends_with("newest")
        );
        let directory = arguments.rsplit(' ').next().unwrap();
        assert_eq!(place.shell(&format!("git -C {directory} rev-parse HEAD")).stdout.trim(), fetched);
    }
}

#[test]
fn uses_params_of_the_step() {
    let place = place();
    let commits = |directory: &str| place.shell(&format!("git -C {directory} rev-list --count HEAD")).stdout;
    assert_eq!(run(&place, "get --resource repo --job test shallow").code, 0);
    assert_eq!(commits("shallow").trim(), "1");
    let outcome = run(&place, "get --resource repo whole");
    assert_eq!(commits("whole").trim(), "2");
    assert!(
        outcome.stderr.starts_with(
            "warning: no `--job` is given: running the get without params; job `test` has params for `repo`"
        ),
        "{}",
        outcome.stderr
    );
    for step in ["2", "shallow"] {
        let outcome = run(&place, &format!("get --resource repo --job many --step {step} --var depth=1 step-{step}"));
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert_eq!(commits(&format!("step-{step}")).trim(), "1");
    }
}

#[test]
fn reports_ambiguous_step() {
    let place = place();
    assert_refused(
        &run(&place, "get --resource repo --job many x"),
        "error: job `many` has 2 get steps of `repo`; choose one with `--step`\n\
         hint: `--step 1`: get `repo` in line 17\n\
         hint: `--step 2`: get `shallow` in line 19\n",
    );
    assert_refused(
        &run(&place, "get --resource repo --job many --step 3 x"),
        "error: `--step 3` matches 0 steps\n\
         hint: `--step 1`: get `repo` in line 17\n\
         hint: `--step 2`: get `shallow` in line 19\n",
    );
    assert_refused(
        &run(&place, "get --resource repo --job tset x"),
        "error: job `tset` has no get step of `repo`\nhint: jobs with such a step: test, many\n",
    );
}

#[test]
fn put_requires_only_the_vars_of_its_step() {
    let place = place();
    let made =
        place.shell("git clone -q repo.git inputs/changed && git -C inputs/changed commit -qm three --allow-empty");
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert_refused(
        &run(&place, "put --resource repo --job release --step 2 inputs"),
        "error: a var has no value\n    ci.yml:24:48: `((unused))`: not set\n\
         hint: use `--var unused=VALUE`, `--var unused=@FILE` or `--load-vars-from FILE`\n",
    );
    let outcome = run(&place, "put --resource repo --job release --step 1 inputs");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let pushed = place.shell("git -C repo.git rev-parse main").stdout;
    assert!(
        outcome.stdout.starts_with(&format!("{{\"version\":{{\"ref\":\"{}\"}}", pushed.trim())),
        "{}",
        outcome.stdout
    );
    assert_eq!(place.shell("git -C repo.git log -1 --format=%s main").stdout, "three\n");
}

#[test]
fn sends_numbers_like_concourse() {
    let place = place();
    let outcome = run(&place, "check --resource numbered");
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.starts_with(
            "warning: ci.yml:9:62: resource `numbered`: `source.branch`: Concourse converts `1.10` to `1.1`; quote it: '1.10'\n"
        ) && outcome.stderr.contains("`1.1`"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn reports_all_missing_vars_at_once() {
    let place = TestDirectory::new();
    place.file(
        "ci.yml",
        "resources:\n- name: repo\n  type: git\n  source:\n    uri: https://((host))/x\n    username: ((vault:user))\n    \
         password: {{password}}\n    private_key: ((db.key))\n    branch: x((list))\n",
    );
    assert_refused(
        &place.jetway("check -p ci.yml -r repo --yaml-var db={} --yaml-var list=[hunter2]"),
        "error: 5 vars have no value\n    \
         ci.yml:5:10: `((host))`: not set\n    \
         ci.yml:6:15: `((vault:user))`: from a var source, which only Concourse can read\n    \
         ci.yml:7:15: `{{password}}`: not set\n    \
         ci.yml:8:18: `((db.key))`: it has no field `key`\n    \
         ci.yml:9:13: `((list))`: it is a list, which cannot be inserted into text\n\
         hint: use `--var host=VALUE`, `--var host=@FILE` or `--load-vars-from FILE`\n",
    );
}

#[test]
fn reports_invalid_calls_before_running_a_type() {
    let place = place();
    assert_refused(
        &run(&place, "check --resource rpeo"),
        "error: resource `rpeo` is not declared in `ci.yml`\nhint: did you mean `repo`?\n",
    );
    assert_refused(
        &run(&place, "check --resource other"),
        "error: resource `other` has a type `time` that `jetway` does not support\n\
         hint: supported types: docker-image, registry-image, git, github-pr, github-status, helm-release, jira, slack\nhint: if its image is one of these types, set `--type TYPE`\n",
    );
    assert_eq!(run(&place, "check --resource other --type git").stdout, format!("[{{\"ref\":\"{TWO}\"}}]\n"));
    assert_refused(
        &run(&place, "check --resource other --type gti"),
        "error: unknown type `gti`\nhint: did you mean `git`?\n",
    );
    place.file("twice.yml", "resources:\n- {name: a, type: git, source: {uri: x, brnach: y}}\n- {name: b, name: c}\n");
    assert_refused(
        &place.jetway("check -p twice.yml -r a"),
        "error: the pipeline is not valid\n    twice.yml:3:13: `name` is set twice (first at 3:4)\n",
    );
    place.file("wrong.yml", "resources:\n- {name: a, type: git, source: {uri: x, brnach: y}}\n");
    assert_refused(
        &place.jetway("check -p wrong.yml -r a"),
        "error: the configuration of resource `a` is not valid\n    \
         wrong.yml:2:41: resource `a`: `source.brnach`: unknown key; did you mean `branch`?\n",
    );
    assert_refused(
        &run(&place, "get --resource repo --version ref x"),
        "error: `--version ref` is not a key and value\nhint: use `--version KEY=VALUE`\n",
    );
}

#[test]
fn git_asks_the_command_for_passwords() {
    // git runs its askpass program, which is the same binary under another name.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let place = TestDirectory::new();
    place.file(
        "ci.yml",
        &format!(
            "resources:\n- name: repo\n  type: git\n  source:\n    uri: http://127.0.0.1:{port}/x\n    branch: main\n    \
             username: bob\n    password: ((password))\n"
        ),
    );
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let authorization = server.incoming().find_map(|connection| {
            let mut connection = connection.unwrap();
            let lines = BufReader::new(connection.try_clone().unwrap()).lines().map(Result::unwrap);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let given = head.iter().find_map(|line| line.strip_prefix("Authorization: ").map(str::to_owned));
            let status = match given {
                Some(_) => "404 Not Found",
                None => "401 Unauthorized\r\nWWW-Authenticate: Basic realm=x",
            };
            write!(connection, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            given
        });
        sender.send(authorization.unwrap())
    });
    let outcome = place.jetway("check -p ci.yml -r repo --var password=hunter2");
    assert_eq!(outcome.code, 1);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    // base64 of `bob:hunter2`.
    let authorization = receiver.recv_timeout(Duration::from_secs(10));
    assert_eq!(authorization.as_deref(), Ok("Basic Ym9iOmh1bnRlcjI="), "{}", outcome.stderr);
}
