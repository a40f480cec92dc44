//! The jira resource type's binary.

fn main() -> std::process::ExitCode {
    jetway::main::<jetway_jira::Jira>()
}
