//! Uploads: blobs, in one stream each, which goes on where it was cut; manifests.

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
use crate::registry::auth::is_private;
use crate::registry::client::Registry;
use crate::registry::manifests::Asked;
use crate::registry::status::{has_code, status_of};
use crate::source::connection::is_nearby;

/// How often an upload that is cut goes on, when nothing more arrived in between.
const MOST_CUTS_IN_A_ROW: u32 = 4;

/// How often it goes on in all.
const MOST_CUTS: u32 = 100;

/// The pause before it does, in all but the first time twice as long as before.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a registry may take to make a blob of what has arrived: some copy it first.
const SETTLING: Duration = Duration::from_mins(10);

/// The pauses before a manifest is sent again to a registry that does not see yet what the manifest names. They are longer than those
/// of a get: blobs were sent a moment ago, and a put that fails has to send them again.
const UNTIL_REFERABLE: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// What is uploaded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outgoing<'o> {
    Bytes(&'o Bytes),
    Part(&'o Part),
}

/// What a registry makes of the wish to take a blob over from another of its repositories.
#[derive(Debug)]
pub(crate) enum Mount {
    /// It has.
    Done,
    /// It would rather have it sent, here.
    At(Url),
    /// It does not know the other repository, or does not let it be read.
    Refused,
}

impl Outgoing<'_> {
    fn size(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Part(part) => part.size(),
        }
    }

    /// A request that sends everything from a byte on.
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
    /// Whether the repository has a blob. A registry that does not let this be read is taken to have none.
    pub(crate) async fn has_blob(&self, digest: &Digest, size: u64) -> Result<bool> {
        let target = format!("blobs/{digest}");
        // A store that the registry redirects to may refuse a HEAD: its addresses are often signed for a GET alone.
        let asked = self.send(Method::HEAD, &target, |request| {
            let refusals =
                [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST, StatusCode::METHOD_NOT_ALLOWED];
            let request = request.redirects(Redirects::FollowToPlainHttp);
            refusals.into_iter().fold(request, HttpRequest::allow)
        });
        let answer = asked.await.map_err(|error| self.unpushable(error))?;
        if !answer.status().is_success() {
            return Ok(false);
        }
        // Some say another length than that of the blob, and some have half of it: it is sent then, which mends the latter.
        Ok(answer.length().is_none_or(|length| length == size))
    }

    /// Asks the registry to take a blob over from another of its repositories.
    pub(crate) async fn mount(&self, digest: &Digest, from: &str) -> Result<Mount> {
        let digest = digest.to_string();
        let asked = self.send(Method::POST, "blobs/uploads/", |request| {
            let request = request.query("mount", &digest).query("from", from).body(Bytes::new()).repeatable();
            let request = request.redirects(Redirects::FollowWithBody).allow(StatusCode::INTERNAL_SERVER_ERROR);
            request.allow(StatusCode::NOT_FOUND).allow(StatusCode::FORBIDDEN)
        });
        let answer = match asked.await {
            // A mount saves an upload, and nothing else: whatever a registry has against it, the upload may succeed.
            Err(error) if !Interrupted::caused(&error) && error.downcast_ref::<TransportError>().is_none() => {
                return Ok(Mount::Refused);
            }
            other => other?,
        };
        match answer.status() {
            StatusCode::CREATED => Ok(Mount::Done),
            status if status.is_success() => next_address(self, &answer, None).map(Mount::At),
            _ => Ok(Mount::Refused),
        }
    }

    /// Sends a blob, to the address that a mount has brought or else to a new one.
    pub(crate) async fn upload(&self, digest: &Digest, content: Outgoing<'_>, begun: Option<Url>) -> Result<()> {
        let upload = Upload { registry: self, digest, content, offset: 0, furthest: 0, cuts_in_a_row: 0, cuts: 0 };
        let sent = upload.run(begun).await;
        sent.map_err(|error| self.unpushable(error)).with_context(|| format!("cannot upload `{digest}`"))
    }

    /// The digest of a manifest. A registry that does not let this be read is taken to have none: the login may be for pushes alone, and
    /// a policy may hold back the image that is to be replaced.
    pub(crate) async fn has_manifest(&self, asked: Asked<'_>) -> Result<Option<Digest>> {
        match self.digest(asked).await {
            Err(error) if status_of(&error).is_some_and(is_refusal_to_read) => Ok(None),
            other => other,
        }
    }

    /// A manifest that may help; none when the registry does not give it out, perhaps to a login that may only push, or when it is not
    /// one that is understood.
    pub(crate) async fn manifest_if_readable(&self, asked: Asked<'_>) -> Result<Option<Manifest>> {
        match self.manifest(asked).await {
            Err(error) if error.downcast_ref::<TransportError>().is_none() && !must_end(&error) => Ok(None),
            other => other,
        }
    }

    /// Stores a manifest under a tag or its digest.
    pub(crate) async fn put_manifest(&self, asked: Asked<'_>, manifest: &Manifest) -> Result<()> {
        let target = format!("manifests/{asked}");
        let body = Bytes::from(manifest.bytes.clone());
        let put = async {
            let answer = self.send_manifest(&target, manifest, &body).await?;
            if let Some(subject) = manifest.subject().filter(|_| answer.header("oci-subject").is_none()) {
                self.name_referrer(&subject, manifest).await?;
            }
            // A registry that rewrites manifests would give out something else than what was put.
            match answer.header("docker-content-digest").and_then(|text| text.parse::<Digest>().ok()) {
                Some(stored) if stored.algorithm() == manifest.digest.algorithm() && stored != manifest.digest => {
                    Err(anyhow!("the registry says that it has stored {stored}, and not {}", manifest.digest))
                }
                _ => Ok(()),
            }
        };
        put.await
            .map_err(|error| self.unpushable(error))
            .with_context(|| format!("cannot push `{}{}{asked}`", self.repository(), asked.separator()))
    }

    /// Sends a manifest, again for a short while when the registry does not see yet what the manifest names.
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
                        .step("the registry does not see yet what was sent; the manifest is sent again");
                    self.host.context.interrupt().sleep(pause).await?;
                }
                other => return other,
            }
        }
        send().await
    }
}

