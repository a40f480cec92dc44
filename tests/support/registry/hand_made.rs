//! A registry of one image that does as it is told: it cuts, redirects, lies about digests, and speaks HTML.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::image::Image;
use crate::stand_in::{Answer, Asked, StandIn};

type Twist = dyn Fn(&Asked) -> Option<Answer> + Send + Sync;

/// A registry that is made by hand. Its repository is `team/app`, its tag `latest`.
pub struct HandMade {
    server: StandIn,
    twist: Arc<Mutex<Option<Box<Twist>>>>,
}

impl HandMade {
    /// Starts one with an image.
    pub fn start(image: &Image) -> Self {
        let twist = Arc::<Mutex<Option<Box<Twist>>>>::default();
        let (image, twists) = (image.clone(), Arc::clone(&twist));
        let server = StandIn::start(move |asked| {
            let twisted = twists.lock().expect("no request panicked").as_ref().and_then(|twist| twist(asked));
            twisted.unwrap_or_else(|| answer(&image, asked))
        });
        Self { server, twist }
    }

    /// Answers those requests otherwise for which `twist` has an answer.
    pub fn twist(&self, twist: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) {
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

/// What a good registry answers, ranges included.
pub fn answer(image: &Image, asked: &Asked) -> Answer {
    let not_found = || Answer::json(404, &json!({ "errors": [{ "code": "NOT_FOUND", "message": "not found" }] }));
    let Some(rest) = asked.path().strip_prefix("/v2/team/app/") else { return not_found() };
    if let Some(reference) = rest.strip_prefix("manifests/") {
        if reference != "latest" && reference != image.manifest.digest {
            return not_found();
        }
        return Answer::bytes(200, &image.manifest.media_type, image.manifest.bytes.clone())
            .with("Docker-Content-Digest", &image.manifest.digest);
    }
    let Some(digest) = rest.strip_prefix("blobs/") else { return not_found() };
    let Some(blob) = image.layers.iter().chain([&image.config]).find(|blob| blob.digest == digest) else {
        return not_found();
    };
    part(&blob.bytes, asked)
}

/// Bytes, from where the request wants them.
pub fn part(bytes: &[u8], asked: &Asked) -> Answer {
    let from =
        asked.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match from {
        None => Answer::bytes(200, "application/octet-stream", bytes),
        Some(from) => Answer::bytes(206, "application/octet-stream", &bytes[from..])
            .with("Content-Range", &format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
    }
}
