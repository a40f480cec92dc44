//! The slack resource type's binary.

fn main() -> std::process::ExitCode {
    jetway::main::<jetway_slack::Slack>()
}
