//! Runs the README's examples: creates its files, runs its commands, and compares their output.

use crate::TestDirectory;

const README: &str = include_str!("../../README.md");

/// The fenced blocks: the text after the opening fence, and the lines of the block.
fn blocks() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, Vec<&str>)> = None;
    for line in README.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some((info, Vec::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn commands_of_the_readme_print_the_output_shown() {
    let place = TestDirectory::new();
    place.repository();
    place.file("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    place.file("vars.yml", "repository: file://PLACE/repo.git\ndeploy_key:\n");
    let mut commands = 0;
    for (info, lines) in blocks() {
        if let Some(name) = info.strip_prefix("yaml ") {
            place.file(name, &(lines.join("\n") + "\n"));
        } else if info == "console" {
            let text = lines.join("\n") + "\n";
            for session in text.strip_prefix("$ ").unwrap().split("\n$ ") {
                let (command, expected) = session.split_once('\n').unwrap_or((session, ""));
                let outcome = place.shell(&format!("{{ {command}; }} 2>&1"));
                assert_eq!(outcome.stdout.trim_end(), expected.trim_end(), "$ {command}");
                commands += 1;
            }
        }
    }
    assert!(commands >= 9, "the README has lost its examples: {commands} are left");
}
