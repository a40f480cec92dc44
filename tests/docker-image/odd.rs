//! What registries and images do that is no attack, and no help either.

use std::fs;
use std::time::Duration;

use jetway_tests::registry::hand_made::{HandMade, answer};
use jetway_tests::registry::image::{Blob, Compression, INDEX, Image};
use jetway_tests::registry::tar::Tar;
use jetway_tests::scratch;
use jetway_tests::stand_in::{Answer, Fault, StandIn};
use serde_json::json;

use crate::hostile::fetch;
use crate::support::{check, get};

#[test]
fn indexes_in_indexes_without_end_are_refused_in_every_format() {
    let image = Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, b"x").finish()], Compression::None);
    let mut manifests = vec![image.manifest.clone()];
    for _ in 0..6 {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [manifests[0].descriptor()] });
        manifests.insert(0, Blob::new(INDEX, index.to_string()));
    }
    let registry = HandMade::start(&image);
    let known = manifests.clone();
    registry.twist(move |asked| {
        let manifest = known.iter().find(|manifest| asked.path().ends_with(&manifest.digest))?;
        Some(Answer::bytes(200, &manifest.media_type, manifest.bytes.clone()))
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
            assert!(outcome.stderr.contains("is an index in more than 4 indexes"), "{format}: {}", outcome.stderr);
            assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
        }
    }
}

#[test]
fn a_manifest_or_a_list_of_tags_that_is_cut_is_asked_for_again() {
    let image = Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, b"x").finish()], Compression::None);
    let list = |registry: &HandMade| {
        registry.twist(|asked| {
            let is_list = asked.path().ends_with("/tags/list");
            is_list.then(|| Answer::json(200, &json!({ "name": "team/app", "tags": ["1.0.0", "latest"] })))
        });
    };
    for fault in [Fault::CutBody(10), Fault::StallBody(10)] {
        let registry = HandMade::start(&image);
        registry.server().fail_next(Fault::Slow(Duration::ZERO));
        registry.server().fail_next(fault.clone());
        registry.server().fail_next(fault.clone());
        fetch(&registry, &image, json!({ "read_timeout": 3 }), scratch::directory().path()).succeeded();
        // Three times in all, and no more.
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
            registry.server().asked().iter().filter(|asked| asked.path().ends_with("/tags/list")).count()
        };
        assert_eq!(lists(&registry), 3);
    }
}

#[test]
fn the_next_page_of_a_registry_that_does_not_know_of_its_tls_is_asked_for_over_tls() {
    let image = Image::named("x");
    let own = image.clone();
    let server = StandIn::start_tls(move |asked| {
        if !asked.path().ends_with("/tags/list") {
            let mut asked = asked.clone();
            asked.target = asked.target.replace("/1.0.0", "/latest").replace("/2.0.0", "/latest");
            return answer(&own, &asked);
        }
        if asked.query("last").is_some() {
            return Answer::json(200, &json!({ "tags": ["2.0.0"] }));
        }
        let host = asked.header("host").unwrap_or_default();
        let link = format!("<http://{host}/v2/team/app/tags/list?last=1.0.0&n=1>; rel=\"next\"");
        Answer::json(200, &json!({ "tags": ["1.0.0"] })).with("Link", &link)
    });
    let host = server.url().replace("https://", "");
    let source = json!({ "repository": format!("{host}/team/app"), "ca_certs": [server.authority()] });
    check("registry-image", &source, None).succeeded();
    assert_eq!(server.asked().iter().filter(|asked| asked.path().ends_with("/tags/list")).count(), 2);
}

#[test]
fn foreign_layers_are_refused_in_archives_too() {
    let foreign = Blob::new("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "x");
    let image = Image::new(&json!({}), vec![foreign]);
    for (kind, params) in [("registry-image", json!({ "format": "oci" })), ("docker-image", json!({ "format": "oci" }))]
    {
        let registry = HandMade::start(&image);
        let source = json!({ "repository": registry.repository() });
        let version = json!({ "tag": "latest", "digest": image.manifest.digest });
        let target = scratch::directory();
        let outcome = get(kind, &source, &version, params, target.path());
        outcome.failed();
        assert!(outcome.stderr.contains("is a foreign layer, which no registry may hand out"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("cannot be saved"), "{}", outcome.stderr);
        assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
    }
}

#[test]
fn sizes_that_no_blob_has_are_no_reason_to_panic() {
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
fn a_part_that_begins_behind_what_was_asked_for_is_refused() {
    let layer = Tar::new().file("a", 0o644, b"x").finish();
    let image = Image::of_archives(&json!({}), std::slice::from_ref(&layer), Compression::None);
    let registry = HandMade::start(&image);
    let digest = image.layers[0].digest.clone();
    registry.twist(move |asked| {
        let part = Answer::bytes(206, "application/octet-stream", &layer[5..]);
        let range = format!("bytes 5-{}/{}", layer.len() - 1, layer.len());
        asked.path().ends_with(&digest).then(|| part.with("Content-Range", &range))
    });
    let outcome = fetch(&registry, &image, json!({}), scratch::directory().path());
    outcome.failed();
    assert!(outcome.stderr.contains("what came begins behind what was asked for"), "{}", outcome.stderr);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
}
