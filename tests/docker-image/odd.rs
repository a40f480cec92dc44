//! Unusual but harmless registries and images.

use std::fs;
use std::time::Duration;

use jetway_tests::registry::hand_made::{HandMade, answer};
use jetway_tests::registry::image::{Blob, Compression, INDEX, Image};
use jetway_tests::registry::tar::Tar;
use jetway_tests::scratch;
use jetway_tests::stand_in::{Fault, Response, StandIn};
use jetway_tests::tls_cases;
use serde_json::json;

use crate::hostile::fetch;
use crate::support::{check, get};

#[test]
fn rejects_endlessly_nested_indexes_in_every_format() {
    let image = Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, b"x").finish()], Compression::None);
    let mut manifests = vec![image.manifest.clone()];
    for _ in 0..6 {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [manifests[0].descriptor()] });
        manifests.insert(0, Blob::new(INDEX, index.to_string()));
    }
    let registry = HandMade::start(&image);
    let known = manifests.clone();
    registry.twist(move |request| {
        let manifest = known.iter().find(|manifest| request.path().ends_with(&manifest.digest))?;
        Some(Response::bytes(200, &manifest.media_type, manifest.bytes.clone()))
    });
    let source = json!({ "repository": registry.repository() });
    for (depth, format, is_taken) in [
        (6, "oci-layout", false),
        (6, "oci", false),
        (6, "rootfs", false),
        (3, "oci-layout", true),
        (3, "rootfs", true),
    ] {
        let version = json!({ "tag": "latest", "digest": manifests[6 - depth].digest });
        let target = scratch::directory();
        let outcome = get("registry-image", &source, &version, json!({ "format": format }), target.path());
        if is_taken {
            outcome.succeeded();
            if format == "oci-layout" {
                let layer = image.layers[0].digest.replace(':', "/");
                assert!(target.path().join("oci/blobs").join(layer).exists(), "the image in it is there");
            }
        } else {
            outcome.failed();
            assert!(outcome.stderr.contains("is nested in more than 4 indexes"), "{format}: {}", outcome.stderr);
            assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
        }
    }
}

#[test]
fn retries_manifest_and_tag_list_that_were_cut_off() {
    let image = Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, b"x").finish()], Compression::None);
    let list = |registry: &HandMade| {
        registry.twist(|request| {
            let is_list = request.path().ends_with("/tags/list");
            is_list.then(|| Response::json(200, &json!({ "name": "team/app", "tags": ["1.0.0", "latest"] })))
        });
    };
    for fault in [Fault::CutBody(10), Fault::StallBody(10)] {
        let registry = HandMade::start(&image);
        registry.server().fail_next(Fault::Slow(Duration::ZERO));
        registry.server().fail_next(fault.clone());
        registry.server().fail_next(fault.clone());
        fetch(&registry, &image, json!({ "read_timeout": 3 }), scratch::directory().path()).succeeded();
        // At most three attempts.
        let registry = HandMade::start(&image);
        list(&registry);
        registry.server().fail_next(Fault::Slow(Duration::ZERO));
        for _ in 0..3 {
            registry.server().fail_next(fault.clone());
        }
        let source = json!({ "repository": registry.repository(), "read_timeout": 3 });
        let outcome = check("registry-image", &source, None);
        outcome.failed();
        assert!(outcome.stderr.contains("cannot list the tags of"), "{}", outcome.stderr);
        let lists = |registry: &HandMade| {
            registry
                .server()
                .recorded_requests()
                .iter()
                .filter(|request| request.path().ends_with("/tags/list"))
                .count()
        };
        assert_eq!(lists(&registry), 3);
    }
}

