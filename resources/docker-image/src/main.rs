//! The binary of the docker-image and registry-image resource types: which of the two it is, its installed name says.

fn main() -> std::process::ExitCode {
    jetway_docker_image::main()
}
