//! The git resource type's binary.

fn main() -> std::process::ExitCode {
    jetway::main::<jetway_git::Git>()
}
