//! Hostile registries and images.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use jetway_tests::layer::{self, Layer};
use jetway_tests::registry::hand_made::{HandMade, answer, part};
use jetway_tests::registry::image::{Blob, Compression, Image};
use jetway_tests::registry::run;
use jetway_tests::registry::tar::Tar;
use jetway_tests::scratch;
use jetway_tests::stand_in::{Fault, Response, StandIn};
use jetway_tests::verb::Outcome;
use serde_json::{Value, json};

use crate::support::{check, get, merge, messages};

pub(crate) fn fetch(registry: &HandMade, image: &Image, more: Value, target: &Path) -> Outcome {
    let mut source = json!({ "repository": registry.repository(), "read_timeout": 2 });
    merge(&mut source, more);
    get("registry-image", &source, &json!({ "tag": "latest", "digest": image.manifest.digest }), json!({}), target)
}

/// Unpacks layers in a directory with a secret next to the destination.
fn unpack(layers: &[Vec<u8>]) -> (Outcome, tempfile::TempDir) {
    let image = Image::of_archives(&json!({}), layers, Compression::None);
    let house = scratch::directory();
    fs::write(house.path().join("secret"), "s3cret").unwrap();
    let target = house.path().join("a/b/target");
    fs::create_dir_all(&target).unwrap();
    let outcome = fetch(&HandMade::start(&image), &image, json!({}), &target);
    // The files outside are unchanged.
    assert_eq!(fs::read_to_string(house.path().join("secret")).unwrap(), "s3cret");
    let names = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(names(house.path()).len(), 2, "{:?}", names(house.path()));
    assert_eq!((names(&house.path().join("a")).len(), names(&house.path().join("a/b")).len()), (1, 1));
    (outcome, house)
}

#[track_caller]
fn refused(layers: &[Vec<u8>], says: &str) {
    let (outcome, house) = unpack(layers);
    outcome.failed();
    assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
    assert_eq!(fs::read_dir(house.path().join("a/b/target")).unwrap().count(), 0, "nothing is left half made");
}

#[track_caller]
fn inside(layers: &[Vec<u8>], path: &str, content: &str) {
    let (outcome, house) = unpack(layers);
    outcome.succeeded();
    assert_eq!(fs::read_to_string(house.path().join("a/b/target/rootfs").join(path)).unwrap(), content);
}

#[test]
fn rejects_names_outside_the_image() {
    refused(&[Tar::new().file("../../pwned", 0o644, b"x").finish()], "the name `../../pwned` points outside the image");
    refused(&[Tar::new().file("a/../../../pwned", 0o644, b"x").finish()], "points outside the image");
    inside(&[Tar::new().file("/etc/absolute", 0o644, b"x").finish()], "etc/absolute", "x");
    inside(&[Tar::new().with("path", "/../x".replace("..", "y")).file("z", 0o644, b"x").finish()], "y/x", "x");
}

#[test]
fn does_not_follow_links_outside_the_image() {
    let up = "../".repeat(20);
    inside(&[Tar::new().link("out", &up).file("out/pwned", 0o644, b"x").finish()], "pwned", "x");
    inside(&[Tar::new().link("out", "/").finish(), Tar::new().file("out/pwned", 0o644, b"x").finish()], "pwned", "x");
    // The second layer replaces a directory by a link and writes through it.
    let first = Tar::new().directory("d/", 0o755).file("d/file", 0o644, b"1").finish();
    let second = Tar::new().link("d", format!("{up}{}", "tmp")).file("d/pwned", 0o644, b"x").finish();
    inside(&[first, second], "tmp/pwned", "x");
    // A link is replaced by a file, not written through.
    inside(&[Tar::new().link("f", format!("{up}secret")).file("f", 0o644, b"x").finish()], "f", "x");
    refused(&[Tar::new().link("l", "l").file("l/x", 0o644, b"x").finish()], "symbolic link");
}

