//! A resource type over HTTP: a file on a web server. Its version is the file's `ETag`; a put uploads a file.

use std::path::Path;
use std::process::ExitCode;

use jetway::http::{HttpRequest, HttpSettings, Method};
use jetway::schemars::{self, JsonSchema};
use jetway::{Context, NoParams, Parameters, Problems, Resource, Response, Result, Secret, anyhow};
use serde::{Deserialize, Serialize};

struct Fetch;

/// The URL of the file, and the credentials.
#[derive(Deserialize, JsonSchema)]
struct Source {
    /// The file's URL.
    url: String,

    /// The token to log in with.
    token: Option<Secret>,

    #[serde(flatten)]
    http: HttpSettings,
}

impl Parameters for Source {
    fn validate(&self, problems: &mut Problems) {
        self.http.validate(problems);
    }

    fn hidden_secrets(&self) -> Vec<String> {
        self.http.hidden_secrets()
    }
}

/// One state of the file.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Version {
    etag: String,
}

#[derive(Deserialize, JsonSchema)]
struct PutParams {
    /// The file to send, as a path below the inputs.
    file: String,
}

impl Parameters for PutParams {}

impl Source {
    /// A request for the file, with the token if the source has one.
    fn request(&self, context: &Context, method: Method) -> Result<HttpRequest> {
        let request = context.http(self.http.clone())?.request(method, &self.url);
        Ok(match &self.token {
            Some(token) => request.bearer(token),
            None => request,
        })
    }
}

fn etag(header: Option<&str>) -> Result<Version> {
    let etag = header.ok_or_else(|| anyhow!("the server names no `ETag`"))?;
    Ok(Version { etag: etag.to_owned() })
}

impl Resource for Fetch {
    const NAME: &'static str = "fetch";
    const ABOUT: &'static str = "A file on a web server";
    const RELEASE: &'static str = env!("CARGO_PKG_VERSION");
    type Source = Source;
    type Version = Version;
    type GetParams = NoParams;
    type PutParams = PutParams;

    async fn check(context: &Context, source: Source, _: Option<Version>) -> Result<Vec<Version>> {
        let response = source.request(context, Method::HEAD)?.send().await?;
        Ok(vec![etag(response.header("etag"))?])
    }

    async fn get(
        context: &Context,
        source: Source,
        _: Option<Version>,
        _: NoParams,
        destination: &Path,
    ) -> Result<Response<Version>> {
        let response = source.request(context, Method::GET)?.send().await?;
        let version = etag(response.header("etag"))?;
        let body = response.bytes(1024 * 1024).await?;
        std::fs::write(destination.join("body"), &body)?;
        Ok(Response::new(version).with("size", body.len().to_string()))
    }

    async fn put(context: &Context, source: Source, params: PutParams, inputs: &Path) -> Result<Response<Version>> {
        let file = inputs.join(&params.file);
        let length = std::fs::metadata(&file)?.len();
        let response = source.request(context, Method::PUT)?.file(&file, 0..length).send().await?;
        Ok(Response::new(etag(response.header("etag"))?))
    }
}

fn main() -> ExitCode {
    jetway::main::<Fetch>()
}
