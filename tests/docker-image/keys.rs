//! Keys that change how a registry is accessed, and the files of a get in other cases than those of `get`.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::aws::Key;
use jetway_tests::registry::Registry;
use jetway_tests::registry::detour::Detour;
use jetway_tests::registry::image::{Blob, Compression, INDEX, Image};
use jetway_tests::registry::memory::{Memory, error};
use jetway_tests::registry::tar::Tar;
use jetway_tests::scratch;
use jetway_tests::stand_in::{RecordedRequest, Response, StandIn};
use jetway_tests::verb::Verb;
use serde_json::{Value, json};

use crate::put::save;
use crate::support::{check, get, merge, messages, put, read, source, tags};

fn image(layers: u8) -> Image {
    let archives: Vec<Vec<u8>> =
        (0..layers).map(|number| Tar::new().file(format!("f{number}"), 0o644, &[number]).finish()).collect();
    Image::of_archives(&json!({}), &archives, Compression::Gzip)
}

fn version(image: &Image) -> Value {
    json!({ "tag": "latest", "digest": image.manifest.digest })
}

/// A public name may be reached over plain HTTP only with `insecure`. The test reaches the registry through a proxy.
#[test]
fn insecure_allows_plain_http_for_any_registry() {
    let image = image(1);
    let registry = Arc::new(Memory::start());
    registry.hold(&image, "team/app", "latest");
    let manifest = image.manifest.clone();
    let plain = StandIn::start(move |request| {
        if request.target != "http://registry.example/v2/team/app/manifests/latest" {
            return Response::text(404, "");
        }
        Response::bytes(200, &manifest.media_type, manifest.bytes.clone())
            .with("Docker-Content-Digest", &manifest.digest)
    });
    let no_tls = Detour::to(plain.port());
    for (keys, is_taken) in [
        (json!({ "insecure": true }), true),
        (json!({ "insecure": ["registry.example"] }), true),
        (json!({ "insecure_registries": ["registry.example"] }), true),
        (json!({}), false),
        (json!({ "insecure": false }), false),
        (json!({ "insecure": ["other.example"] }), false),
        (json!({ "insecure_registries": ["other.example"] }), false),
    ] {
        let before = plain.recorded_requests().len();
        let mut source = json!({ "repository": "registry.example/team/app", "tag": "latest" });
        merge(&mut source, keys.clone());
        let check = Verb::check("registry-image").request(&json!({ "source": source }));
        let outcome = check.env("HTTPS_PROXY", &no_tls.url()).env("HTTP_PROXY", &plain.url()).run();
        if is_taken {
            assert_eq!(outcome.json(), json!([version(&image)]), "{keys}");
        } else {
            outcome.failed();
            let requests = plain.recorded_requests().split_off(before);
            assert!(!requests.iter().any(|request| request.target.starts_with("http://")), "{keys}: {requests:?}");
        }
    }
}

/// The maximum number of concurrent requests that match `is_meant`.
fn at_once(registry: &Memory, is_meant: impl Fn(&RecordedRequest) -> bool + Send + Sync + 'static) -> Arc<AtomicUsize> {
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let highest = Arc::clone(&most);
    registry.twist(move |request| {
        if is_meant(request) {
            highest.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Long enough for the other concurrent requests to arrive.
            std::thread::sleep(Duration::from_millis(150));
            now.fetch_sub(1, Ordering::SeqCst);
        }
        None
    });
    most
}

#[test]
fn limits_concurrent_downloads_and_uploads() {
    for (number, range) in [(1, 1..=1), (4, 2..=4)] {
        let image = image(8);
        for (kind, format) in [("registry-image", "rootfs"), ("registry-image", "oci-layout"), ("docker-image", "oci")]
        {
            let registry = Memory::start();
            registry.hold(&image, "team/app", "latest");
            let most = at_once(&registry, |request| request.method == "GET" && request.path().contains("/blobs/"));
            let source = json!({ "repository": registry.repository("team/app"), "max_concurrent_downloads": number });
            let target = scratch::directory();
            get(kind, &source, &version(&image), json!({ "format": format }), target.path()).succeeded();
            let most = most.load(Ordering::SeqCst);
            assert!(range.contains(&most), "{kind} {format}: {most} at once, {number} allowed");
        }
        let registry = Memory::start();
        let most = at_once(&registry, |request| request.method == "PATCH");
        let inputs = scratch::directory();
        image.write_layout(&inputs.path().join("layout"));
        let repository = registry.repository("team/app");
        let source = json!({ "repository": repository, "tag": "1", "max_concurrent_uploads": number });
        put("registry-image", &source, &json!({ "image": "layout" }), inputs.path()).succeeded();
        let most = most.load(Ordering::SeqCst);
        assert!(range.contains(&most), "put: {most} at once, {number} allowed");
    }
}

