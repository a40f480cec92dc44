//! The demonstration from outside, so that it keeps working while what it shows goes on.
#![allow(clippy::expect_used, reason = "this is test code: what is not as it should be ends its test there and then")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Output};

use jetway_tests::layer::{Layer, require};
use jetway_tests::{binaries, scratch};

fn demo() -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_jetway-demo"));
    demo.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    demo
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_step_is_as_it_should_be_and_shows_no_secret() {
    if !require(Layer::Ssh) {
        return;
    }
    let output = demo().output().expect("start the demo");
    let told = told(&output);
    if require(Layer::Image("docker-image")) && require(Layer::Kubernetes) {
        assert!(told.contains("✓ three pods run the image"), "{told}");
    }
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains(" ok, 0 wrong, in "), "{told}");
    assert!(!told.contains("h%rse") && !told.contains("PRIVATE KEY") && !told.contains("Basic "), "{told}");
    assert!(!told.contains('\u{1b}'), "colours, and no terminal: {told}");
}

#[test]
fn a_resource_that_does_not_work_makes_it_fail_at_the_end() {
    if !require(Layer::Ssh) {
        return;
    }
    // In place of the git resource, a program that finds no version and reports what no server has.
    let directory = scratch::directory();
    let stand_in = directory.path().join("jetway-git");
    fs::write(&stand_in, "#!/bin/sh\ncat >/dev/null\necho '[]'\n").expect("write a program");
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).expect("make it executable");
    symlink(binaries::named("jetway"), directory.path().join("jetway")).expect("link the command");
    let output =
        demo().args(["git", "command"]).env("JETWAY_BINARIES", directory.path()).env("CLICOLOR_FORCE", "1").output();
    let output = output.expect("start the demo");
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let (story, summary) = told.split_once("── Summary").expect("a summary");
    assert!(story.contains("✗ it gives one version, the tip of the branch: found `[]`, expected `["), "{story}");
    // What the broken program is no part of is told all the same.
    assert!(story.contains("✓\u{1b}[0m it gives what Concourse would be given"), "{story}");
    assert!(summary.contains("\u{1b}[1;31mWRONG\u{1b}[0m") && summary.contains("\u{1b}[32mok"), "{summary}");
}
