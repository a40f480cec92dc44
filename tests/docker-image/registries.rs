//! The same cases against every available registry: CNCF distribution 2.8 and 3, go-containerregistry and Gitea. crane,
//! skopeo, oras and cosign verify the results.

use std::fs;
use std::path::Path;
use std::process::Command;

use jetway_tests::daemon::Daemon;
use jetway_tests::gitea::{self, gitea};
use jetway_tests::layer::{Layer, require};
use jetway_tests::registry::image::{Compression, Image};
use jetway_tests::registry::{Registry, run};
use jetway_tests::{counterparts, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::put::tar;
use crate::support::{check, get, merge, put, read, tags};

/// A registry that runs until it is dropped.
struct Server {
    name: &'static str,
    /// `HOST:PORT`, and the prefix of its repositories.
    prefix: String,
    login: Option<(&'static str, &'static str)>,
    _running: Running,
}

enum Running {
    Distribution2 {
        _registry: Box<Registry>,
    },
    Daemon {
        _daemon: Daemon,
        _directory: TempDir,
    },
    /// The registry that all tests of this process share.
    Shared,
}

impl Server {
    fn repository(&self, path: &str) -> String {
        format!("{}/{path}", self.prefix)
    }

    fn source(&self, path: &str, more: Value) -> Value {
        let mut source = json!({ "repository": self.repository(path) });
        if let Some((username, password)) = self.login {
            merge(&mut source, json!({ "username": username, "password": password }));
        }
        merge(&mut source, more);
        source
    }

    /// The digest of a tag, read by skopeo.
    fn digest(&self, path: &str, tag: &str) -> String {
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["inspect", "--tls-verify=false", "--no-tags", "--format", "{{.Digest}}"]);
        if let Some((username, password)) = self.login {
            skopeo.args(["--creds", &format!("{username}:{password}")]);
        }
        run(skopeo.arg(format!("docker://{}:{tag}", self.repository(path)))).trim().to_owned()
    }
}

/// All registries that can run on this machine.
fn servers() -> Vec<Server> {
    let registry = Registry::start();
    let prefix = registry.host();
    let running = Running::Distribution2 { _registry: Box::new(registry) };
    let mut servers = vec![Server { name: "distribution 2", prefix, login: None, _running: running }];
    if require(Layer::Counterpart("distribution")) {
        let directory = scratch::directory();
        let (daemon, port) = Daemon::listen(|port| {
            let root = directory.path().join("storage");
            let configuration = format!(
                "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
                 http: {{addr: '127.0.0.1:{port}'}}\n",
                root.display()
            );
            fs::write(directory.path().join("config.yml"), configuration).expect("write the registry's configuration");
            let mut command = Command::new(counterparts::program("distribution"));
            command.arg("serve").arg(directory.path().join("config.yml"));
            // Otherwise the registry sends traces to a collector.
            command.env("OTEL_TRACES_EXPORTER", "none");
            command
        });
        let running = Running::Daemon { _daemon: daemon, _directory: directory };
        let prefix = format!("localhost:{port}");
        servers.push(Server { name: "distribution 3", prefix, login: None, _running: running });
    }
    if require(Layer::Counterpart("crane")) {
        let directory = scratch::directory();
        let (daemon, port) = Daemon::listen(|port| {
            let mut command = Command::new(counterparts::program("crane"));
            command.args(["registry", "serve", "--address", &format!("127.0.0.1:{port}")]);
            command.arg("--disk").arg(directory.path());
            command
        });
        let running = Running::Daemon { _daemon: daemon, _directory: directory };
        let prefix = format!("localhost:{port}");
        servers.push(Server { name: "go-containerregistry", prefix, login: None, _running: running });
    }
    if let Some(gitea) = gitea() {
        let prefix = format!("{}/{}", gitea.host(), gitea::USER);
        let login = Some((gitea::USER, gitea::PASSWORD));
        servers.push(Server { name: "gitea", prefix, login, _running: Running::Shared });
    }
    servers
}

/// An image with two layers, whose file `word` contains `word`.
fn image(word: &str, compression: Compression) -> Image {
    let archives = [tar("base", b"the base\n"), tar("word", word.as_bytes())];
    Image::of_archives(&json!({ "Env": ["A=b"], "Labels": { "word": word } }), &archives, compression)
}