/// The established docker-image resource is a script, in which a number and its text are the same.
#[test]
fn accepts_numbers_as_text() {
    let registry = Registry::start();
    let image = Image::named("x");
    image.push(registry.client(), "team/app", "latest");
    let keys = json!({
        "max_concurrent_downloads": "2", "max_concurrent_uploads": "2", "startup_timeout": "60",
        "connect_timeout": "5", "read_timeout": "5",
    });
    for kind in ["docker-image", "registry-image"] {
        let mut source = source(&registry, "team/app", keys.clone());
        source["tag"] = json!("latest");
        check(kind, &source, None).succeeded();
    }
}

#[test]
fn debug_logs_each_request_without_secrets() {
    let image = image(1);
    let registry = Memory::start();
    registry.hold(&image, "team/app", "latest");
    registry.twist(|request| {
        let is_known = request.header("authorization").is_some();
        (!is_known).then(|| error(401, "UNAUTHORIZED").with("WWW-Authenticate", "Basic realm=\"x\""))
    });
    let password = "p4ssw0rd-of-u";
    let of = |debug: bool| {
        let source = json!({
            "repository": registry.repository("team/app"), "username": "u", "password": password, "debug": debug,
        });
        let outcome = get("registry-image", &source, &version(&image), json!({}), scratch::directory().path());
        outcome.succeeded();
        outcome.stderr.clone()
    };
    let shown = of(true);
    let url = format!("http://{}", registry.repository("team/app").replace("/team", "/v2/team"));
    for line in [
        format!("GET {url}/manifests/{} answered 401 Unauthorized", image.manifest.digest),
        format!("GET {url}/manifests/{} answered 200 OK", image.manifest.digest),
        format!("GET {url}/blobs/{} answered 200 OK", image.layers[0].digest),
    ] {
        assert!(shown.contains(&line), "{line}: {shown}");
    }
    let encoded = STANDARD.encode(format!("u:{password}"));
    assert!(!shown.contains(password) && !shown.contains(&encoded), "{shown}");
    assert!(!of(false).contains("answered"));
}

