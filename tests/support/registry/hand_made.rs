//! A registry with one image and injected faults: it cuts responses, redirects, sends wrong digests, and sends HTML.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::image::Image;
use crate::stand_in::{RecordedRequest, Response, StandIn};

type Twist = dyn Fn(&RecordedRequest) -> Option<Response> + Send + Sync;

/// A registry with the repository `team/app` and the tag `latest`.
pub struct HandMade {
    server: StandIn,
    twist: Arc<Mutex<Option<Box<Twist>>>>,
}

impl HandMade {
    /// Starts a registry with an image.
    pub fn start(image: &Image) -> Self {
        let twist = Arc::<Mutex<Option<Box<Twist>>>>::default();
        let (image, twists) = (image.clone(), Arc::clone(&twist));
        let server = StandIn::start(move |request| {
            let twisted = twists.lock().expect("no request panicked").as_ref().and_then(|twist| twist(request));
            twisted.unwrap_or_else(|| answer(&image, request))
        });
        Self { server, twist }
    }

    /// Overrides the responses to requests for which `twist` returns one.
    pub fn twist(&self, twist: impl Fn(&RecordedRequest) -> Option<Response> + Send + Sync + 'static) {
        *self.twist.lock().expect("no request panicked") = Some(Box::new(twist));
    }

    /// The server, for its log and its faults.
    pub fn server(&self) -> &StandIn {
        &self.server
    }

    /// The name of the repository.
    pub fn repository(&self) -> String {
        format!("{}/team/app", self.server.url().trim_start_matches("http://"))
    }
}

/// The response of a correct registry: "Pulling manifests", "Pulling blobs" and "Error Codes" of the distribution
/// specification (<https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md>).
pub fn answer(image: &Image, request: &RecordedRequest) -> Response {
    let Some(rest) = request.path().strip_prefix("/v2/team/app/") else { return error(404, "NAME_UNKNOWN") };
    if let Some(reference) = rest.strip_prefix("manifests/") {
        if reference != "latest" && reference != image.manifest.digest {
            return error(404, "MANIFEST_UNKNOWN");
        }
        return Response::bytes(200, &image.manifest.media_type, image.manifest.bytes.clone())
            .with("Docker-Content-Digest", &image.manifest.digest);
    }
    let Some(digest) = rest.strip_prefix("blobs/") else { return error(404, "NAME_UNKNOWN") };
    match image.layers.iter().chain([&image.config]).find(|blob| blob.digest == digest) {
        Some(blob) => part(&blob.bytes, request).with("Docker-Content-Digest", digest),
        None => error(404, "BLOB_UNKNOWN"),
    }
}

/// An error in the form of "Error Codes" of the distribution specification.
pub fn error(status: u16, code: &str) -> Response {
    Response::json(status, &json!({ "errors": [{ "code": code, "message": code.to_lowercase() }] }))
}

/// Bytes, from where the request wants them, with the headers of RFC 9110 (14.4 and 15.3.7) and the media type of CNCF's registry
/// ("Fetch Blob" in <https://distribution.github.io/distribution/spec/api/>).
pub fn part(bytes: &[u8], request: &RecordedRequest) -> Response {
    let from = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match from {
        None => Response::bytes(200, "application/octet-stream", bytes),
        Some(from) => Response::bytes(206, "application/octet-stream", &bytes[from..])
            .with("Content-Range", &format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
    }
}