/// A unique image.
fn last() -> Image {
    image("last\n", Compression::Gzip)
}

/// Inputs with the image as an OCI layout in `image`.
fn inputs(image: &Image) -> TempDir {
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("image"));
    inputs
}

/// Puts an image, and returns the digest in the version.
fn put_image(server: &Server, path: &str, image: &Image, more: Value, params: Value) -> String {
    let mut all = json!({ "image": "image" });
    merge(&mut all, params);
    let outcome = put("registry-image", &server.source(path, more), &all, inputs(image).path());
    assert!(outcome.code == Some(0), "{}: {}", server.name, outcome.stderr);
    outcome.json()["version"]["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn put_reports_digest_of_pushed_image() {
    for server in servers() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let image = image("hello\n", compression);
            let digest = put_image(&server, "cases/put", &image, json!({ "tag": "1" }), json!({}));
            assert_eq!(server.digest("cases/put", "1"), digest, "{}", server.name);
            assert_eq!(digest, image.manifest.digest, "{}", server.name);
        }
    }
}

#[test]
fn repeated_put_reports_the_same_version() {
    for server in servers() {
        let image = image("again\n", Compression::Gzip);
        let first = put_image(&server, "cases/repeat", &image, json!({ "tag": "1" }), json!({}));
        let second = put_image(&server, "cases/repeat", &image, json!({ "tag": "1" }), json!({}));
        assert_eq!(first, second, "{}", server.name);
    }
}

#[test]
fn put_pushes_additional_tags() {
    for server in servers() {
        let image = image("tags\n", Compression::Gzip);
        let inputs = inputs(&image);
        fs::write(inputs.path().join("tags"), "latest stable\n").unwrap();
        let params = json!({ "image": "image", "additional_tags": "tags" });
        let outcome =
            put("registry-image", &server.source("cases/tags", json!({ "tag": "1" })), &params, inputs.path());
        assert!(outcome.code == Some(0), "{}: {}", server.name, outcome.stderr);
        for tag in ["1", "latest", "stable"] {
            assert_eq!(server.digest("cases/tags", tag), image.manifest.digest, "{} {tag}", server.name);
        }
    }
}

#[test]
fn check_finds_moved_tag() {
    for server in servers() {
        let source = server.source("cases/moves", json!({ "tag": "1" }));
        let first =
            put_image(&server, "cases/moves", &image("one\n", Compression::Gzip), json!({ "tag": "1" }), json!({}));
        let known = json!({ "tag": "1", "digest": first });
        assert_eq!(check("registry-image", &source, Some(&known)).json(), json!([known]), "{}", server.name);
        let second =
            put_image(&server, "cases/moves", &image("two\n", Compression::Gzip), json!({ "tag": "1" }), json!({}));
        let listed = check("registry-image", &source, Some(&known)).json();
        // Gitea deletes a manifest that has no tag any more.
        let versions = [json!({ "tag": "1", "digest": first }), json!({ "tag": "1", "digest": second })];
        let expected = if server.name == "gitea" { &versions[1..] } else { &versions[..] };
        assert_eq!(listed, json!(expected), "{}", server.name);
    }
}

#[test]
fn check_of_missing_tag_returns_no_version() {
    for server in servers() {
        put_image(&server, "cases/absent", &image("x\n", Compression::Gzip), json!({ "tag": "1" }), json!({}));
        let outcome = check("registry-image", &server.source("cases/absent", json!({ "tag": "2" })), None);
        assert!(outcome.code == Some(0), "{}: {}", server.name, outcome.stderr);
        assert_eq!(outcome.json(), json!([]), "{}", server.name);
    }
}

#[test]
fn check_sorts_semantic_versions() {
    for server in servers() {
        for tag in ["1.10.0", "1.2.0", "1.9.1", "2.0.0-rc.1", "nightly"] {
            put_image(&server, "cases/semver", &image(tag, Compression::Gzip), json!({ "tag": tag }), json!({}));
        }
        let source = server.source("cases/semver", json!({ "semver_constraint": ">=1.2.0" }));
        let known = json!({ "tag": "1.2.0", "digest": server.digest("cases/semver", "1.2.0") });
        let outcome = check("registry-image", &source, Some(&known));
        assert_eq!(tags(&outcome), ["1.2.0", "1.9.1", "1.10.0"], "{}", server.name);
    }
}

