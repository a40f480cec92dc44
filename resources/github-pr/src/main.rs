//! The github-pr resource type's binary.

fn main() -> std::process::ExitCode {
    jetway::main::<jetway_github_pr::GithubPr>()
}