/// The name of a registry contains its account (Amazon ECR, "Private registry"); a temporary key has a session token.
#[test]
fn uses_aws_account_id_and_session_token() {
    let host = "210987654321.dkr.ecr.eu-west-1.amazonaws.com";
    let image = image(1);
    let manifest = image.manifest.clone();
    let registry = StandIn::start_tls_for(host, move |request| {
        if request.header("authorization").is_none() {
            return Response::text(401, "").with("WWW-Authenticate", "Basic realm=\"x\"");
        }
        assert_eq!(request.header("host"), Some("210987654321.dkr.ecr.eu-west-1.amazonaws.com"));
        Response::bytes(200, &manifest.media_type, manifest.bytes.clone())
            .with("Docker-Content-Digest", &manifest.digest)
    });
    let detour = Detour::to(registry.port());
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let key = Key { session: Some("t0ken-of-the-session".to_owned()), ..Key::new("ASIAEXAMPLE", secret) };
    let ecr = StandIn::start(move |request| {
        if let Err(problem) = key.has_signed(request, "eu-west-1", "ecr") {
            return Response::json(400, &json!({ "__type": "InvalidSignatureException", "message": problem }));
        }
        let token = STANDARD.encode("AWS:p4ssw0rd-of-the-registry");
        let proxy = "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        let data = json!([{ "authorizationToken": token, "expiresAt": 1.7e9, "proxyEndpoint": proxy }]);
        Response::json(200, &json!({ "authorizationData": data }))
    });
    let run = |token: &str| {
        let source = json!({
            "repository": "team/app", "tag": "latest", "aws_region": "eu-west-1", "aws_account_id": "210987654321",
            "aws_access_key_id": "ASIAEXAMPLE", "aws_secret_access_key": secret, "aws_session_token": token,
            "aws_ecr_registry_id": "123456789012", "ca_certs": [registry.authority()],
        });
        let check = Verb::check("registry-image").request(&json!({ "source": source }));
        check.env("AWS_ENDPOINT_URL_ECR", &ecr.url()).env("HTTPS_PROXY", &detour.url()).run()
    };
    assert_eq!(run("t0ken-of-the-session").json(), json!([version(&image)]));
    let refused = run("an0ther-token");
    refused.failed();
    assert!(refused.stderr.contains("the session's token is another one"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("an0ther-token"), "{}", refused.stderr);
}

/// A version of the established registry-image resource may have an empty tag, for an image that is pinned by digest.
#[test]
fn version_without_tag_writes_empty_tag_file() {
    let registry = Registry::start();
    let image = image(1);
    image.push(registry.client(), "team/app", "latest");
    let target = scratch::directory();
    let version = json!({ "tag": "", "digest": image.manifest.digest });
    let outcome = get("registry-image", &source(&registry, "team/app", json!({})), &version, json!({}), target.path());
    outcome.succeeded();
    assert_eq!(read(target.path(), "tag"), "");
    assert_eq!(outcome.json()["metadata"][1], json!({ "name": "tag", "value": "" }));
}

#[test]
fn docker_image_writes_three_files_with_skip_download() {
    let registry = Registry::start();
    let image = image(1);
    image.push(registry.client(), "team/app", "latest");
    let target = scratch::directory();
    let version = json!({ "digest": image.manifest.digest });
    let keys = source(&registry, "team/app", json!({}));
    let outcome = get("docker-image", &keys, &version, json!({ "skip_download": true }), target.path());
    let repository = registry.repository("team/app");
    assert_eq!(
        outcome.json(),
        json!({
            "version": version,
            "metadata": [{ "name": "repository", "value": repository }, { "name": "tag", "value": "latest" }],
        })
    );
    let file = |name: &str| read(target.path(), name);
    assert_eq!(
        (file("repository"), file("tag"), file("digest")),
        (format!("{repository}\n"), "latest\n".to_owned(), format!("{}\n", image.manifest.digest))
    );
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 3);
}

#[test]
fn creation_time_of_index_is_that_of_the_platform_image() {
    let registry = Registry::start();
    let client = registry.client();
    let ages =
        [("a", "2024-03-01T00:00:00Z", "2024-01-01T00:00:00Z"), ("b", "2024-02-01T00:00:00Z", "2024-02-01T00:00:00Z")];
    for (tag, amd64, arm64) in ages {
        let entries = [("amd64", amd64), ("arm64", arm64)].map(|(architecture, created)| {
            let config = json!({ "architecture": architecture, "os": "linux", "created": created, "tag": tag });
            let image = Image::new(&config, Vec::new());
            image.push(client, "team/app", &format!("{architecture}-of-{tag}"));
            let mut entry = image.manifest.descriptor();
            entry["platform"] = json!({ "os": "linux", "architecture": architecture });
            entry
        });
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }).to_string();
        client.put_manifest("team/app", tag, INDEX, index.as_bytes());
    }
    for (platform, order) in [("linux/amd64", ["b", "a"]), ("linux/arm64", ["a", "b"])] {
        let keys = json!({ "tag_regex": "^[ab]$", "created_at_sort": true, "platform": platform });
        assert_eq!(tags(&check("registry-image", &source(&registry, "team/app", keys), None)), order, "{platform}");
    }
    let keys = json!({ "tag_regex": "^[ab]$", "created_at_sort": true, "platform": "linux/s390x" });
    let outcome = check("registry-image", &source(&registry, "team/app", keys), None);
    outcome.failed();
    assert!(outcome.stderr.contains("has no image for linux/s390x"), "{}", outcome.stderr);
}

