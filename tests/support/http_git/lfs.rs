//! A git-lfs server beside the git server: only its batch API with the basic transfer.
//!
//! Responses to a batch follow <https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md>, those to downloads and uploads
//! follow <https://github.com/git-lfs/git-lfs/blob/main/docs/api/basic-transfers.md>. Objects are in the repository's `lfs/objects`, where
//! git-lfs itself stores them when it pushes to a `file://` URL.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::body::Body;
use super::log::Entry;

/// The media type of its responses.
const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";

/// A parsed request.
pub(super) struct LfsRequest {
    /// The repository's path below the root.
    repository: String,
    what: What,
}

enum What {
    Batch,
    Object(String),
    Other,
}

impl LfsRequest {
    /// Parses a request; `None` for a request of git.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        let (repository, rest) = request.uri().path().split_once("/info/lfs/")?;
        let what = match rest.split_once('/') {
            Some(("objects", "batch")) => What::Batch,
            Some(("storage", id)) if id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                What::Object(id.to_owned())
            }
            _ => What::Other,
        };
        Some(Self { repository: repository.trim_start_matches('/').to_owned(), what })
    }
}

pub(super) async fn answer(
    root: &Path,
    lfs: LfsRequest,
    request: Request<Incoming>,
    entry: &Arc<Entry>,
) -> Response<Body> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let storage = format!("http://{host}/{}/info/lfs/storage", lfs.repository);
    let repository = root.join(&lfs.repository);
    let login = request.headers().get(AUTHORIZATION).and_then(|login| login.to_str().ok()).map(str::to_owned);
    let is_upload = request.method() == Method::PUT;
    let content = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    entry.received(content.len());
    let (mut status, mut media_type) = (StatusCode::OK, MEDIA_TYPE);
    let body = match lfs.what {
        What::Batch => batch(&repository, &storage, login.as_deref(), &content).to_string().into_bytes(),
        What::Object(id) if is_upload => {
            let path = path(&repository, &id);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("make the object's folder");
            std::fs::write(path, content).expect("keep the object");
            Vec::new()
        }
        What::Object(id) => {
            media_type = "application/octet-stream";
            let content = std::fs::read(path(&repository, &id));
            content.unwrap_or_else(|_| {
                status = StatusCode::NOT_FOUND;
                Vec::new()
            })
        }
        // For example locks, which are optional: git-lfs continues without them after a 404.
        What::Other => {
            status = StatusCode::NOT_FOUND;
            json!({ "message": "Not found" }).to_string().into_bytes()
        }
    };
    let mut response = Response::new(Body::text(body, entry));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

fn path(repository: &Path, id: &str) -> PathBuf {
    repository.join("lfs/objects").join(&id[..2]).join(&id[2..4]).join(id)
}

/// The download or upload URL of each object, with the login of the batch request.
fn batch(repository: &Path, storage: &str, login: Option<&str>, request: &[u8]) -> Value {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let operation = request["operation"].as_str().unwrap_or_default();
    let objects = request["objects"].as_array().cloned().unwrap_or_default();
    let answered = objects.into_iter().map(|mut object| {
        let id = object["oid"].as_str().unwrap_or_default().to_owned();
        match (operation, path(repository, &id).exists()) {
            ("download", false) => object["error"] = json!({ "code": 404, "message": "Object does not exist" }),
            // An object that exists already needs no action.
            ("upload", true) => {}
            _ => {
                let header = login.map_or(json!({}), |login| json!({ "Authorization": login }));
                object["authenticated"] = json!(login.is_some());
                object["actions"] = json!({ operation: { "href": format!("{storage}/{id}"), "header": header } });
            }
        }
        object
    });
    json!({ "transfer": "basic", "objects": answered.collect::<Vec<_>>() })
}