#[test]
fn rejects_hard_links_outside_the_image() {
    refused(&[Tar::new().hard_link("h", "../../../secret").finish()], "points outside the image");
    refused(
        &[Tar::new().hard_link("h", "/etc/hostname").finish()],
        "the target `/etc/hostname` of a hard link does not exist",
    );
    let through = Tar::new().link("up", "../../..").hard_link("h", "up/secret").finish();
    refused(&[through], "the target `up/secret` of a hard link does not exist");
}

#[test]
fn whiteout_removes_nothing_outside_the_image() {
    let up = "../".repeat(20);
    let first = Tar::new().link("up", &up).file("kept", 0o644, b"x").finish();
    inside(&[first.clone(), Tar::new().whiteout("up/secret").finish()], "kept", "x");
    refused(&[first.clone(), Tar::new().file("up/.wh...", 0o644, b"").finish()], "the name of a whiteout is not valid");
    // Through the link, the whiteout empties the root.
    unpack(&[first, Tar::new().file("up/.wh..wh..opq", 0o644, b"").finish()]).0.succeeded();
}

#[test]
fn accepts_names_that_are_not_utf_8() {
    let (outcome, house) = unpack(&[Tar::new().file(b"caf\xe9", 0o644, b"x").finish()]);
    outcome.succeeded();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    assert!(house.path().join("a/b/target/rootfs").join(name).exists());
}

#[test]
fn fails_on_invalid_archive() {
    let whole = Tar::new().file("a", 0o644, &[7; 2000]);
    refused(&[whole.clone().cut(1000)], "cannot unpack layer 1");
    refused(&[whole.cut(700)], "ends in the middle of a file");
    refused(&[b"this is no archive at all, and long enough to be taken for one".repeat(20)], "the archive is invalid");
    refused(&[Tar::new().entry(b"a", b'x', 0o644, b"", 4 << 30, b"").finish()], "larger than 1 MiB");
    refused(&[Tar::new().entry(b"a", b'Q', 0o644, b"", 0, b"").finish()], "unknown entry type `Q`");
}

#[test]
fn rejects_layer_that_does_not_match_the_manifest() {
    let layer = Tar::new().file("a", 0o644, b"good").finish();
    let image = Image::of_archives(&json!({}), std::slice::from_ref(&layer), Compression::None);
    let evil = Tar::new().file("a", 0o644, b"evil").finish();
    for (bytes, says) in [
        (evil, "the downloaded content has the digest sha256:"),
        (layer[..layer.len() - 512].to_vec(), "the registry has 1536 bytes of it; the manifest requires 2048"),
        ([layer.clone(), vec![0; 512]].concat(), "the registry has 2560 bytes of it"),
    ] {
        let registry = HandMade::start(&image);
        let digest = image.layers[0].digest.clone();
        registry.twist(move |request| request.path().ends_with(&digest).then(|| part(&bytes, request)));
        let target = scratch::directory();
        let outcome = fetch(&registry, &image, json!({}), target.path());
        outcome.failed();
        assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
        assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
    }
}

#[test]
fn rejects_manifest_that_does_not_match_its_digest() {
    let image = Image::named("good");
    let registry = HandMade::start(&image);
    let other = Image::named("evil");
    registry.twist(move |request| {
        request
            .path()
            .contains("/manifests/")
            .then(|| Response::bytes(200, "application/json", other.manifest.bytes.clone()))
    });
    let outcome = fetch(&registry, &image, json!({}), scratch::directory().path());
    outcome.failed();
    assert!(outcome.stderr.contains("the downloaded manifest has the digest"), "{}", outcome.stderr);
}

