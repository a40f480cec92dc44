//! The binary of the docker-image resource type.

fn main() -> std::process::ExitCode {
    jetway::main::<jetway_docker_image::DockerImage>()
}