#[test]
fn check_reads_several_pages_of_tags() {
    for server in servers() {
        let image = image("many\n", Compression::Gzip);
        let inputs = inputs(&image);
        let names: Vec<String> = (0..120).map(|number| format!("1.0.{number}")).collect();
        fs::write(inputs.path().join("tags"), names.join(" ")).unwrap();
        let params = json!({ "image": "image", "additional_tags": "tags" });
        let source = server.source("cases/pages", json!({ "tag": "1.0.0" }));
        let outcome = put("registry-image", &source, &params, inputs.path());
        assert!(outcome.code == Some(0), "{}: {}", server.name, outcome.stderr);
        put_image(&server, "cases/pages", &last(), json!({ "tag": "1.1.0" }), json!({}));
        let source = server.source("cases/pages", json!({ "semver_constraint": ">=1.0.0" }));
        let known = json!({ "tag": "1.0.0", "digest": image.manifest.digest });
        let outcome = check("registry-image", &source, Some(&known));
        // The registry returns it last.
        assert_eq!(tags(&outcome).last().map(String::as_str), Some("1.1.0"), "{}: {}", server.name, outcome.stderr);
    }
}

#[test]
fn get_unpacks_pushed_image() {
    for server in servers() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            let image = image("unpacked\n", compression);
            let digest = put_image(&server, "cases/get", &image, json!({ "tag": "1" }), json!({}));
            let target = scratch::directory();
            let source = server.source("cases/get", json!({ "tag": "1" }));
            let outcome = get("registry-image", &source, &json!({ "digest": digest }), json!({}), target.path());
            assert!(outcome.code == Some(0), "{}: {}", server.name, outcome.stderr);
            assert_eq!(read(target.path(), "rootfs/word"), "unpacked\n", "{}", server.name);
            assert_eq!(read(target.path(), "digest").trim(), digest, "{}", server.name);
        }
    }
}

#[test]
fn get_writes_archive_for_skopeo() {
    for server in servers() {
        let image = image("archive\n", Compression::Gzip);
        let digest = put_image(&server, "cases/oci", &image, json!({ "tag": "1" }), json!({}));
        let target = scratch::directory();
        let source = server.source("cases/oci", json!({ "tag": "1" }));
        let params = json!({ "format": "oci" });
        let outcome = get("registry-image", &source, &json!({ "digest": digest }), params, target.path());
        assert!(outcome.code == Some(0), "{}: {}", server.name, outcome.stderr);
        let archive = format!("docker-archive:{}", target.path().join("image.tar").display());
        let labels = run(Command::new("skopeo").args(["inspect", "--format", "{{.Labels.word}}", &archive]));
        assert_eq!(labels, "archive\n\n", "{}", server.name);
    }
}

#[test]
fn get_of_missing_digest_fails() {
    for server in servers() {
        put_image(&server, "cases/gone", &image("x\n", Compression::Gzip), json!({ "tag": "1" }), json!({}));
        let target = scratch::directory();
        let version = json!({ "digest": format!("sha256:{}", "0".repeat(64)) });
        let source = server.source("cases/gone", json!({ "tag": "1" }));
        get("registry-image", &source, &version, json!({}), target.path()).failed();
    }
}

#[test]
fn mounts_or_uploads_layers_of_another_repository() {
    for server in servers() {
        let image = image("mounted\n", Compression::Gzip);
        let from = put_image(&server, "cases/from", &image, json!({ "tag": "1" }), json!({}));
        let to = put_image(&server, "cases/to", &image, json!({ "tag": "1" }), json!({}));
        assert_eq!((from, server.digest("cases/to", "1")), (to.clone(), to), "{}", server.name);
    }
}