#[test]
fn rejects_other_manifest_types() {
    let image = Image::named("x");
    let registry = HandMade::start(&image);
    for (media_type, body, says) in [
        ("text/html", "<html>log in</html>", "the response is not a manifest (`text/html`)"),
        ("application/vnd.docker.distribution.manifest.v1+json", r#"{"schemaVersion":1}"#, "schema 1"),
        (
            "application/vnd.cncf.artifact",
            r#"{"mediaType":"application/x"}"#,
            "the manifest has the type `application/x`",
        ),
    ] {
        registry.twist(move |request| {
            let answer = Response::bytes(200, media_type, body);
            (request.path().contains("/manifests/")).then_some(answer)
        });
        let outcome = check("registry-image", &json!({ "repository": registry.repository(), "tag": "latest" }), None);
        outcome.failed();
        assert!(messages(&outcome).contains(says), "{}", messages(&outcome));
    }
    let foreign = Blob::new("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "x");
    let image = Image::new(&json!({}), vec![foreign.clone()]);
    let registry = HandMade::start(&image);
    registry.twist(move |request| request.path().ends_with(&foreign.digest).then(|| Response::text(404, "")));
    let outcome = fetch(&registry, &image, json!({}), scratch::directory().path());
    outcome.failed();
    assert!(outcome.stderr.contains("it is a foreign layer, which registries do not serve"), "{}", outcome.stderr);
}

#[test]
fn resumes_download_that_was_cut_off() {
    let content: Vec<u8> = (0..400_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    let image = Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, &content).finish()], Compression::None);
    for knows_ranges in [true, false] {
        let registry = HandMade::start(&image);
        let (layer, whole) = (image.layers[0].digest.clone(), image.clone());
        registry.twist(move |request| {
            let mut request = request.clone();
            if !knows_ranges {
                request.headers.retain(|(name, _)| name != "range");
            }
            request.path().ends_with(&layer).then(|| answer(&whole, &request))
        });
        // The manifest, the config, and the layer in three attempts.
        let good = |registry: &HandMade| registry.server().fail_next(Fault::Slow(std::time::Duration::ZERO));
        // The first attempt uses TLS, which this registry does not support.
        good(&registry);
        good(&registry);
        good(&registry);
        registry.server().fail_next(Fault::CutBody(100_000));
        registry.server().fail_next(Fault::CutBody(250_000));
        let target = scratch::directory();
        fetch(&registry, &image, json!({}), target.path()).succeeded();
        assert!(fs::read(target.path().join("rootfs/a")).unwrap() == content);
        let requests = registry.server().recorded_requests();
        let ranges: Vec<_> = requests.iter().filter_map(|request| request.header("range").map(str::to_owned)).collect();
        assert_eq!(ranges.len(), 2, "{ranges:?}");
    }
}

#[test]
fn fails_when_registry_sends_no_response() {
    let image = Image::of_archives(&json!({}), &[Tar::new().finish()], Compression::None);
    let registry = HandMade::start(&image);
    registry.server().fail_next(Fault::Slow(std::time::Duration::ZERO));
    registry.server().fail_next(Fault::Response(Response::text(403, "you may not")));
    let outcome = fetch(&registry, &image, json!({}), scratch::directory().path());
    outcome.failed();
    assert!(outcome.stderr.contains("403 Forbidden"), "{}", outcome.stderr);
}

