//! What a resource type is: its parameters, its versions, and its three verbs.

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
/// The associated types are read from the request by their [`JsonSchema`], strictly and leniently at once: a misspelt
/// key is an error, every scalar is taken as pipelines write it. Their doc comments are their documentation.
///
/// Futures need not be `Send`: the SDK runs one verb on a single-threaded runtime.
#[allow(async_fn_in_trait)]
pub trait Resource: Sized + 'static {
    /// The type's name, as in `jetway-NAME`.
    const NAME: &'static str;

    /// What it is, in one line, for `--help`.
    const ABOUT: &'static str;

    /// The version of the crate, `env!("CARGO_PKG_VERSION")`.
    const RELEASE: &'static str;

    /// Keys that users of the established resource may have in their pipelines and that this release does not know
    /// yet, such as `source.tag_filter`. They are refused by that name.
    const NOT_YET: &'static [&'static str] = &[];

    /// What becomes of an unknown key that is not close to a known one, in that part of a request of `verb`: what the
    /// established resource makes of it, so that its pipelines run unchanged and its errors stay errors.
    fn unknown_keys(verb: Verb, part: Part) -> UnknownKeys {
        let _ = (verb, part);
        UnknownKeys::Ignored
    }

    /// Programs that children of this type call back (see [`Companion`]).
    const COMPANIONS: &'static [Companion] = &[];

    /// What stands under `source:`.
    type Source: Parameters;

    /// What identifies one version. On the wire a map of strings that is never empty; keys that it does not know are
    /// passed over, since a version may have been stored by another release or by the established resource.
    type Version: Serialize + DeserializeOwned + JsonSchema;

    /// What stands under a get step's `params:`.
    type GetParams: Parameters;

    /// What stands under a put step's `params:`.
    type PutParams: Parameters;

    /// The versions from `version` on, oldest first, `version` included while it is still there; the newest one when
    /// there is no `version`.
    async fn check(
        context: &Context,
        source: Self::Source,
        version: Option<Self::Version>,
    ) -> Result<Vec<Self::Version>>;

    /// Fetches `version` into `destination`, an empty directory. There is no version after a put that printed `{}`.
    async fn get(
        context: &Context,
        source: Self::Source,
        version: Option<Self::Version>,
        params: Self::GetParams,
        destination: &Path,
    ) -> Result<Response<Self::Version>>;

    /// Brings about a new version, from `inputs`, the directory that holds the step's inputs by name.
    async fn put(
        context: &Context,
        source: Self::Source,
        params: Self::PutParams,
        inputs: &Path,
    ) -> Result<Response<Self::Version>>;
}

/// A type that pipelines fill in: a `Source`, or the params of a step.
pub trait Parameters: DeserializeOwned + JsonSchema {
    /// Notes what the types cannot say: pairs that exclude each other, texts with a form. Runs after decoding, and all
    /// problems of the request are reported together.
    fn rules(&self, problems: &mut Problems) {
        let _ = problems;
    }

    /// The secrets that are not a [`crate::Secret`] of their own, such as a password inside a URL.
    fn hidden_secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

/// For a step that takes no params.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct NoParams {}

impl Parameters for NoParams {}

/// What a get or a put answers.
#[derive(Debug, Serialize)]
pub struct Response<V> {
    /// The version that was fetched, or that was made.
    pub version: V,
    /// What Concourse shows beside it, in this order.
    pub metadata: Vec<Metadata>,
}

impl<V> Response<V> {
    /// An answer without metadata.
    pub fn new(version: V) -> Self {
        Self { version, metadata: Vec::new() }
    }

    /// Adds one line of metadata.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push(Metadata::new(name, value));
        self
    }
}

/// One line of metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: String,
    /// A hint for display that the established resources give (`time`, `message`); Concourse itself ignores it.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
}

impl Metadata {
    /// A line of plain text.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), kind: None }
    }

    /// A line with a display hint.
    pub fn typed(name: impl Into<String>, value: impl Into<String>, kind: &'static str) -> Self {
        Self { name: name.into(), value: value.into(), kind: Some(kind) }
    }
}