#[test]
fn crane_validates_a_put_image() {
    if !require(Layer::Counterpart("crane")) {
        return;
    }
    for server in servers().into_iter().filter(|server| server.login.is_none()) {
        let image = image("judged\n", Compression::Gzip);
        put_image(&server, "cases/crane", &image, json!({ "tag": "1" }), json!({}));
        let name = format!("{}:1", server.repository("cases/crane"));
        run(Command::new(counterparts::program("crane")).args(["validate", "--insecure", "--remote", &name]));
    }
}

#[test]
fn oras_fetches_the_manifest_of_a_put_image() {
    if !require(Layer::Counterpart("oras")) {
        return;
    }
    for server in servers().into_iter().filter(|server| server.login.is_none()) {
        let image = image("oras\n", Compression::Gzip);
        put_image(&server, "cases/oras", &image, json!({ "tag": "1" }), json!({}));
        let name = format!("{}:1", server.repository("cases/oras"));
        let oras = counterparts::program("oras");
        let manifest = run(Command::new(oras).args(["manifest", "fetch", "--plain-http", &name]));
        assert_eq!(manifest.as_bytes(), image.manifest.bytes, "{}", server.name);
    }
}

/// Asserts that a put fails with this reason before it uploads anything.
fn refuses(server: &Server, path: &str, image: &Image, more: &Value, reason: &str) {
    let source = server.source(path, more.clone());
    let outcome = put("registry-image", &source, &json!({ "image": "image" }), inputs(image).path());
    outcome.failed();
    assert!(outcome.stderr.contains(reason), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("horse"), "{}", outcome.stderr);
    assert_eq!(check("registry-image", &source, None).json(), json!([]));
}

#[test]
fn accepts_key_files_of_cosign() {
    if !require(Layer::Counterpart("cosign")) {
        return;
    }
    let cosign = counterparts::program("cosign");
    let server = servers().into_iter().find(|server| server.login.is_none()).expect("a registry without logins");
    for (name, password) in [("with", "correct horse"), ("without", "")] {
        let keys = scratch::directory();
        let mut generate = Command::new(&cosign);
        generate.args(["generate-key-pair", "--output-key-prefix", "key"]).env("COSIGN_PASSWORD", password);
        run(generate.current_dir(keys.path()).env("HOME", keys.path()));
        let key = read(keys.path(), "key.key");
        assert!(key.contains("BEGIN ENCRYPTED SIGSTORE PRIVATE KEY"), "{name}");
        let repository = format!("cases/cosign-{name}");
        let image = image(&format!("signed {name}\n"), Compression::Gzip);
        let mut more = json!({ "tag": "1", "cosign": { "key": key } });
        if !password.is_empty() {
            refuses(&server, &repository, &image, &more, "is encrypted; set its password in `cosign.password`");
            more["cosign"]["password"] = json!("incorrect horse");
            refuses(&server, &repository, &image, &more, "cannot be decrypted: `cosign.password` is wrong");
            more["cosign"]["password"] = json!(password);
        }
        put_image(&server, &repository, &image, more, json!({}));
        verify(&cosign, keys.path(), &format!("{}:1", server.repository(&repository)));
    }
}

#[test]
fn cosign_verifies_what_a_put_signs() {
    if !require(Layer::Counterpart("cosign")) {
        return;
    }
    let cosign = counterparts::program("cosign");
    for server in servers().into_iter().filter(|server| server.login.is_none()) {
        let keys = scratch::directory();
        run(Command::new("openssl")
            .args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key.pem"])
            .current_dir(keys.path()));
        run(Command::new("openssl")
            .args(["pkey", "-pubout", "-in", "key.pem", "-out", "key.pub"])
            .current_dir(keys.path()));
        let key = read(keys.path(), "key.pem");
        let image = image("signed\n", Compression::Gzip);
        let more = json!({ "tag": "1", "cosign": { "key": key } });
        put_image(&server, "cases/cosign", &image, more, json!({}));
        verify(&cosign, keys.path(), &format!("{}:1", server.repository("cases/cosign")));
    }
}

/// Verifies with cosign whether the key `key.pub` signed an image.
fn verify(cosign: &Path, keys: &Path, name: &str) {
    let mut command = Command::new(cosign);
    command.args(["verify", "--key", "key.pub", "--insecure-ignore-tlog=true", "--allow-http-registry", name]);
    run(command.current_dir(keys).env("HOME", keys));
}
