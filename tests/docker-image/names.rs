//! The type of a binary does not depend on its name.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use jetway_tests::registry::run;
use jetway_tests::{binaries, scratch};

/// The error for a request without a repository.
fn refusal(mut command: Command) -> String {
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start the binary");
    child.stdin.take().expect("its standard input").write_all(b"{\"source\": {}}").expect("write the request");
    String::from_utf8(child.wait_with_output().expect("wait for the binary").stderr).expect("its messages are text")
}

#[test]
fn renamed_binary_keeps_its_type() {
    for (kind, other) in [("docker-image", "registry-image"), ("registry-image", "docker-image")] {
        let directory = scratch::directory();
        let folder = directory.path().join("opt/resource");
        fs::create_dir_all(&folder).expect("make the folder");
        // A separate process copies the binary: a forked child of this process could keep the copy open for writing,
        // which prevents its execution.
        let copy = |path: &Path| run(Command::new("cp").arg(binaries::resource(kind)).arg(path));
        copy(&folder.join("check"));
        let called = refusal(Command::new(folder.join("check")));
        assert!(called.contains(&format!("(jetway-{kind} ")), "{called}");

        // Found through PATH, with the name of the other type.
        let name = format!("jetway-{other}");
        copy(&directory.path().join(&name));
        let mut by_path = Command::new(&name);
        by_path.arg("check").env("PATH", directory.path());
        let called = refusal(by_path);
        assert!(called.contains(&format!("(jetway-{kind} ")), "{called}");
    }
}