#[test]
fn does_not_send_credentials_to_blob_store() {
    let image = Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, b"x").finish()], Compression::None);
    let stored = image.clone();
    let store = StandIn::start(move |request| {
        let digest = request.path().trim_start_matches('/');
        let blob = stored.layers.iter().chain([&stored.config]).find(|blob| blob.digest == digest);
        blob.map_or_else(|| Response::text(404, ""), |blob| part(&blob.bytes, request))
    });
    let registry = HandMade::start(&image);
    let url = store.url();
    registry.twist(move |request| {
        if request.header("authorization").is_none() {
            return Some(Response::text(401, "").with("WWW-Authenticate", "Basic realm=\"x\""));
        }
        let digest = request.path().rsplit_once("/blobs/").map(|(_, digest)| digest.to_owned())?;
        Some(Response::text(307, "").with("Location", &format!("{url}/{digest}?signature=s")))
    });
    let target = scratch::directory();
    fetch(&registry, &image, json!({ "username": "u", "password": "p4ssw0rd-of-u" }), target.path()).succeeded();
    assert_eq!(store.recorded_requests().len(), 2);
    assert!(store.recorded_requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn fails_on_endless_redirects() {
    let image = Image::named("x");
    let registry = HandMade::start(&image);
    registry.twist(|request| Some(Response::text(302, "").with("Location", &request.target)));
    let outcome = check("registry-image", &json!({ "repository": registry.repository(), "tag": "latest" }), None);
    outcome.failed();
    assert!(messages(&outcome).contains("more than 10 redirects in a row"), "{}", messages(&outcome));
}

#[test]
fn waits_after_429_and_shows_pull_limits() {
    let image = Image::named("x");
    let registry = HandMade::start(&image);
    let own = image.clone();
    registry.twist(move |request| {
        Some(answer(&own, request).with("RateLimit-Limit", "100;w=21600").with("RateLimit-Remaining", "7;w=21600"))
    });
    registry.server().fail_next(Fault::Slow(std::time::Duration::ZERO));
    registry.server().fail_next(Fault::Response(Response::text(429, "slow down").with("Retry-After", "1")));
    let outcome = check("registry-image", &json!({ "repository": registry.repository(), "tag": "latest" }), None);
    outcome.succeeded();
    assert!(outcome.stderr.contains("retrying in 1 s"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("allows 7 of 100 more pulls for 6 h"), "{}", outcome.stderr);
}

#[test]
fn retries_first_request_to_local_registry() {
    // Plain HTTP would be allowed for a local registry, but this one uses TLS and is busy.
    let image = Image::named("x");
    let own = image.clone();
    let server = StandIn::start_tls(move |request| answer(&own, request));
    let host = server.url().replace("https://", "");
    let source = json!({ "repository": format!("{host}/team/app"), "tag": "latest", "ca_certs": [server.authority()] });
    for fault in [
        Fault::Response(Response::text(429, "slow down").with("Retry-After", "1")),
        Fault::Response(Response::text(503, "not yet")),
        Fault::CutAfter,
    ] {
        server.fail_next(fault);
        let outcome = check("registry-image", &source, None);
        assert_eq!(outcome.json(), json!([{ "tag": "latest", "digest": image.manifest.digest }]));
    }
}

#[test]
fn rejects_private_token_server_of_public_registry() {
    // The registry is local and may name a local token server, but only over `http` or `https`.
    let image = Image::named("x");
    let registry = HandMade::start(&image);
    registry.twist(|_| Some(Response::text(401, "").with("WWW-Authenticate", "Bearer realm=\"ftp://x/token\"")));
    let outcome = check("registry-image", &json!({ "repository": registry.repository(), "tag": "latest" }), None);
    outcome.failed();
    assert!(
        messages(&outcome).contains("refusing to contact the token server `ftp://x/token`"),
        "{}",
        messages(&outcome)
    );
}

#[test]
fn get_succeeds_after_killed_get() {
    let image =
        Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, &vec![7; 100_000]).finish()], Compression::None);
    let registry = HandMade::start(&image);
    let digest = image.layers[0].digest.clone();
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    registry.twist(move |request| {
        if request.path().ends_with(&digest) {
            let _ = sender.lock().unwrap().send(());
            // Until the client has disconnected.
            std::thread::sleep(std::time::Duration::from_secs(3));
        }
        None
    });
    let target = scratch::directory();
    let source = json!({ "repository": registry.repository(), "read_timeout": 30 });
    let request = json!({ "source": source, "version": { "tag": "latest", "digest": image.manifest.digest } });
    let verb = jetway_tests::verb::Verb::get("registry-image").dir(target.path()).request(&request);
    let running = verb.clone().spawn();
    receiver.recv_timeout(std::time::Duration::from_mins(1)).expect("the layer is asked for");
    running.kill();
    let left: Vec<_> = fs::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().starts_with(".jetway-unfinished-")), "{left:?}");
    registry.twist(|_| None);
    verb.run().succeeded();
    assert!(target.path().join("rootfs/a").exists());
}