/// Some robot accounts may push but not pull, and a policy may block images with vulnerabilities
/// (goharbor/harbor#15885): a put also pushes a tag that it cannot read.
#[test]
fn pushes_tag_that_cannot_be_read() {
    let image = image(1);
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("layout"));
    save(&image, &inputs.path().join("image.tar"), "app:1");
    let login = json!({ "username": "u", "password": "p4ssw0rd-of-u" });
    for (path, keys, status) in [
        ("layout", json!({}), 403),
        ("layout", login.clone(), 403),
        ("layout", login.clone(), 412),
        ("layout", login.clone(), 405),
        ("image.tar", login.clone(), 403),
        ("image.tar", login, 412),
    ] {
        let registry = Memory::start();
        registry.twist(move |request| {
            let is_read = request.method == "HEAD" || request.method == "GET";
            (is_read && request.path().contains("/manifests/")).then(|| error(status, "DENIED"))
        });
        let mut source = json!({ "repository": registry.repository("team/app"), "tag": "1" });
        merge(&mut source, keys);
        let outcome = put("registry-image", &source, &json!({ "image": path }), inputs.path());
        outcome.succeeded();
        assert!(registry.manifest("team/app:1").is_some(), "{path} {status}");
    }
}

/// The message of goharbor/harbor#19983, with the code of goharbor/harbor#23231.
#[test]
fn reports_policy_that_blocks_a_pull() {
    let image = image(1);
    let registry = Memory::start();
    registry.hold(&image, "team/app", "latest");
    registry.twist(|request| {
        let message = "current image with 4 vulnerabilities cannot be pulled due to configured policy in 'Prevent images with \
                       vulnerability severity of \"Critical\" or higher from running.'";
        let body = json!({ "errors": [{ "code": "PROJECTPOLICYVIOLATION", "message": message }] });
        request.path().contains("/manifests/").then(|| Response::json(412, &body))
    });
    let source = json!({ "repository": registry.repository("team/app"), "tag": "latest" });
    for outcome in [
        check("registry-image", &source, None),
        get("registry-image", &source, &version(&image), json!({}), scratch::directory().path()),
    ] {
        outcome.failed();
        assert!(
            messages(&outcome).contains("hint: a policy of the registry blocks the pull of this image"),
            "{}",
            messages(&outcome)
        );
        assert!(messages(&outcome).contains("with 4 vulnerabilities"), "{}", messages(&outcome));
    }
}

/// Go reads the keys of a manifest in any case, and some tools write them in another case.
#[test]
fn reads_manifests_and_archives_with_keys_in_another_case() {
    let plain = image(2);
    let upper = |blob: &Blob, keys: &[&str]| {
        let mut text = String::from_utf8(blob.bytes.clone()).unwrap();
        for key in keys {
            let (first, rest) = key.split_at(1);
            text = text.replace(&format!("\"{key}\":"), &format!("\"{}{rest}\":", first.to_uppercase()));
        }
        assert_ne!(text.as_bytes(), blob.bytes.as_slice());
        Blob::new(&blob.media_type, text)
    };
    let keys = ["schemaVersion", "mediaType", "config", "layers", "digest", "size"];
    let image = Image { manifest: upper(&plain.manifest, &keys), ..plain.clone() };
    let registry = Memory::start();
    registry.hold(&image, "team/app", "latest");
    let source = json!({ "repository": registry.repository("team/app"), "tag": "latest" });
    for (format, file) in [("rootfs", "rootfs/f1"), ("oci", "image.tar"), ("oci-layout", "oci/index.json")] {
        let target = scratch::directory();
        get("registry-image", &source, &version(&image), json!({ "format": format }), target.path()).succeeded();
        assert!(target.path().join(file).exists(), "{format}");
    }
    let mut entry = image.manifest.descriptor();
    entry["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
    let keys = ["schemaVersion", "mediaType", "manifests", "digest", "size", "platform", "os", "architecture"];
    let index = upper(&Blob::new(INDEX, index.to_string()), &keys);
    let held = Image { manifest: index.clone(), ..image.clone() };
    registry.hold(&held, "team/app", "multi");
    let target = scratch::directory();
    let keys = json!({ "platform": "linux/amd64" });
    get("registry-image", &source, &version(&held), keys, target.path()).succeeded();
    assert!(target.path().join("rootfs/f0").exists());
    // A put pushes a layout with keys in another case unchanged.
    let inputs = scratch::directory();
    let layout = inputs.path().join("layout");
    image.write_layout(&layout);
    let index =
        upper(&Blob::new(INDEX, fs::read_to_string(layout.join("index.json")).unwrap()), &["manifests", "digest"]);
    fs::write(layout.join("index.json"), index.bytes).unwrap();
    put("registry-image", &source, &json!({ "image": "layout" }), inputs.path()).succeeded();
    assert_eq!(registry.manifest("team/app:latest"), Some(image.manifest.bytes));
}
