//! An in-memory registry for pushes and pulls. A test can override responses, to imitate other registries.
//!
//! Each answer is that of the distribution specification of the OCI
//! (<https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md>): "Pulling manifests", "Pulling blobs", "Pushing blobs",
//! "Pushing manifests" and "Error Codes". `Docker-Content-Digest` and `Docker-Distribution-API-Version` are those of CNCF's registry
//! (<https://distribution.github.io/distribution/spec/api/>).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

pub use super::hand_made::error;
use super::hand_made::part;
use super::image::{Image, sha256};
use crate::stand_in::{RecordedRequest, Response, StandIn};

type Twist = dyn Fn(&RecordedRequest) -> Option<Response> + Send + Sync;

/// The registry. Its repositories share blobs and manifests.
pub struct Memory {
    server: StandIn,
    state: Arc<Mutex<State>>,
    twist: Arc<Mutex<Option<Arc<Twist>>>>,
}

#[derive(Default)]
struct State {
    blobs: HashMap<String, Vec<u8>>,
    /// By digest or `REPOSITORY:TAG`: the media type and the bytes.
    manifests: HashMap<String, (String, Vec<u8>)>,
    uploads: Vec<Vec<u8>>,
}

impl Memory {
    /// Starts an empty registry.
    pub fn start() -> Self {
        Self::serve(StandIn::start)
    }

    /// Starts an empty registry with TLS.
    pub fn start_tls() -> Self {
        Self::serve(StandIn::start_tls)
    }

    /// Starts an empty registry on `[::1]`.
    pub fn start_ipv6() -> Self {
        Self::serve(StandIn::start_ipv6)
    }

    fn serve(start: impl FnOnce(Box<dyn Fn(&RecordedRequest) -> Response + Send + Sync>) -> StandIn) -> Self {
        let (state, twist) = (Arc::<Mutex<State>>::default(), Arc::<Mutex<Option<Arc<Twist>>>>::default());
        let (shared, twists) = (Arc::clone(&state), Arc::clone(&twist));
        let server = start(Box::new(move |request| {
            // The lock is not held while the override runs, because a slow one would block every request.
            let twist = lock(&twists).clone();
            let twisted = twist.and_then(|twist| twist(request));
            twisted.unwrap_or_else(|| lock(&shared).answer(request).unwrap_or_else(|| error(404, "NAME_UNKNOWN")))
        }));
        Self { server, state, twist }
    }

    /// Overrides the responses to requests for which `twist` returns one.
    pub fn twist(&self, twist: impl Fn(&RecordedRequest) -> Option<Response> + Send + Sync + 'static) {
        *lock(&self.twist) = Some(Arc::new(twist));
    }

    /// Stores an image under a tag.
    pub fn hold(&self, image: &Image, path: &str, tag: &str) {
        let mut state = lock(&self.state);
        for blob in image.layers.iter().chain([&image.config]) {
            state.blobs.insert(blob.digest.clone(), blob.bytes.clone());
        }
        let manifest = (image.manifest.media_type.clone(), image.manifest.bytes.clone());
        state.manifests.insert(image.manifest.digest.clone(), manifest.clone());
        state.manifests.insert(format!("{path}:{tag}"), manifest);
    }

    /// Removes a blob.
    pub fn forget(&self, digest: &str) {
        lock(&self.state).blobs.remove(digest);
    }

    /// Finds the manifest of a tag or digest.
    pub fn manifest(&self, name: &str) -> Option<Vec<u8>> {
        lock(&self.state).manifests.get(name).map(|(_, bytes)| bytes.clone())
    }

    /// Finds a blob.
    pub fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        lock(&self.state).blobs.get(digest).cloned()
    }

    /// The server, for its log and its faults.
    pub fn server(&self) -> &StandIn {
        &self.server
    }

    /// The reference of a repository in the registry.
    pub fn repository(&self, path: &str) -> String {
        let url = self.server.url();
        format!("{}/{path}", url.split_once("://").map_or(url.as_str(), |(_, host)| host))
    }
}

impl State {
    fn answer(&mut self, request: &RecordedRequest) -> Option<Response> {
        let path = request.path();
        if path == "/v2/" {
            let answer = Response::json(200, &json!({}));
            return Some(answer.with("Docker-Distribution-API-Version", "registry/2.0"));
        }
        let rest = path.strip_prefix("/v2/")?;
        if let Some((name, upload)) = rest.split_once("/blobs/uploads/") {
            return self.upload(request, name, upload);
        }
        if let Some((_, digest)) = rest.split_once("/blobs/") {
            let Some(bytes) = self.blobs.get(digest) else { return Some(error(404, "BLOB_UNKNOWN")) };
            return Some(part(bytes, request).with("Docker-Content-Digest", digest));
        }
        let (name, reference) = rest.split_once("/manifests/")?;
        let key = if reference.contains(':') { reference.to_owned() } else { format!("{name}:{reference}") };
        if request.method == "PUT" {
            let manifest = (request.header("content-type")?.to_owned(), request.body.clone());
            let digest = sha256(&request.body);
            self.manifests.insert(digest.clone(), manifest.clone());
            self.manifests.insert(key, manifest);
            let place = format!("/v2/{name}/manifests/{digest}");
            return Some(Response::text(201, "").with("Location", &place).with("Docker-Content-Digest", &digest));
        }
        let Some((media_type, bytes)) = self.manifests.get(&key) else { return Some(error(404, "MANIFEST_UNKNOWN")) };
        Some(Response::bytes(200, media_type, bytes.clone()).with("Docker-Content-Digest", &sha256(bytes)))
    }

    fn upload(&mut self, request: &RecordedRequest, name: &str, upload: &str) -> Option<Response> {
        let place = |id: usize| format!("/v2/{name}/blobs/uploads/{id}");
        if request.method == "POST" {
            self.uploads.push(Vec::new());
            return Some(Response::text(202, "").with("Location", &place(self.uploads.len() - 1)));
        }
        let id: usize = upload.parse().unwrap_or(usize::MAX);
        let Some(has) = self.uploads.get_mut(id) else { return Some(error(404, "BLOB_UPLOAD_UNKNOWN")) };
        has.extend_from_slice(&request.body);
        if request.method == "PATCH" {
            let range = format!("0-{}", has.len().saturating_sub(1));
            return Some(Response::text(202, "").with("Location", &place(id)).with("Range", &range));
        }
        let (bytes, digest) = (std::mem::take(has), request.query("digest")?);
        if sha256(&bytes) != digest {
            return Some(error(400, "DIGEST_INVALID"));
        }
        let blob = format!("/v2/{name}/blobs/{digest}");
        self.blobs.insert(digest.clone(), bytes);
        Some(Response::text(201, "").with("Location", &blob).with("Docker-Content-Digest", &digest))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
