//! The `jetway` command: what a person does with a pipeline file before Concourse sees it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jetway_tests::binaries;
use serde_json::json;

use crate::stage::Stage;
use crate::story::{Ran, Step, Story};

/// The pipeline of the chapter.
const PIPELINE: &str = "tests/pipelines/demo.yml";

/// Tells the chapter.
pub(crate) fn tell(story: &mut Story, stage: &Stage) {
    story.chapter("the jetway command");
    story.step("jetway validate", |step| validates(step, stage));
    story.step("jetway validate, with a mistake in the pipeline", |step| finds_a_mistake(step, stage));
    story.step("jetway check, straight from the pipeline", |step| checks(step, stage));
}

fn validates(step: &mut Step<'_>, stage: &Stage) {
    let ran = jetway(step, stage, root(), &["validate", PIPELINE]);
    step.expect("it finds nothing wrong", ran.code == Some(0));
}

fn finds_a_mistake(step: &mut Step<'_>, stage: &Stage) {
    let pipeline = fs::read_to_string(root().join(PIPELINE)).expect("read the pipeline");
    let (right, wrong) = ("rebase: true", "rebsae: true");
    let line = pipeline.lines().position(|line| line.contains(right)).expect("the pipeline rebases") + 1;
    step.say(&format!("A copy of the pipeline says `{wrong}` in line {line}."));
    fs::write(stage.workspace.path().join("typo.yml"), pipeline.replace(right, wrong)).expect("write a pipeline");
    let ran = jetway(step, stage, stage.workspace.path(), &["validate", "typo.yml"]);
    step.expect("the exit code tells a machine", ran.code == Some(1));
    let told = format!("{}{}", ran.stdout, ran.stderr);
    step.expect("the line is told", told.contains(&format!("typo.yml:{line}:")));
    step.expect("and what was meant", told.contains("did you mean `rebase`?"));
}

fn checks(step: &mut Step<'_>, stage: &Stage) {
    step.say(
        "The vars are in a file that nobody else may read: a password on the command line is in the list of processes.",
    );
    let source = stage.http_source();
    let vars = json!({ "uri": source["uri"], "username": source["username"], "password": source["password"] });
    let file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(stage.workspace.path().join("vars.yml"));
    // All JSON is YAML.
    file.and_then(|mut file| file.write_all(vars.to_string().as_bytes())).expect("write the vars");
    let pipeline = root().join(PIPELINE);
    let pipeline = pipeline.to_str().expect("UTF-8");
    let arguments = ["check", "--pipeline", pipeline, "--resource", "app", "--load-vars-from", "vars.yml"];
    let ran = jetway(step, stage, stage.workspace.path(), &arguments);
    step.same("it gives what Concourse would be given", &ran.response, &json!([{ "ref": stage.tip() }]));
}

fn jetway(step: &mut Step<'_>, stage: &Stage, directory: &Path, arguments: &[&str]) -> Ran {
    let shown = format!("jetway {}", arguments.join(" ")).replace(&format!("{}/", root().display()), "");
    step.command(&shown, &binaries::named("jetway"), directory, arguments, &stage.http)
}

/// The root of the workspace, where people call the command.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's root")
}
