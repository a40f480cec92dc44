//! Invalid pipelines, and valid ones with unusual syntax: the exact messages and exit codes.

use crate::TestDirectory;

fn validate(text: &str) -> (i32, String) {
    validate_with(text, "")
}

fn validate_with(text: &str, arguments: &str) -> (i32, String) {
    let place = TestDirectory::new();
    let outcome = place.file("ci.yml", text).jetway(&format!("validate ci.yml {arguments}"));
    assert_eq!(outcome.stderr, "");
    (outcome.code, outcome.stdout)
}

#[test]
fn reports_mistakes_with_line_and_column() {
    let (code, stdout) = validate(
        "\
resource_types:
- name: ours
  type: registry-image
  source: {repository: registry.test:5000/team/jetway-git, tag: 1.2}
resources:
- name: repo
  type: ours
  source:
    uri: https://git.test/x
    brnach: main
    paths: src
    debgu: true
    password: [hunter2]
    uri: https://git.test/y
- name: bare
  type: git
jobs:
- name: test
  plan:
  - get: repo
    params: {depth: -1}
    version: newest
  - do:
    - in_parallel:
        steps:
        - put: bare
          resource: bare
          params: {repository: ../x}
          get_params: {git.depht: 1}
  ensure: {put: bear, params: {}}
",
    );
    assert_eq!(
        stdout,
        "\
ci.yml:10:5: resource `repo`: `source.brnach`: unknown key; did you mean `branch`?
ci.yml:11:12: resource `repo`: `source.paths`: expected a list, found text
ci.yml:12:5: resource `repo`: `source.debgu`: unknown key; did you mean `debug`?
ci.yml:13:15: resource `repo`: `source.password`: expected text, found a list
ci.yml:14:5: `uri` is set twice (first at 9:5)
ci.yml:15:9: resource `bare`: `source.uri`: required, but missing
ci.yml:21:21: job `test`, get `repo`: `params.depth`: expected a whole number from 0 to 4294967295, found -1
ci.yml:22:14: job `test`, get `repo`: `version`: expected `every`, `latest` or keys and values
ci.yml:28:32: job `test`, put `bare`: `params.repository`: must stay inside the directory of the inputs
ci.yml:29:24: job `test`, put `bare`: `get_params.git.depht`: unknown key; did you mean `git.depth`?
ci.yml:30:17: job `test`, put `bear`: resource `bear` is not declared
11 problems in 1 pipeline; 2 of 2 resources validated
"
    );
    assert_eq!(code, 1);
}

#[test]
fn warns_of_unknown_keys_unless_misspelt_or_rejected() {
    let pipeline = "\
resources:
- name: chat
  type: slack
  source: {URL: ((hook)), globs: [x], chanel: general}
- name: image
  type: docker-image
  source: {repository: r, email: e}
- name: registry
  type: registry-image
  source: {repository: r, allow_unknown_keys: true, email: e}
- name: own
  type: slack
  source: {url: ((hook)), strict: true}
jobs:
- name: j
  plan:
  - get: image
    params: {depth: 1}
  - put: own
    params: {text: x, trigger: true}
  - get: registry
    params: {globs: []}
  - put: chat
    params: {text: x}
";
    let expected = "\
ci.yml:4:12: warning: resource `chat`: `source.URL`: the key is written `url`
ci.yml:4:27: warning: resource `chat`: `source.globs`: unknown key, ignored
ci.yml:4:39: resource `chat`: `source.chanel`: unknown key; did you mean `channel`?
ci.yml:7:27: warning: resource `image`: `source.email`: unknown key, ignored
ci.yml:10:53: warning: resource `registry`: `source.email`: unknown key, ignored since `allow_unknown_keys` is set
ci.yml:18:14: warning: job `j`, get `image`: `params.depth`: unknown key, ignored
";
    let (code, stdout) = validate(pipeline);
    let (told, rest) = stdout.split_at(expected.len().min(stdout.len()));
    assert_eq!(told, expected);
    assert!(
        rest.starts_with("ci.yml:20:23: job `j`, put `own`: `params.trigger`: unknown key; known keys: "),
        "{rest}"
    );
    let last = "\
ci.yml:22:14: warning: job `j`, get `registry`: `params.globs`: unknown key, ignored since `allow_unknown_keys` is set
2 problems, 6 warnings in 1 pipeline; 4 of 4 resources validated
";
    assert!(rest.ends_with(last), "{rest}");
    assert_eq!(code, 1);

    let (code, stdout) =
        validate_with("resources: [{name: i, type: docker-image, source: {repository: r, email: e}}]\n", "--strict");
    assert!(stdout.starts_with("ci.yml:1:67: resource `i`: `source.email`: unknown key; known keys: "), "{stdout}");
    assert_eq!(code, 1);
    let refused = "resources: [{name: i, type: registry-image, source: {repository: r, email: e}}]\n";
    assert!(validate(refused).1.contains("`source.email`: unknown key; known keys: "));
    let refused =
        "resources: [{name: r, type: git, source: {uri: u, email: e, git_config: [{name: a.b, value: c, x: y}]}}]\n";
    let (_, stdout) = validate(refused);
    assert!(stdout.contains("ci.yml:1:51: resource `r`: `source.email`: unknown key; known keys: "), "{stdout}");
    assert!(stdout.contains("warning: resource `r`: `source.git_config[0].x`: unknown key, ignored\n"), "{stdout}");
}

