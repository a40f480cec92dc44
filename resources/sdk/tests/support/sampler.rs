//! A resource type with parameters of every kind, for tests with arbitrary requests.

use std::collections::BTreeMap;
use std::path::Path;

use jetway::schemars::{self, JsonSchema};
use jetway::{Context, Parameters, Problems, Resource, Response, Result, Secret, anyhow};
use serde::{Deserialize, Serialize};

pub(crate) struct Sampler;

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Params {
    uri: String,
    depth: Option<u32>,
    #[serde(default)]
    offset: i64,
    #[serde(default)]
    ratio: f64,
    #[serde(default)]
    force: bool,
    token: Option<Secret>,
    #[serde(default)]
    tokens: Vec<Secret>,
    #[serde(default)]
    paths: Vec<String>,
    state: Option<State>,
    submodules: Option<Submodules>,
    #[serde(default)]
    nested: Vec<Nested>,
    #[serde(default)]
    args: BTreeMap<String, String>,
    anything: Option<serde_json::Value>,
    #[serde(flatten)]
    more: More,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct More {
    #[serde(default)]
    inner: Option<Box<Nested>>,
    #[serde(default)]
    count: u8,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Success,
    Failure,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Submodules {
    Flag(bool),
    Word(State),
    Paths(Vec<String>),
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Nested {
    host: String,
    key: Option<Secret>,
    #[serde(default)]
    children: Vec<Nested>,
}

impl Nested {
    fn count(&self) -> usize {
        1 + self.children.iter().map(Self::count).sum::<usize>() + usize::from(self.key.is_some()) + self.host.len()
    }
}

impl Parameters for Params {
    fn validate(&self, problems: &mut Problems) {
        let nested = self.nested.iter().chain(self.more.inner.as_deref()).map(Nested::count).sum::<usize>();
        let kind = match (&self.state, &self.submodules) {
            (Some(State::Success), _) | (_, Some(Submodules::Flag(true))) => 1,
            (Some(State::Failure), _) | (_, Some(Submodules::Word(State::Success | State::Failure))) => 2,
            (_, Some(Submodules::Paths(paths))) => paths.len(),
            _ => usize::from(self.force) + self.paths.len() + self.tokens.len() + self.args.len(),
        };
        if self.uri.starts_with('-') && nested < 1000 && kind < 1000 && self.offset < 0 && self.ratio < 0.0 {
            problems.add("uri", format!("depth {:?}, count {}", self.depth, self.more.count));
        }
        if self.token.as_ref().is_some_and(Secret::is_empty) && self.anything.is_none() {
            problems.add("token", "must not be empty");
        }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Version {
    digest: String,
    tag: Option<String>,
}

impl Resource for Sampler {
    const NAME: &'static str = "sampler";
    const ABOUT: &'static str = "Anything";
    const RELEASE: &'static str = "1";
    const UNSUPPORTED_KEYS: &'static [&'static str] = &["source.later"];
    type Source = Params;
    type Version = Version;
    type GetParams = Params;
    type PutParams = Params;

    async fn check(_: &Context, _: Params, version: Option<Version>) -> Result<Vec<Version>> {
        Ok(version.into_iter().collect())
    }

    async fn get(_: &Context, _: Params, version: Option<Version>, _: Params, _: &Path) -> Result<Response<Version>> {
        version.map(Response::new).ok_or_else(|| anyhow!("no version"))
    }

    async fn put(_: &Context, _: Params, _: Params, _: &Path) -> Result<Response<Version>> {
        Err(anyhow!("nothing to put"))
    }
}
