use std::path::Path;
use std::process::ExitCode;

use jetway::http::HttpSettings;
use jetway::schemars::{self, JsonSchema};
use jetway::{Advise as _, Context, NoParams, Parameters, Problems, Resource, Response, Result, Secret, anyhow};
use serde::{Deserialize, Serialize};

/// Releases of a program.
struct Releases;

#[derive(Deserialize, JsonSchema)]
struct Source {
    /// The URL of the list of releases.
    url: String,

    /// The token for that URL.
    token: Option<Secret>,

    #[serde(flatten)]
    http: HttpSettings,
}

// Rules that the Rust type cannot express. A request fails with all its problems at once.
impl Parameters for Source {
    fn validate(&self, problems: &mut Problems) {
        if !self.url.starts_with("https://") {
            problems.add("url", "must begin with `https://`");
        }
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Version {
    /// The release's number.
    number: String,
}

#[derive(Deserialize)]
struct Release {
    number: String,
    notes: String,
}

impl Source {
    /// All releases, oldest first.
    async fn releases(self, context: &Context) -> Result<Vec<Release>> {
        let client = context.http(self.http)?;
        let mut request = client.get(&self.url);
        if let Some(token) = &self.token {
            request = request.bearer(token);
        }
        request.send().await?.json().await
    }
}

impl Resource for Releases {
    const NAME: &'static str = "releases";
    const ABOUT: &'static str = "Releases of a program";
    const RELEASE: &'static str = env!("CARGO_PKG_VERSION");
    type Source = Source;
    type Version = Version;
    type GetParams = NoParams;
    type PutParams = NoParams;

    async fn check(context: &Context, source: Source, known: Option<Version>) -> Result<Vec<Version>> {
        let all: Vec<Version> =
            source.releases(context).await?.into_iter().map(|release| Version { number: release.number }).collect();
        // The known version comes first if it still exists; otherwise the response is the newest version only.
        let from = known.and_then(|known| all.iter().position(|version| *version == known));
        let from = from.unwrap_or(all.len().saturating_sub(1));
        Ok(all.into_iter().skip(from).collect())
    }

    async fn get(
        context: &Context,
        source: Source,
        version: Option<Version>,
        _: NoParams,
        destination: &Path,
    ) -> Result<Response<Version>> {
        let version = version.ok_or_else(|| anyhow!("there is no version to get"))?;
        let found = source.releases(context).await?.into_iter().find(|release| release.number == version.number);
        let release = found.ok_or_else(|| {
            anyhow!("release {} is gone", version.number).hint("it was deleted since the check; pin another version")
        })?;
        std::fs::write(destination.join("notes.txt"), release.notes)?;
        context.console().step(format_args!("fetched the notes of {}", version.number));
        Ok(Response::new(version))
    }

    async fn put(_: &Context, _: Source, _: NoParams, _: &Path) -> Result<Response<Version>> {
        Err(anyhow!("releases are made elsewhere").hint("this type has no put"))
    }
}

fn main() -> ExitCode {
    jetway::main::<Releases>()
}
