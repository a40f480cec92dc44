//! The helm-release resource type's binary.

fn main() -> std::process::ExitCode {
    jetway::main::<jetway_helm_release::HelmRelease>()
}
