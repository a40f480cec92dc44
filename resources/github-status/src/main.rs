//! The github-status resource type's binary.

fn main() -> std::process::ExitCode {
    jetway::main::<jetway_github_status::GithubStatus>()
}
