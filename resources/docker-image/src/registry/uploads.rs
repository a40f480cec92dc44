//! Uploads: blobs, each in one stream that is resumed when it is cut; manifests.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jetway::http::{
    Bytes, HttpRequest, HttpResponse, Method, Redirects, StatusCode, StatusError, TransportError, TransportKind, Url,
    is_transient,
};
use jetway::{Error, Interrupted, Result};

use crate::digest::Digest;
use crate::image::manifest::Manifest;
use crate::local::store::Part;
use crate::registry::client::Registry;
use crate::registry::manifests::Reference;
use crate::registry::status::{has_code, status_of};

/// How many times in a row a cut upload is resumed without progress.
const MAX_CONSECUTIVE_CUTS: u32 = 4;

/// How many times an upload is resumed in all.
const MAX_CUTS: u32 = 100;

/// The delay before the second resume in a row; it doubles each time.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a registry may take to commit an upload: some copy the blob first.
const SETTLING: Duration = Duration::from_mins(10);

/// The delays before a manifest is sent again to a registry that does not see its blobs yet. They are longer than those
/// of a get: the blobs were just uploaded, and a put that fails has to upload them again.
const UNTIL_REFERABLE: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// The content of an upload.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outgoing<'o> {
    Bytes(&'o Bytes),
    Part(&'o Part),
}

/// The result of a mount request.
#[derive(Debug)]
pub(crate) enum Mount {
    /// The blob is mounted.
    Done,
    /// The registry has opened an upload instead, at this URL.
    At(Url),
    /// The registry does not know the source repository, or the user may not read it.
    Refused,
}

impl Outgoing<'_> {
    fn size(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Part(part) => part.size(),
        }
    }

    /// Gives a request the content from an offset on.
    fn from(self, offset: u64, request: HttpRequest) -> HttpRequest {
        let request = request.header("content-type", "application/octet-stream");
        match self {
            Self::Bytes(bytes) => {
                let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                request.body(bytes.slice(offset..))
            }
            Self::Part(part) => request.file(&part.path, part.range.start.saturating_add(offset)..part.range.end),
        }
    }
}