#[test]
fn reports_nothing_for_a_valid_pipeline_with_mixed_types() {
    let (code, stdout) = validate(
        "\
var_sources:
- {name: vault, type: vault, config: {url: ((vault_url))}}
resource_types:
- {name: slack, type: registry-image, source: {repository: somebody/slack-resource}}
resources:
- name: repo
  type: git
  check_every: 1m
  webhook_token: ((vault:token))
  source:
    uri: ((vault:repo.uri))
    branch: ((branch))
    private_key: ((deploy_key))
    disable_ci_skip: ((skip))
- {name: nightly, type: time, source: {interval: 24h, days: [Monday], unknown: 1.10}}
- {name: notify, type: slack, source: {url: ((hook))}}
- {name: image, type: registry-image, source: {repository: x, tag: '1.10'}}
groups: [{name: all, jobs: ['*']}]
jobs:
- name: test
  serial: true
  plan:
  - in_parallel:
      limit: 2
      fail_fast: true
      steps:
      - {get: nightly, trigger: true}
      - {get: image}
      - {get: code, resource: repo, trigger: true, passed: [], params: {depth: ((depth))}, version: every}
  - {load_var: tag, file: code/tag}
  - task: unit
    attempts: 3
    timeout: 1h
    config:
      platform: linux
      image_resource: {type: registry-image, source: {repository: busybox}}
      params: {VERSION: 1.10, TEMPLATE: '{{ .Values.x }}'}
      run: {path: sh, args: [-c, 'echo $((1 + 2)) {{x}}']}
  - across: [{var: a, values: [1, 2], max_in_flight: all}]
    put: repo
    params: {repository: 'code-((.:a))', rebase: true}
    no_get: true
  on_failure: {try: {put: notify, params: {text: ((.:tag))}}}
- {name: empty, plan: []}
",
    );
    assert_eq!(stdout, "no problems in 1 pipeline; 2 of 4 resources validated\n");
    assert_eq!(code, 0);
}

#[test]
fn rejects_removed_syntax_with_its_replacement() {
    let text = "\
resources:
- name: repo
  type: git
  source:
    uri: {{repo-uri}}
    branch: {{branch}}
    private_key: {{key}}
jobs:
- name: test
  plan:
  - aggregate:
    - get: repo
      params: {git.depth: {{depth}}}
";
    let refused = "\
ci.yml:5:10: Concourse rejects `{{repo-uri}}`; write `((repo-uri))`
ci.yml:6:13: Concourse rejects `{{branch}}`; write `((branch))`
ci.yml:7:18: Concourse rejects `{{key}}`; write `((key))`
ci.yml:11:5: Concourse rejects `aggregate`, which version 7 removed; use `in_parallel`
ci.yml:13:27: Concourse rejects `{{depth}}`; write `((depth))`
";
    let expected = format!("{refused}5 problems in 1 pipeline; 1 of 1 resource validated\n");
    assert_eq!(validate(text), (1, expected));
    let (code, stdout) = validate_with(text, "--var repo-uri=https://git.test/x --yaml-var depth=[1]");
    assert_eq!(
        stdout,
        format!(
            "{refused}ci.yml:13:27: job `test`, get `repo`: `params.git.depth`: expected a whole number, found a list\n\
             6 problems in 1 pipeline; 1 of 1 resource validated\n"
        )
    );
    assert_eq!(code, 1);
}