#[test]
fn rejects_layers_of_unknown_type() {
    let image = Image::new(&json!({}), vec![Blob::new("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "x")]);
    let outcome = fetch(&HandMade::start(&image), &image, json!({}), scratch::directory().path());
    outcome.failed();
    assert!(outcome.stderr.contains("cannot unpack layer 1"), "{}", outcome.stderr);
}

#[test]
fn resumes_stalled_download_a_limited_number_of_times() {
    let image =
        Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, &vec![7; 50_000]).finish()], Compression::None);
    let run = |stalls: usize| {
        let registry = HandMade::start(&image);
        // The TLS attempt, the manifest, the config.
        for _ in 0..3 {
            registry.server().fail_next(Fault::Slow(std::time::Duration::ZERO));
        }
        for index in 0..stalls {
            registry.server().fail_next(Fault::StallBody(if index == 0 { 20_000 } else { 0 }));
        }
        let target = scratch::directory();
        let outcome = fetch(&registry, &image, json!({ "read_timeout": 1 }), target.path());
        let ranges: Vec<_> = registry
            .server()
            .recorded_requests()
            .iter()
            .filter_map(|request| request.header("range").map(str::to_owned))
            .collect();
        (outcome, ranges, fs::read_dir(target.path()).unwrap().count())
    };
    let (outcome, ranges, _) = run(1);
    outcome.succeeded();
    assert_eq!(ranges, ["bytes=20000-"]);
    let (outcome, ranges, left) = run(10);
    outcome.failed();
    assert!(outcome.stderr.contains("cannot download `sha256:"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("nothing was received for 1 s"), "{}", outcome.stderr);
    assert_eq!((ranges.len(), left), (4, 0), "it is given up after as many attempts as any other cut");
}

#[test]
fn rejects_html_pages() {
    let image = Image::of_archives(&json!({}), &[Tar::new().finish()], Compression::None);
    let page = "<html><title>Log in</title></html>";
    let html = move || Response::bytes(200, "text/html", page);
    for (part, tag, says) in [
        ("/tags/list", json!(null), "the response is not the expected JSON"),
        ("/blobs/", json!("latest"), "the registry has 34 bytes of it"),
    ] {
        let registry = HandMade::start(&image);
        registry.twist(move |request| request.path().contains(part).then(html));
        let mut source = json!({ "repository": registry.repository() });
        source["tag"] = tag;
        let version = json!({ "tag": "latest", "digest": image.manifest.digest });
        let outcome = match part {
            "/tags/list" => check("registry-image", &source, None),
            _ => get("registry-image", &source, &version, json!({}), scratch::directory().path()),
        };
        outcome.failed();
        assert!(messages(&outcome).contains(says), "{}", messages(&outcome));
    }
    // A token server that returns a proxy's HTML page.
    let registry = HandMade::start(&image);
    let realm = format!("http://{}/token", registry.repository().split('/').next().unwrap());
    registry.twist(move |request| {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
        Some(if request.path() == "/token" {
            html()
        } else {
            Response::text(401, "").with("WWW-Authenticate", &challenge)
        })
    });
    let outcome = check("registry-image", &json!({ "repository": registry.repository(), "tag": "latest" }), None);
    outcome.failed();
    assert!(messages(&outcome).contains("cannot parse the token server's response"), "{}", messages(&outcome));
}

#[test]
fn get_succeeds_after_get_killed_at_the_end() {
    let image = Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, b"x").finish()], Compression::None);
    let registry = HandMade::start(&image);
    let target = scratch::directory();
    // Killed between the first rename and the last.
    let left = target.path().join(".jetway-unfinished-1");
    fs::create_dir_all(target.path().join("rootfs/old")).unwrap();
    fs::create_dir(&left).unwrap();
    fs::write(left.join("digest"), "").unwrap();
    fs::write(left.join(".published"), "rootfs\nmetadata.json\nlabels.json\nrepository\ntag\ndigest").unwrap();
    fetch(&registry, &image, json!({}), target.path()).succeeded();
    let mut names: Vec<_> = fs::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["digest", "labels.json", "metadata.json", "repository", "rootfs", "tag"]);
    assert!(!target.path().join("rootfs/old").exists());
}

