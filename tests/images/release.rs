//! A release, end to end: `images/release.sh` makes it for two architectures and pushes it to a registry on loopback.
//!
//! crane, cosign, oras and OpenSSL judge what arrives there. A whole release, with every type, its binaries and Debian's systems, is `make release`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::layer::{self, Layer};
use jetway_tests::registry::{Registry, run};
use jetway_tests::{binaries, counterparts, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// `images/release.sh` of a tree, which writes to `output` and may push to `registry`.
fn release(tree: &Path, registry: &Registry, version: &str, output: &Path) -> Command {
    let mut command = Command::new(tree.join("images/release.sh"));
    binaries::of_no_package(&mut command);
    for name in ["PUSH", "JETWAY_SIGNING_KEY", "JETWAY_RELEASE_BINARIES", "JETWAY_RELEASE_PLATFORMS", "JETWAY_BUILDER"]
    {
        command.env_remove(name);
    }
    command.arg(version).arg(registry.repository("org")).arg("slack").stdin(Stdio::null());
    command.env("JETWAY_RELEASE", output).env("DOCKER_CONFIG", output.join("no-logins"));
    command
}

/// A commit of this tree that is ready to be released.
fn releasable_tree() -> TempDir {
    let tree = scratch::directory();
    let entries = [
        "Cargo.toml",
        "Cargo.lock",
        "rust-toolchain.toml",
        "CHANGELOG.md",
        "LICENSE",
        ".gitignore",
        "images",
        "resources",
        "tests",
    ];
    let sources = entries.map(|entry| root().join(entry));
    run(Command::new("cp").arg("--archive").args(sources).arg(tree.path()));
    let changelog = tree.path().join("CHANGELOG.md");
    let text = fs::read_to_string(&changelog).unwrap();
    let (before, after) = text.split_once("\n## ").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    fs::write(&changelog, format!("{before}\n## {VERSION} (2026-01-02)\n{after}")).unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=Jet", "-c", "user.email=jet@example.com"];
        run(Command::new("git").arg("-C").arg(tree.path()).args(identity).args(arguments))
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "Release"]);
    tree
}

/// Makes a key pair, `key.pem` and `key.pub`.
fn make_key(directory: &Path) -> PathBuf {
    let key = directory.join("key.pem");
    let curve = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
    run(Command::new("openssl").args(curve).arg(&key));
    run(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&key).arg("-out").arg(directory.join("key.pub")));
    key
}