#[test]
fn reports_mistakes_at_their_position_in_anchors_and_merges() {
    let (_, stdout) = validate(
        "\
base: &base
  uri: https://git.test/x
  brnach: main
resources:
- name: one
  type: git
  source: {<<: *base, paths: [a]}
- {name: two, type: git, source: {uri: x, branch: &branch 010}}
- {name: three, type: git, source: {uri: x, branch: *branch}}
",
    );
    assert_eq!(
        stdout,
        "\
ci.yml:3:3: resource `one`: `source.brnach`: unknown key; did you mean `branch`?
ci.yml:8:59: warning: resource `three`: `source.branch`: Concourse converts `010` to `8`; quote it: '010'
ci.yml:8:59: warning: resource `two`: `source.branch`: Concourse converts `010` to `8`; quote it: '010'
1 problem, 2 warnings in 1 pipeline; 3 of 3 resources validated
"
    );
}

#[test]
fn exits_with_2_for_unusable_file_after_validating_the_others() {
    let place = TestDirectory::new();
    place.file("good.yml", "resources: []\n").file("list.yml", "[a]\n").file("empty.yml", "# nothing\n");
    place.file("open.yml", "resources:\n- name: \"hunter2\n");
    std::fs::write(place.path().join("latin1.yml"), b"resources: [] # caf\xe9\n").unwrap();
    let outcome = place.jetway("validate good.yml list.yml empty.yml open.yml latin1.yml none.yml");
    assert_eq!(
        outcome.stdout,
        "\
list.yml:1:1: expected a pipeline: `resources` and `jobs`, found a list
empty.yml: the file is empty
open.yml:2:9: not valid YAML: unclosed quote
latin1.yml: not UTF-8 (byte 20)
none.yml: cannot be read: No such file or directory (os error 2)
5 files cannot be used in 6 pipelines; 0 of 0 resources validated
"
    );
    assert_eq!((outcome.code, outcome.stderr.as_str()), (2, ""));
}

#[test]
fn exits_with_2_for_wrong_usage() {
    let place = TestDirectory::new();
    assert_eq!(place.jetway("").code, 2);
    assert_eq!(place.jetway("validate").code, 2);
    assert_eq!(place.jetway("verify").code, 2);
    assert_eq!(place.jetway("--help").code, 0);
    let outcome = place.file("ci.yml", "a: b\n").jetway("validate ci.yml --var hunter2");
    assert_eq!(outcome.code, 2);
    assert_eq!(outcome.stderr, "error: `--var` requires a name and a value\nhint: use `--var NAME=VALUE`\n");
}

#[test]
fn never_shows_values_of_vars() {
    let text = "\
resources:
- {name: repo, type: git, source: {uri: u, version_depth: ((secret)), debug: ((secret)), private_key: ((secret))}}
jobs: [{name: j, plan: [{get: repo, version: ((secret))}, {get: ((secret))}]}]
";
    for secret in ["hunter2-hunter2", "-4711", "[hunter2-hunter2]", "{a: hunter2-hunter2}", "1.1000000"] {
        let place = TestDirectory::new();
        place.file("ci.yml", text).file("vars.yml", &format!("secret: {secret}\n"));
        for command in ["validate ci.yml", "check -p ci.yml -r repo"] {
            let outcome = place.jetway(&format!("{command} --load-vars-from vars.yml"));
            let all = outcome.stdout + &outcome.stderr;
            assert_ne!(outcome.code, 0, "{all}");
            for shown in ["hunter2", "4711", "1.1"] {
                assert!(!all.contains(shown), "{secret}: {all}");
            }
        }
    }
}

#[test]
fn finds_the_step_that_creates_an_input_at_any_depth() {
    let pipeline = |input: &str| {
        format!(
            "\
resources:
- {{name: nightly, type: time, source: {{interval: 24h}}}}
- {{name: repo, type: git, source: {{uri: u, branch: main}}}}
jobs:
- name: release
  plan:
  - try: {{get: nightly}}
  - task: bump
    config: {{platform: linux, run: {{path: x}}, outputs: [{{name: bumped}}]}}
    on_failure: {{get: notes, resource: nightly}}
  - put: repo
    inputs: [nightly, notes, {input}]
    params: {{repository: bumped}}
"
        )
    };
    assert_eq!(validate(&pipeline("bumped")).0, 0);
    let (code, stdout) = validate(&pipeline("bump"));
    assert_eq!(code, 1);
    assert!(
        stdout.starts_with(
            "ci.yml:12:30: job `release`, put `repo`: no step of the job produces the input `bump`; did you mean `bumped`?\n"
        ),
        "{stdout}"
    );
}
