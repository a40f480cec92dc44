//! The multi-branch pipeline that the established git resource publishes, and a pipeline that follows release tags.

use crate::TestDirectory;

const MULTI_BRANCH: &str = "\
resources:
- name: branches
  type: git
  source:
    uri: https://git.test/example/app.git
    version_type: branches
    branch_regex: ^(feature|fix)/
- name: ci
  type: git
  source: {uri: https://git.test/example/app.git, branch: main}
- name: golang
  type: git
  source:
    uri: https://git.test/golang/go.git
    version_type: tags
    tag_sort: version
    tag_regex: ^go1\\.[0-9]+\\.[0-9]+$
- name: postgresql
  type: git
  source: {uri: https://git.test/x.git, version_type: tags, tag_filter: postgresql/((major))*}

jobs:
- name: set-feature-pipelines
  plan:
  - in_parallel:
    - {get: branches, trigger: true}
    - {get: ci, trigger: true}
    - {get: golang}
    - {get: postgresql}
  - load_var: branches
    file: branches/branches.json
  - across:
    - var: branch
      values: ((.:branches))
    set_pipeline: dev
    file: ci/ci/pipeline.yml
    instance_vars: {branch: ((.:branch))}
";

#[test]
fn accepts_the_pipeline() {
    let outcome = TestDirectory::new().file("ci.yml", MULTI_BRANCH).jetway("validate ci.yml");
    assert_eq!(outcome.stdout, "no problems in 1 pipeline; 4 of 4 resources validated\n", "{}", outcome.stderr);
    assert_eq!(outcome.code, 0);
}

#[test]
fn reports_mistyped_version() {
    let text = MULTI_BRANCH.replace("version_type: branches", "version_type: branch");
    let outcome = TestDirectory::new().file("ci.yml", &text).jetway("validate ci.yml");
    let problem = "ci.yml:6:19: resource `branches`: `source.version_type`: expected `commits`, `tags`, `branches` or \
                   `branch_heads`, found `branch`";
    assert!(outcome.stdout.starts_with(problem), "{}", outcome.stdout);
    assert_eq!(outcome.code, 1);
}