impl Registry<'_> {
    /// Whether the repository has a blob; `false` if the login may not read.
    pub(crate) async fn has_blob(&self, digest: &Digest, size: u64) -> Result<bool> {
        let target = format!("blobs/{digest}");
        // A blob store that the registry redirects to may refuse HEAD: its URLs are often signed for GET only.
        let reference = self.send(Method::HEAD, &target, |request| {
            let refusals =
                [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST, StatusCode::METHOD_NOT_ALLOWED];
            let request = request.redirects(Redirects::FollowToPlainHttp);
            refusals.into_iter().fold(request, HttpRequest::allow)
        });
        let response = reference.await.map_err(|error| self.unpushable(error))?;
        if !response.status().is_success() {
            return Ok(false);
        }
        // Some registries return a wrong length, and some have only a part of the blob. In both cases the blob is
        // uploaded again, which repairs a partial blob.
        Ok(response.length().is_none_or(|length| length == size))
    }

    /// Requests a cross-repository mount of a blob.
    pub(crate) async fn mount(&self, digest: &Digest, from: &str) -> Result<Mount> {
        let digest = digest.to_string();
        let reference = self.send(Method::POST, "blobs/uploads/", |request| {
            let request = request.query("mount", &digest).query("from", from).body(Bytes::new()).repeatable();
            let request = request.redirects(Redirects::FollowWithBody).allow(StatusCode::INTERNAL_SERVER_ERROR);
            request.allow(StatusCode::NOT_FOUND).allow(StatusCode::FORBIDDEN)
        });
        let response = match reference.await {
            // A mount only saves an upload: if the registry refuses it, the upload may still succeed.
            Err(error) if !Interrupted::caused(&error) && error.downcast_ref::<TransportError>().is_none() => {
                return Ok(Mount::Refused);
            }
            other => other?,
        };
        match response.status() {
            StatusCode::CREATED => Ok(Mount::Done),
            status if status.is_success() => next_address(self, &response, None).map(Mount::At),
            _ => Ok(Mount::Refused),
        }
    }

    /// Uploads a blob: to the URL that a mount request returned, or else to a new one.
    pub(crate) async fn upload(&self, digest: &Digest, content: Outgoing<'_>, begun: Option<Url>) -> Result<()> {
        self.host.uploads.begin(content.size());
        let upload = Upload { registry: self, digest, content, offset: 0, furthest: 0, cuts_in_a_row: 0, cuts: 0 };
        let sent = upload.run(begun).await;
        sent.map_err(|error| self.unpushable(error)).with_context(|| format!("cannot upload `{digest}`"))
    }

    /// The digest of a manifest; `None` if it cannot be read: the login may be for pushes only, and a policy may block
    /// pulls of the image that is replaced.
    pub(crate) async fn has_manifest(&self, reference: Reference<'_>) -> Result<Option<Digest>> {
        match self.digest(reference).await {
            Err(error) if status_of(&error).is_some_and(is_refusal_to_read) => Ok(None),
            other => other,
        }
    }

    /// Fetches a manifest that is useful but not needed; `None` if it cannot be read, since the login may be for pushes
    /// only, or if it cannot be parsed.
    pub(crate) async fn manifest_if_readable(&self, reference: Reference<'_>) -> Result<Option<Manifest>> {
        match self.manifest(reference).await {
            Err(error) if error.downcast_ref::<TransportError>().is_none() && !must_end(&error) => Ok(None),
            other => other,
        }
    }

    /// Pushes a manifest under a tag or its digest.
    pub(crate) async fn put_manifest(&self, reference: Reference<'_>, manifest: &Manifest) -> Result<()> {
        let target = format!("manifests/{reference}");
        let body = Bytes::from(manifest.bytes.clone());
        let put = async {
            let response = self.send_manifest(&target, manifest, &body).await?;
            if let Some(subject) = manifest.subject().filter(|_| response.header("oci-subject").is_none()) {
                self.name_referrer(&subject, manifest).await?;
            }
            // A registry that rewrites manifests would serve other content than the pushed one.
            match response.header("docker-content-digest").and_then(|text| text.parse::<Digest>().ok()) {
                Some(stored) if stored.algorithm() == manifest.digest.algorithm() && stored != manifest.digest => {
                    Err(anyhow!("the registry reports that it stored {stored} instead of {}", manifest.digest))
                }
                _ => Ok(()),
            }
        };
        put.await
            .map_err(|error| self.unpushable(error))
            .with_context(|| format!("cannot push `{}{}{reference}`", self.repository(), reference.separator()))
    }

    /// Pushes a manifest, and retries for a short while if the registry does not see its blobs yet.
    async fn send_manifest(&self, target: &str, manifest: &Manifest, body: &Bytes) -> Result<HttpResponse> {
        let send = async || {
            self.send(Method::PUT, target, |request| {
                let request = request.header("content-type", &manifest.media_type).body(body.clone());
                request.redirects(Redirects::FollowWithBody).min_read_timeout(SETTLING)
            })
            .await
        };
        for pause in UNTIL_REFERABLE {
            match send().await {
                Err(error) if has_code(&error, &["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"]) => {
                    self.host
                        .context
                        .console()
                        .step("the registry does not have the uploaded blobs yet; retrying the manifest");
                    self.host.context.interrupt().sleep(pause).await?;
                }
                other => return other,
            }
        }
        send().await
    }
}

/// Whether a push may succeed although a read failed with this status.
fn is_refusal_to_read(status: StatusCode) -> bool {
    let other = [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_client_error() && !other.contains(&status)
}

/// Whether the push cannot continue without the manifest.
fn must_end(error: &Error) -> bool {
    status_of(error) == Some(StatusCode::TOO_MANY_REQUESTS) || Interrupted::caused(error)
}

/// The upload of one blob.
struct Upload<'u> {
    registry: &'u Registry<'u>,
    digest: &'u Digest,
    content: Outgoing<'u>,
    /// How many bytes the registry has.
    offset: u64,
    /// The largest `offset` so far.
    furthest: u64,
    cuts_in_a_row: u32,
    cuts: u32,
}

/// The result of one step of an upload.
enum Step {
    Done,
    /// The registry has a part of the blob; the rest goes to this URL.
    At(Url),
    /// The registry has nothing; the upload starts again.
    Anew,
}