#[test]
fn unpacks_read_only_root_without_root_user() {
    if !layer::require(Layer::Program("setpriv")) || !rustix::process::geteuid().is_root() {
        return;
    }
    let root = Tar::new().directory("./", 0o555).directory("d/", 0o555).file("d/file", 0o444, b"x");
    let image = Image::of_archives(&json!({}), &[root.finish()], Compression::None);
    let registry = HandMade::start(&image);
    let (house, target) = (scratch::directory(), scratch::directory());
    let binary = house.path().join("binary");
    // A separate process copies the binary: a forked child of this process could keep the copy open for writing, which
    // prevents its execution.
    let mut copy = std::process::Command::new("cp");
    run(copy.arg(jetway_tests::binaries::resource("docker-image")).arg(&binary));
    let script = house.path().join("as-nobody");
    let text =
        format!("#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups {} in \"$@\"\n", binary.display());
    fs::write(&script, text).unwrap();
    for path in [&script, &binary, &house.path().to_owned()] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    std::os::unix::fs::chown(target.path(), Some(65534), Some(65534)).unwrap();
    let request =
        json!({ "source": { "repository": registry.repository() }, "version": { "digest": image.manifest.digest } });
    let get = jetway_tests::verb::Verb::get("docker-image").binary(&script).dir(target.path()).request(&request);
    get.run().succeeded();
    let mode = |path: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(target.path().join(path)).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!((mode("rootfs"), mode("rootfs/d")), (0o555, 0o555));
    assert_eq!(fs::read_to_string(target.path().join("rootfs/d/file")).unwrap(), "x");
}

#[test]
fn skips_devices_with_a_warning_without_permission() {
    if !layer::require(Layer::Program("setpriv")) || !rustix::process::geteuid().is_root() {
        return;
    }
    let dev = Tar::new()
        .directory("dev/", 0o755)
        .entry(b"dev/sda", b'4', 0o660, b"", 0, b"")
        .entry(b"dev/sdb", b'4', 0o660, b"", 0, b"")
        .entry(b"dev/pipe", b'6', 0o600, b"", 0, b"")
        .file("dev/file", 0o644, b"x");
    let image = Image::of_archives(&json!({}), &[dev.finish()], Compression::None);
    let registry = HandMade::start(&image);
    let (house, target) = (scratch::directory(), scratch::directory());
    // As in an unprivileged container.
    let script = house.path().join("without-mknod");
    let binary = jetway_tests::binaries::resource("docker-image");
    let text =
        format!("#!/bin/sh\nexec setpriv --bounding-set=-mknod --inh-caps=-mknod {} in \"$@\"\n", binary.display());
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let version = json!({ "digest": image.manifest.digest });
    let request = json!({ "source": { "repository": registry.repository() }, "version": version });
    let get = jetway_tests::verb::Verb::get("docker-image").binary(&script).dir(target.path()).request(&request);
    let outcome = get.run();
    outcome.succeeded();
    let warning = "omitting devices, which this container may not create: `dev/sda`, `dev/sdb`";
    assert!(outcome.stderr.contains(warning), "{}", outcome.stderr);
    let mut names: Vec<_> =
        fs::read_dir(target.path().join("rootfs/dev")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["console", "file", "pipe", "pts", "shm"]);
}