#[test]
fn requests_next_page_over_tls_behind_tls_proxy() {
    let image = Image::named("x");
    let own = image.clone();
    let server = StandIn::start_tls(move |request| {
        if !request.path().ends_with("/tags/list") {
            let mut request = request.clone();
            request.target = request.target.replace("/1.0.0", "/latest").replace("/2.0.0", "/latest");
            return answer(&own, &request);
        }
        if request.query("last").is_some() {
            return Response::json(200, &json!({ "tags": ["2.0.0"] }));
        }
        let host = request.header("host").unwrap_or_default();
        let link = format!("<http://{host}/v2/team/app/tags/list?last=1.0.0&n=1>; rel=\"next\"");
        Response::json(200, &json!({ "tags": ["1.0.0"] })).with("Link", &link)
    });
    let host = server.url().replace("https://", "");
    let source = json!({ "repository": format!("{host}/team/app"), "ca_certs": [server.authority()] });
    check("registry-image", &source, None).succeeded();
    assert_eq!(server.recorded_requests().iter().filter(|request| request.path().ends_with("/tags/list")).count(), 2);
}

#[test]
fn rejects_foreign_layers_in_archives() {
    let foreign = Blob::new("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "x");
    let image = Image::new(&json!({}), vec![foreign.clone()]);
    for (kind, params) in [("registry-image", json!({ "format": "oci" })), ("docker-image", json!({ "format": "oci" }))]
    {
        let registry = HandMade::start(&image);
        let digest = foreign.digest.clone();
        registry.twist(move |request| request.path().ends_with(&digest).then(|| Response::text(404, "")));
        let source = json!({ "repository": registry.repository() });
        let version = json!({ "tag": "latest", "digest": image.manifest.digest });
        let target = scratch::directory();
        let outcome = get(kind, &source, &version, params, target.path());
        outcome.failed();
        assert!(outcome.stderr.contains("it is a foreign layer, which registries do not serve"), "{}", outcome.stderr);
        assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
    }
}

#[test]
fn does_not_panic_on_impossible_sizes() {
    let layer = Blob::new("application/vnd.oci.image.layer.v1.tar", "x");
    let mut image = Image::new(&json!({}), vec![layer.clone(), layer]);
    let largest = u64::MAX.to_string();
    let text = String::from_utf8(image.manifest.bytes.clone()).unwrap();
    let text = text.replace("\"size\":1}", &format!("\"size\":{largest}}}"));
    assert!(text.contains(&largest), "{text}");
    image.manifest = Blob::new(&image.manifest.media_type.clone(), text);
    for format in ["rootfs", "oci", "oci-layout"] {
        let registry = HandMade::start(&image);
        let source = json!({ "repository": registry.repository() });
        let version = json!({ "tag": "latest", "digest": image.manifest.digest });
        let outcome =
            get("registry-image", &source, &version, json!({ "format": format }), scratch::directory().path());
        outcome.failed();
        assert!(!outcome.stderr.contains("panic") && outcome.code == Some(1), "{format}: {}", outcome.stderr);
    }
}

#[test]
fn rejects_range_after_the_requested_offset() {
    let layer = Tar::new().file("a", 0o644, b"x").finish();
    let image = Image::of_archives(&json!({}), std::slice::from_ref(&layer), Compression::None);
    let registry = HandMade::start(&image);
    let digest = image.layers[0].digest.clone();
    registry.twist(move |request| {
        let part = Response::bytes(206, "application/octet-stream", &layer[5..]);
        let range = format!("bytes 5-{}/{}", layer.len() - 1, layer.len());
        request.path().ends_with(&digest).then(|| part.with("Content-Range", &range))
    });
    let outcome = fetch(&registry, &image, json!({}), scratch::directory().path());
    outcome.failed();
    assert!(outcome.stderr.contains("the response begins after the requested offset"), "{}", outcome.stderr);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
}

/// The content decides about the compression: small tools omit the media type of a layer, and artifacts have their own
/// types.
#[test]
fn unpacks_layers_whatever_their_type() {
    let archive = Tar::new().file("a", 0o644, b"x").finish();
    let layer = Compression::Gzip.layer(&archive);
    for media_type in [
        None,
        Some(""),
        Some("application/octet-stream"),
        Some("application/x-tar"),
        Some("application/vnd.docker.container.image.rootfs.diff+x-gtar"),
        Some("application/vnd.docker.image.rootfs.diff.tar.zstd"),
        Some("application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
        Some("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
    ] {
        let mut image = Image::new(&json!({ "name": "chart", "version": "1.0.0" }), vec![layer.clone()]);
        let mut manifest: serde_json::Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
        match media_type {
            Some(media_type) => manifest["layers"][0]["mediaType"] = json!(media_type),
            None => drop(manifest["layers"][0].as_object_mut().unwrap().remove("mediaType")),
        }
        image.manifest = Blob::new(&image.manifest.media_type.clone(), manifest.to_string());
        let registry = HandMade::start(&image);
        let source = json!({ "repository": registry.repository() });
        let version = json!({ "tag": "latest", "digest": image.manifest.digest });
        for (format, file) in [("rootfs", "rootfs/a"), ("oci", "image.tar")] {
            let target = scratch::directory();
            get("registry-image", &source, &version, json!({ "format": format }), target.path()).succeeded();
            assert!(target.path().join(file).exists(), "{media_type:?} {format}");
        }
    }
}

/// Docker creates mount points in each container, so `docker export` contains them.
#[test]
fn docker_image_files_equal_docker_export() {
    let archive = Tar::new().directory("etc", 0o755).file("etc/hosts", 0o644, b"own").finish();
    let image = Image::of_archives(&json!({ "Env": ["A=b", "HOSTNAME=x"] }), &[archive], Compression::Gzip);
    let registry = HandMade::start(&image);
    let source = json!({ "repository": registry.repository() });
    let version = json!({ "digest": image.manifest.digest });
    let target = scratch::directory();
    get("docker-image", &source, &version, json!({ "rootfs": true }), target.path()).succeeded();
    let rootfs = target.path().join("rootfs");
    assert_eq!(fs::read_link(rootfs.join("etc/mtab")).unwrap(), std::path::Path::new("/proc/mounts"));
    assert_eq!(fs::read_to_string(rootfs.join("etc/hosts")).unwrap(), "own");
    for (path, is_directory) in [("proc", true), ("sys", true), ("dev/pts", true), ("etc/resolv.conf", false)] {
        assert_eq!(fs::metadata(rootfs.join(path)).unwrap().is_dir(), is_directory, "{path}");
    }
    let metadata: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(target.path().join("metadata.json")).unwrap()).unwrap();
    let env = metadata["env"].as_array().unwrap();
    assert!(env.contains(&json!("A=b")) && !env.iter().any(|entry| entry.as_str().unwrap().starts_with("HOSTNAME")));
    let target = scratch::directory();
    get("registry-image", &source, &version, json!({}), target.path()).succeeded();
    assert!(!target.path().join("rootfs/proc").exists());
}

#[test]
fn unpacks_many_layers_with_few_open_files() {
    let archives: Vec<Vec<u8>> =
        (0..1100).map(|index| Tar::new().file(format!("f{index}"), 0o644, b"x").finish()).collect();
    let image = Image::of_archives(&json!({}), &archives, Compression::None);
    let registry = HandMade::start(&image);
    let source = json!({ "repository": registry.repository() });
    let version = json!({ "tag": "latest", "digest": image.manifest.digest });
    let target = scratch::directory();
    get("registry-image", &source, &version, json!({}), target.path()).succeeded();
    assert_eq!(fs::read_dir(target.path().join("rootfs")).unwrap().count(), 1100);
}

#[test]
fn accepts_every_kind_of_certificate_and_rejects_bad_ones_with_a_reason() {
    for kind in ["docker-image", "registry-image"] {
        tls_cases::check(&tls_cases::REFUSALS, |url, authority| {
            let host = url.strip_prefix("https://").unwrap();
            let source = json!({ "repository": format!("{host}/team/app"), "tag": "1", "ca_certs": [authority] });
            check(kind, &source, None)
        });
    }
}