impl Upload<'_> {
    async fn run(mut self, begun: Option<Url>) -> Result<()> {
        let mut place = begun;
        loop {
            let step = match &place {
                Some(url) => self.go_on(url).await,
                None => self.begin().await.map(Step::At),
            };
            match step {
                Ok(Step::Done) => return Ok(()),
                Ok(Step::At(url)) => place = Some(url),
                Ok(Step::Anew) => {
                    self.offset = 0;
                    place = None;
                }
                // If the registry refuses to open an upload, a retry does not help.
                Err(error) if place.is_none() && status_of(&error).is_some() => return Err(error),
                Err(error) => {
                    self.after_cut(error).await?;
                    place = match place {
                        Some(url) => self.whereabouts(&url).await?,
                        None => None,
                    };
                    if place.is_none() && self.registry.has_blob(self.digest, self.content.size()).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Opens an upload and returns its URL.
    async fn begin(&mut self) -> Result<Url> {
        self.offset = 0;
        let response = self.registry.send(Method::POST, "blobs/uploads/", |request| {
            request.body(Bytes::new()).repeatable().redirects(Redirects::FollowWithBody)
        });
        next_address(self.registry, &response.await?, None)
    }

    /// Sends the rest of the blob, or commits the upload if all is sent.
    async fn go_on(&mut self, url: &Url) -> Result<Step> {
        let size = self.content.size();
        if self.offset == size {
            return self.finish(url).await;
        }
        let (offset, content, sent) = (self.offset, self.content, &self.registry.host.uploads.done);
        let response = self
            .send_to(Method::PATCH, url, move |request| {
                let request = content.from(offset, request).count_sent(sent);
                // The first chunk needs no range, and some registries accept none.
                let request = if offset == 0 {
                    request
                } else {
                    request.header("content-range", format!("{offset}-{}", size.saturating_sub(1)))
                };
                request
                    .allow(StatusCode::METHOD_NOT_ALLOWED)
                    .allow(StatusCode::NOT_IMPLEMENTED)
                    .min_read_timeout(SETTLING)
            })
            .await?;
        if !response.status().is_success() {
            // A registry without chunked uploads gets the whole blob with the last request.
            return self.whole(url).await;
        }
        let next = next_address(self.registry, &response, Some(url))?;
        self.offset = match received(&response) {
            // A registry that received only a part is sent the rest.
            Some(count) if count < size && count > offset => count,
            _ => size,
        };
        self.advanced();
        Ok(Step::At(next))
    }

    /// Sends the whole blob in one request.
    async fn whole(&mut self, url: &Url) -> Result<Step> {
        let (content, sent) = (self.content, &self.registry.host.uploads.done);
        let digest = self.digest.to_string();
        self.send_to(Method::PUT, url, move |request| {
            content.from(0, request).count_sent(sent).query("digest", &digest).min_read_timeout(SETTLING)
        })
        .await?;
        Ok(Step::Done)
    }

    /// Commits the upload with its digest.
    async fn finish(&mut self, url: &Url) -> Result<Step> {
        let digest = self.digest.to_string();
        let response = self
            .send_to(Method::PUT, url, move |request| {
                request
                    .query("digest", &digest)
                    .body(Bytes::new())
                    .allow(StatusCode::BAD_REQUEST)
                    .min_read_timeout(SETTLING)
            })
            .await?;
        if response.status() != StatusCode::BAD_REQUEST {
            return Ok(Step::Done);
        }
        let error = Error::new(response.into_error().await);
        // Chunks may have been assembled wrongly, so the upload starts again. A blob sent in one request starts again
        // only if the registry has lost the upload.
        if self.cuts == 0 && !is_lost(&error) {
            return Err(error);
        }
        self.after_cut_of(error, true).await?;
        Ok(Step::Anew)
    }

    /// Asks where to resume an upload that was cut; `None` when the registry does not know it any more.
    async fn whereabouts(&mut self, url: &Url) -> Result<Option<Url>> {
        let reference = self.send_to(Method::GET, url, |request| {
            request.allow(StatusCode::NOT_FOUND).allow(StatusCode::METHOD_NOT_ALLOWED).allow(StatusCode::BAD_REQUEST)
        });
        let response = reference.await?;
        self.offset = 0;
        // `0-0` may mean no byte or one byte.
        match received(&response).filter(|count| *count > 1 && *count <= self.content.size()) {
            Some(count) if response.status().is_success() => {
                self.offset = count;
                self.advanced();
                next_address(self.registry, &response, Some(url)).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn advanced(&mut self) {
        if self.offset > self.furthest {
            self.furthest = self.offset;
            self.cuts_in_a_row = 0;
        }
    }

    async fn after_cut(&mut self, error: Error) -> Result<()> {
        // The registry rejects the range after a cut.
        let is_confused = self.cuts > 0 && status_of(&error) == Some(StatusCode::BAD_REQUEST);
        let may_pass = is_confused || is_lost(&error) || may_pass(&error);
        self.after_cut_of(error, may_pass).await
    }

    /// Waits before the upload is resumed, or returns the error if a retry does not help.
    async fn after_cut_of(&mut self, error: Error, may_pass: bool) -> Result<()> {
        if !may_pass || self.cuts_in_a_row >= MAX_CONSECUTIVE_CUTS || self.cuts >= MAX_CUTS {
            return Err(error);
        }
        self.cuts += 1;
        self.cuts_in_a_row += 1;
        // A request that the client has retried already gets one more round here, in which the registry may report its
        // offset.
        if was_retried(&error) {
            self.cuts_in_a_row = self.cuts_in_a_row.max(MAX_CONSECUTIVE_CUTS);
        }
        let context = self.registry.context();
        context.console().step(format_args!("the upload of `{}` was cut off; resuming it", self.digest));
        context.interrupt().sleep(PAUSE.saturating_mul(1 << self.cuts_in_a_row.min(5))).await
    }

    /// Sends a request to an upload URL. A URL on another host gets no credentials.
    async fn send_to(
        &self,
        method: Method,
        url: &Url,
        prepare: impl Fn(HttpRequest) -> HttpRequest,
    ) -> Result<HttpResponse> {
        let registry = self.registry;
        if registry.is_own(url) {
            return registry.send(method, url.as_str(), prepare).await;
        }
        registry.send_elsewhere(method, url, prepare).await
    }
}

/// Whether the registry has lost an upload, so that it must start again.
fn is_lost(error: &Error) -> bool {
    has_code(error, &["BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN"])
}

/// Whether the client has retried the request.
fn was_retried(error: &Error) -> bool {
    let attempts = error.downcast_ref::<StatusError>().map(StatusError::attempts);
    attempts
        .or_else(|| error.downcast_ref::<TransportError>().map(TransportError::attempts))
        .is_some_and(|attempts| attempts > 1)
}

/// Whether an error is transient.
fn may_pass(error: &Error) -> bool {
    use TransportKind::{Connection, Cut, Name, Stalled};
    if let Some(status) = error.downcast_ref::<StatusError>().map(StatusError::status) {
        // An upload that is unknown, or not at this offset, starts again.
        return status.is_server_error()
            || is_transient(status)
            || matches!(status, StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE);
    }
    let kind = error.downcast_ref::<TransportError>().map(TransportError::kind);
    matches!(kind, Some(Cut | Stalled | Connection | Name))
}

/// The number of bytes that a registry has received: `0-99` means a hundred.
fn received(response: &HttpResponse) -> Option<u64> {
    let range = response.header("range")?;
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    range.split_once('-')?.1.trim().parse::<u64>().ok()?.checked_add(1)
}

/// The URL of the next request of an upload.
fn next_address(registry: &Registry<'_>, response: &HttpResponse, before: Option<&Url>) -> Result<Url> {
    let Some(location) = response.header("location") else {
        return before.cloned().context("the registry returned no upload URL");
    };
    let reference = response.url();
    let mut url = reference.join(location).map_err(|_| anyhow!("the registry's upload URL is not valid"))?;
    if url.scheme() != reference.scheme() {
        // A registry behind a TLS proxy may not know its scheme.
        let own = registry.is_own(&url) && url.set_scheme(reference.scheme()).is_ok();
        if !own && url.scheme() != "https" {
            return Err(anyhow!("the registry's upload URL is unencrypted"));
        }
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(anyhow!("the registry's upload URL is not an `https` URL"));
    }
    // A registry on the internet must not name an address in the worker's network.
    if registry.host.must_not_name(&url) {
        return Err(anyhow!("refusing to upload to the private address in the registry's upload URL"));
    }
    Ok(url)
}

impl Reference<'_> {
    /// The separator between a repository and this reference.
    fn separator(self) -> char {
        match self {
            Self::Tag(_) => ':',
            Self::Digest(_) => '@',
        }
    }
}