/// Whether a push may succeed where reading had this status.
fn is_refusal_to_read(status: StatusCode) -> bool {
    let other = [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_client_error() && !other.contains(&status)
}

/// Whether going on without the manifest is no use.
fn must_end(error: &Error) -> bool {
    status_of(error) == Some(StatusCode::TOO_MANY_REQUESTS) || Interrupted::caused(error)
}

/// One blob on its way.
struct Upload<'u> {
    registry: &'u Registry<'u>,
    digest: &'u Digest,
    content: Outgoing<'u>,
    /// How many bytes the registry has.
    offset: u64,
    /// How many it has had at most.
    furthest: u64,
    cuts_in_a_row: u32,
    cuts: u32,
}

/// What a step of an upload has come to.
enum Step {
    Done,
    /// The registry has some of it, and the rest goes to this address.
    At(Url),
    /// The registry has none of it.
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
                // What refuses to begin will do so again.
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

    /// Asks for an address to send to.
    async fn begin(&mut self) -> Result<Url> {
        self.offset = 0;
        let answer = self.registry.send(Method::POST, "blobs/uploads/", |request| {
            request.body(Bytes::new()).repeatable().redirects(Redirects::FollowWithBody)
        });
        next_address(self.registry, &answer.await?, None)
    }

    /// Sends what is left, or says that all is sent.
    async fn go_on(&mut self, url: &Url) -> Result<Step> {
        let size = self.content.size();
        if self.offset == size {
            return self.finish(url).await;
        }
        let offset = self.offset;
        let content = self.content;
        let answer = self
            .send_to(Method::PATCH, url, move |request| {
                let request = content.from(offset, request);
                // The first part says by itself where it begins, and some registries take no range at all.
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
        if !answer.status().is_success() {
            // One that knows no parts gets all of it with the last request.
            return self.whole(url).await;
        }
        let next = next_address(self.registry, &answer, Some(url))?;
        self.offset = match received(&answer) {
            // A registry that has less than all of it is sent the rest.
            Some(count) if count < size && count > offset => count,
            _ => size,
        };
        self.advanced();
        Ok(Step::At(next))
    }

    /// Sends everything at once.
    async fn whole(&mut self, url: &Url) -> Result<Step> {
        let content = self.content;
        let digest = self.digest.to_string();
        self.send_to(Method::PUT, url, move |request| {
            content.from(0, request).query("digest", &digest).min_read_timeout(SETTLING)
        })
        .await?;
        Ok(Step::Done)
    }

    /// Says what all that was sent is called.
    async fn finish(&mut self, url: &Url) -> Result<Step> {
        let digest = self.digest.to_string();
        let answer = self
            .send_to(Method::PUT, url, move |request| {
                request
                    .query("digest", &digest)
                    .body(Bytes::new())
                    .allow(StatusCode::BAD_REQUEST)
                    .min_read_timeout(SETTLING)
            })
            .await?;
        if answer.status() != StatusCode::BAD_REQUEST {
            return Ok(Step::Done);
        }
        let error = Error::new(answer.into_error().await);
        // What was put together of parts may have gone wrong on the way; what was sent at once has not, unless the registry has
        // lost it.
        if self.cuts == 0 && !is_lost(&error) {
            return Err(error);
        }
        self.after_cut_of(error, true).await?;
        Ok(Step::Anew)
    }

    /// Where an upload that was cut goes on; `None` when the registry does not know it any more.
    async fn whereabouts(&mut self, url: &Url) -> Result<Option<Url>> {
        let asked = self.send_to(Method::GET, url, |request| {
            request.allow(StatusCode::NOT_FOUND).allow(StatusCode::METHOD_NOT_ALLOWED).allow(StatusCode::BAD_REQUEST)
        });
        let answer = asked.await?;
        self.offset = 0;
        // `0-0` is written for nothing as well as for one byte.
        match received(&answer).filter(|count| *count > 1 && *count <= self.content.size()) {
            Some(count) if answer.status().is_success() => {
                self.offset = count;
                self.advanced();
                next_address(self.registry, &answer, Some(url)).map(Some)
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
        // A range that the registry did not expect after a cut.
        let is_confused = self.cuts > 0 && status_of(&error) == Some(StatusCode::BAD_REQUEST);
        let may_pass = is_confused || is_lost(&error) || may_pass(&error);
        self.after_cut_of(error, may_pass).await
    }

    /// Waits before going on, when that may help.
    async fn after_cut_of(&mut self, error: Error, may_pass: bool) -> Result<()> {
        if !may_pass || self.cuts_in_a_row >= MOST_CUTS_IN_A_ROW || self.cuts >= MOST_CUTS {
            return Err(error);
        }
        self.cuts += 1;
        self.cuts_in_a_row += 1;
        // What the client has retried already gets one more round here, in which the registry may say how much it has.
        if was_retried(&error) {
            self.cuts_in_a_row = self.cuts_in_a_row.max(MOST_CUTS_IN_A_ROW);
        }
        let context = self.registry.context();
        context.console().step(format_args!("the upload of `{}` was cut; it goes on", self.digest));
        context.interrupt().sleep(PAUSE.saturating_mul(1 << self.cuts_in_a_row.min(5))).await
    }

    /// Sends a request to the address of an upload. One that is not the registry's own gets no credentials.
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

/// Whether the registry has lost an upload, which is to begin anew then.
fn is_lost(error: &Error) -> bool {
    has_code(error, &["BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN"])
}

/// Whether the client has retried the request.
fn was_retried(error: &Error) -> bool {
    let tries = error.downcast_ref::<StatusError>().map(StatusError::tries);
    tries.or_else(|| error.downcast_ref::<TransportError>().map(TransportError::tries)).is_some_and(|tries| tries > 1)
}

/// Whether trying again may help.
fn may_pass(error: &Error) -> bool {
    use TransportKind::{Connection, Cut, Name, Stalled};
    if let Some(status) = error.downcast_ref::<StatusError>().map(StatusError::status) {
        // An upload that is not known, or not at that byte, is begun again.
        return status.is_server_error()
            || is_transient(status)
            || matches!(status, StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE);
    }
    let kind = error.downcast_ref::<TransportError>().map(TransportError::kind);
    matches!(kind, Some(Cut | Stalled | Connection | Name))
}

/// How many bytes a registry says that it has: `0-99` is a hundred.
fn received(answer: &HttpResponse) -> Option<u64> {
    let range = answer.header("range")?;
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    range.split_once('-')?.1.trim().parse::<u64>().ok()?.checked_add(1)
}

/// Where the next request of an upload goes.
fn next_address(registry: &Registry<'_>, answer: &HttpResponse, before: Option<&Url>) -> Result<Url> {
    let Some(location) = answer.header("location") else {
        return before.cloned().context("the registry does not say where to upload to");
    };
    let asked = answer.url();
    let mut url = asked.join(location).map_err(|_| anyhow!("the registry's address for the upload is no URL"))?;
    if url.scheme() != asked.scheme() {
        // A registry behind a proxy that adds TLS may not know of it.
        let own = registry.is_own(&url) && url.set_scheme(asked.scheme()).is_ok();
        if !own && url.scheme() != "https" {
            return Err(anyhow!("the registry wants the upload at an address without encryption"));
        }
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(anyhow!("the registry's address for the upload is no `https` URL"));
    }
    // A registry on the internet has no business to name an address of the worker's own network.
    if !registry.is_own(&url) && !is_nearby(registry.repository().registry()) && is_private(&url) {
        return Err(anyhow!("the registry wants the upload at a private address, where nothing is sent"));
    }
    Ok(url)
}

impl Asked<'_> {
    /// What stands between a repository and this.
    fn separator(self) -> char {
        match self {
            Self::Tag(_) => ':',
            Self::Digest(_) => '@',
        }
    }
}