/// Releases of `slack` that are signed by a new key, `key.pem`. Each is written to a subdirectory of `directory`. The programs in it
/// are placeholders with the name of the architecture.
fn signed_releases(tree: &Path, registry: &Registry, directory: &Path) -> impl Fn(&str) -> Command {
    let key = make_key(directory);
    let placeholders = directory.join("binaries");
    for architecture in ["amd64", "arm64"] {
        fs::create_dir_all(placeholders.join(architecture)).unwrap();
        fs::write(placeholders.join(architecture).join("jetway-slack"), architecture).unwrap();
    }
    move |name| {
        let mut release = release(tree, registry, VERSION, &directory.join(name));
        release.env("JETWAY_RELEASE_BINARIES", &placeholders).env("JETWAY_SIGNING_KEY", &key);
        release.env("JETWAY_PUT", binaries::resource("registry-image"));
        release
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// `1.2.3`, `1.2`, `1`, `latest` and `dev`.
fn release_tags() -> Vec<String> {
    let parts: Vec<&str> = VERSION.split('.').collect();
    let numbers = (1..=parts.len()).map(|length| parts[..length].join("."));
    numbers.chain(["latest".to_owned(), "dev".to_owned()]).collect()
}

fn file(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn dry_run_sends_nothing_and_push_sends_the_same_images_signed_with_what_belongs_to_them() {
    let needed = [Layer::Program("openssl"), Layer::Program("docker-registry"), Layer::Counterpart("crane")];
    if !needed.into_iter().all(layer::require) {
        return;
    }
    let (registry, tree, directory) = (Registry::start(), releasable_tree(), scratch::directory());
    let path = |name: &str| directory.path().join(name);
    let release = signed_releases(tree.path(), &registry, directory.path());
    run(&mut release("first"));
    assert_eq!(registry.requests(), Vec::<String>::new());
    run(release("second").env("PUSH", "1"));
    for name in ["digests", "SHA256SUMS"] {
        assert_eq!(file(&path("first").join(name)), file(&path("second").join(name)), "{name}");
    }

    let crane = |arguments: &[&str]| {
        let messages = run(Command::new(counterparts::program("crane")).args(arguments));
        messages.trim().to_owned()
    };
    let digests = file(&path("second/digests"));
    let digest = digests.trim().strip_prefix("slack ").unwrap();
    let repository = registry.repository("org/jetway-slack");
    let tagged = |tag: &str| format!("{repository}:{tag}");
    for tag in release_tags() {
        assert_eq!(crane(&["digest", &tagged(&tag)]), digest, "{tag}");
    }
    crane(&["validate", "--remote", &tagged(VERSION)]);
    let index = parse(&crane(&["manifest", &tagged(VERSION)]));
    let images = index["manifests"].as_array().unwrap();
    assert_eq!(images.len(), 2);
    let kinds = |of: &str| -> Vec<Value> {
        let listed = parse(&crane(&["manifest", &tagged(&of.replace(':', "-"))]));
        listed["manifests"].as_array().unwrap().iter().map(|one| one["artifactType"].clone()).collect()
    };
    assert_eq!(kinds(digest), ["application/vnd.in-toto+json"]);
    for (image, architecture) in images.iter().zip(["amd64", "arm64"]) {
        assert_eq!(image["platform"], json!({ "architecture": architecture, "os": "linux" }));
        assert_eq!(kinds(image["digest"].as_str().unwrap()), ["application/vnd.cyclonedx+json"]);
    }
    let of_index = digest.replace(':', "-");
    crane(&["digest", &tagged(&format!("{of_index}.sig"))]);
    let attested = parse(&crane(&["manifest", &tagged(&format!("{of_index}.att"))]));
    let envelope = attested["layers"][0]["digest"].as_str().unwrap();
    let envelope = parse(&crane(&["blob", &format!("{repository}@{envelope}")]));
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(statement["subject"][0]["digest"]["sha256"], digest.trim_start_matches("sha256:"));
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    // DSSE, "Signature Definition".
    let kind = "application/vnd.in-toto+json";
    let signed = [format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).as_bytes(), &payload].concat();
    fs::write(path("signed"), signed).unwrap();
    let verify = |file: &Path, signature: &str| {
        fs::write(path("signature"), STANDARD.decode(signature).unwrap()).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-verify"]).arg(path("key.pub")).arg("-signature").arg(path("signature"));
        run(openssl.arg(file));
    };
    verify(&path("signed"), envelope["signatures"][0]["sig"].as_str().unwrap());
    verify(&path("second/SHA256SUMS"), &file(&path("second/SHA256SUMS.sig")));
    run(Command::new("sha256sum").args(["--check", "--strict", "--quiet", "SHA256SUMS"]).current_dir(path("second")));

    let bundle = path("second/bundles/arm64/slack");
    let metadata = parse(&file(&bundle.join("resource_metadata.json")));
    let expected = json!({ "type": "slack", "version": VERSION, "privileged": false, "unique_version_history": false });
    assert_eq!(metadata, expected);
    let member = ["--to-stdout", "./usr/local/bin/jetway-slack"];
    assert_eq!(run(Command::new("tar").arg("-xzf").arg(bundle.join("rootfs.tgz")).args(member)), "arm64");
}

#[test]
fn cosign_verifies_a_release_and_oras_finds_what_belongs_to_it() {
    let needed = [
        Layer::Program("openssl"),
        Layer::Program("docker-registry"),
        Layer::Counterpart("oras"),
        Layer::Counterpart("cosign"),
    ];
    if !needed.into_iter().all(layer::require) {
        return;
    }
    let (registry, tree, directory) = (Registry::start(), releasable_tree(), scratch::directory());
    let path = |name: &str| directory.path().join(name);
    let release = signed_releases(tree.path(), &registry, directory.path());
    run(release("release").env("PUSH", "1"));
    let digests = file(&path("release/digests"));
    let digest = digests.trim().strip_prefix("slack ").unwrap();
    let repository = registry.repository("org/jetway-slack");
    let index = format!("{repository}@{digest}");
    let cosign = |arguments: &[&str], name: &str| {
        let mut command = Command::new(counterparts::program("cosign"));
        command.args(arguments).args([
            "--key",
            "key.pub",
            "--insecure-ignore-tlog=true",
            "--allow-http-registry",
            name,
        ]);
        run(command.current_dir(directory.path()).env("HOME", directory.path()))
    };
    cosign(&["verify"], &index);
    let attested = cosign(&["verify-attestation", "--type", "https://slsa.dev/provenance/v1"], &index);
    let envelope = parse(attested.lines().last().unwrap());
    let statement = parse(&String::from_utf8(STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap()).unwrap());
    assert_eq!(statement["subject"][0]["digest"]["sha256"], digest.trim_start_matches("sha256:"));

    let oras = |arguments: &[&str]| {
        let mut command = Command::new(counterparts::program("oras"));
        run(command.args(arguments).arg("--plain-http").current_dir(directory.path()).env("HOME", directory.path()))
    };
    let referrers = |name: &str| {
        let found = parse(&oras(&["discover", "--format", "json", name]));
        let found = found["referrers"].as_array().or_else(|| found["manifests"].as_array()).unwrap().clone();
        found.into_iter().map(|one| (one["artifactType"].clone(), one["digest"].as_str().unwrap().to_owned()))
    };
    let of_index: Vec<Value> = referrers(&index).map(|(kind, _)| kind).collect();
    assert_eq!(of_index, ["application/vnd.in-toto+json"]);
    let images = parse(&oras(&["manifest", "fetch", &index]))["manifests"].as_array().unwrap().clone();
    for (image, architecture) in images.iter().zip(["amd64", "arm64"]) {
        let image = format!("{repository}@{}", image["digest"].as_str().unwrap());
        let bills: Vec<(Value, String)> = referrers(&image).collect();
        let [(kind, bill)] = bills.as_slice() else { panic!("{bills:?}") };
        assert_eq!(kind, "application/vnd.cyclonedx+json");
        oras(&["pull", &format!("{repository}@{bill}")]);
        let bill = parse(&file(&path(&format!("jetway-slack-{VERSION}-linux-{architecture}.cdx.json"))));
        assert_eq!(bill["bomFormat"], "CycloneDX", "{architecture}");
    }
}

#[test]
fn push_is_refused_before_anything_is_built_if_the_tree_is_not_ready() {
    if !layer::require(Layer::Program("docker-registry")) {
        return;
    }
    let (registry, output, tree) = (Registry::start(), scratch::directory(), releasable_tree());
    fs::write(tree.path().join("new-file"), "").unwrap();
    let output = output.path().join("output");
    let refused = release(tree.path(), &registry, "99.1.2", &output).env("PUSH", "1").output().unwrap();
    let messages = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{messages}");
    for problem in [
        format!("the version in Cargo.toml is {VERSION}"),
        format!("CHANGELOG.md begins with `## {VERSION} (2026-01-02)`, not with `## 99.1.2 (DATE)`"),
        "the work tree has changes".to_owned(),
        "JETWAY_SIGNING_KEY does not name the key to sign with".to_owned(),
    ] {
        assert!(messages.contains(&problem), "{problem}: {messages}");
    }
    assert!(!output.exists());
    assert_eq!(registry.requests(), Vec::<String>::new());
}
