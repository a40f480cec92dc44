//! The image of the helm-release type.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use jetway_tests::layer::{self, Layer};
use jetway_tests::{git, registry, scratch};

use crate::{inside, inspect};

#[test]
fn has_the_helm_that_its_label_names_and_a_shell() {
    if !layer::require(Layer::Image("helm-release")) {
        return;
    }
    let labels = inspect(&layer::image_name("helm-release"))["Config"]["Labels"].take();
    let version = format!("v{}", labels["sh.helm.version"].as_str().unwrap());
    assert_eq!(inside("helm-release", &["helm", "version", "--template={{.Version}}"]), version);
    let script = "printf '#!/usr/bin/env sh\ncat\n' >/tmp/x && chmod +x /tmp/x && echo it runs | /tmp/x";
    assert_eq!(inside("helm-release", &["sh", "-c", script]), "it runs");
}

/// A release gets the helm of an architecture without a program to download from the source. `go` and qemu are placeholders here, since
/// helm takes minutes to compile: the case exercises the script, with the output of `go mod download -json` (`go help mod download`).
#[test]
fn builds_the_helm_of_another_architecture_from_its_module() {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/helm-release");
    let sums = fs::read_to_string(images.join("helm.sums")).unwrap();
    let row = sums.lines().find(|row| row.contains(" aarch64 module ")).unwrap();
    let [version, _, _, module, checksum] = row.split(' ').collect::<Vec<_>>()[..] else { panic!("{row}") };
    let directory = scratch::directory();
    let file = |name: &str| directory.path().join(name);
    for name in ["source", "programs", "authorities"] {
        fs::create_dir(file(name)).unwrap();
    }
    fs::write(file("authorities/root.crt"), "a certificate\n").unwrap();
    let place = |name: &str, script: &str| {
        let program = file("programs").join(name);
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let download =
        format!("{{\n\t\"Path\": \"x\",\n\t\"Sum\": \"$SUM\",\n\t\"Dir\": \"{}\"\n}}\n", file("source").display());
    place(
        "go",
        &format!(
            "#!/bin/sh\nif [ \"$1\" = mod ]; then cat <<END\n{download}END\nexit; fi\n\
             while [ \"$1\" != -o ]; do shift; done\necho \"helm for $GOARCH\" >\"$2\"\n"
        ),
    );
    place("qemu-aarch64-static", "#!/bin/sh\nexec \"$@\"\n");
    let make = |sum: &str, root: &str| {
        fs::create_dir(file(root)).unwrap();
        let path = format!("{}:{}", file("programs").display(), git::search_path());
        let variables = [("PATH", path.as_str()), ("SUM", sum), ("HELM_VERSION", version), ("JETWAY_ARCH", "arm64")];
        let mut command = Command::new(images.join("rootfs.sh"));
        command.arg(file(root)).env_clear().envs(variables).env("JETWAY_AUTHORITIES", file("authorities"));
        command.stdin(Stdio::null());
        command
    };
    let programs = registry::run(&mut make(checksum, "root"));
    assert!(programs.starts_with(&format!("helm {version} ")), "{programs}");
    assert_eq!(fs::read_to_string(file("root/usr/local/bin/helm")).unwrap(), "helm for arm64\n");
    let refused = make("h1:another", "refused").output().unwrap();
    let message = format!("helm-release: the checksum of {module} is not {checksum}\n");
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains(&message), "{refused:?}");
}
