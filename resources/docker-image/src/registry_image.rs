//! The binary of the registry-image resource type.

fn main() -> std::process::ExitCode {
    jetway::main::<jetway_docker_image::RegistryImage>()
}
