//! The traits of a resource type: its parameters, its version, and its three verbs.

use std::path::Path;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::companion::Companion;
use crate::context::Context;
use crate::error::Result;
use crate::part::Part;
use crate::schema::problem::Problems;
use crate::unknown_keys::UnknownKeys;
use crate::verb::Verb;

/// A Concourse resource type.
///
/// The SDK reads the associated types from the request by their [`JsonSchema`]: a misspelt key is an error, and scalars are
/// accepted as pipelines write them. The doc comments of the fields are the documentation of the keys.
///
/// Futures need not be `Send`: the SDK runs one verb on a single-threaded runtime.
#[allow(async_fn_in_trait)]
pub trait Resource: Sized + 'static {
    /// The type's name, as in `jetway-NAME`.
    const NAME: &'static str;

    /// A description in one line, for `--help`: the versions, and what the verbs do with them, such as `Commits of a git
    /// repository: follow, check out, push`.
    const ABOUT: &'static str;

    /// The release of the type, usually `env!("CARGO_PKG_VERSION")`.
    const RELEASE: &'static str;

    /// Keys of the established resource that this release does not support, such as `source.tag_filter`. Their error says so.
    const UNSUPPORTED_KEYS: &'static [&'static str] = &[];

    /// How to treat an unknown key in a part of the request of `verb`, if it is not a misspelling of a known key. Choose the
    /// behaviour of the established resource, so that its pipelines run unchanged and its errors stay errors.
    fn unknown_keys(verb: Verb, part: Part) -> UnknownKeys {
        let _ = (verb, part);
        UnknownKeys::Ignored
    }

    /// Programs that children of this type call (see [`Companion`]).
    const COMPANIONS: &'static [Companion] = &[];

    /// The type of `source:`.
    type Source: Parameters;

    /// The type of a version. As JSON it is a map of strings that is not empty. Unknown keys are ignored, since another release
    /// or the established resource may have stored the version.
    type Version: Serialize + DeserializeOwned + JsonSchema;

    /// The type of a get step's `params:`.
    type GetParams: Parameters;

    /// The type of a put step's `params:`.
    type PutParams: Parameters;

    /// Returns the versions since `version`, oldest first, including `version` if it still exists. Without `version`, returns
    /// the newest one.
    async fn check(
        context: &Context,
        source: Self::Source,
        version: Option<Self::Version>,
    ) -> Result<Vec<Self::Version>>;

    /// Fetches `version` into `destination`, an empty directory. `version` is `None` after a put that returned none.
    async fn get(
        context: &Context,
        source: Self::Source,
        version: Option<Self::Version>,
        params: Self::GetParams,
        destination: &Path,
    ) -> Result<Response<Self::Version>>;

    /// Creates a new version. `inputs` is the directory of the step's inputs, each in a directory of its name.
    async fn put(
        context: &Context,
        source: Self::Source,
        params: Self::PutParams,
        inputs: &Path,
    ) -> Result<Response<Self::Version>>;
}

/// The keys that a pipeline sets: a `Source`, or the `params` of a step.
pub trait Parameters: DeserializeOwned + JsonSchema {
    /// Validates what the types cannot express, such as keys that exclude each other or the syntax of a text. It runs after
    /// decoding, and all problems of the request are reported together.
    fn validate(&self, problems: &mut Problems) {
        let _ = problems;
    }

    /// The secrets in values other than a [`crate::Secret`], such as a password in a URL.
    fn hidden_secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The `params` of a step that has none.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct NoParams {}

impl Parameters for NoParams {}

/// The response of a get or a put.
#[derive(Debug, Serialize)]
pub struct Response<V> {
    /// The version that was fetched or created.
    pub version: V,
    /// The metadata that Concourse shows with the version, in this order.
    pub metadata: Vec<Metadata>,
}

impl<V> Response<V> {
    /// Creates a response without metadata.
    pub fn new(version: V) -> Self {
        Self { version, metadata: Vec::new() }
    }

    /// Adds an entry to the metadata.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push(Metadata::new(name, value));
        self
    }
}

/// One entry of the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// A display hint of the established resources (`time`, `message`). Concourse ignores it.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
}

impl Metadata {
    /// Creates an entry without a display hint.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), kind: None }
    }

    /// Creates an entry with a display hint.
    pub fn typed(name: impl Into<String>, value: impl Into<String>, kind: &'static str) -> Self {
        Self { name: name.into(), value: value.into(), kind: Some(kind) }
    }
}
