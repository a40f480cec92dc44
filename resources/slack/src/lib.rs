//! The slack resource type: a put sends a message.
//!
//! A put builds a [`message`] from its params (its own text, or one of the [`alert`] presets), expands variables by
//! plain substitution ([`variables`]), and sends it by a [`webhook`] or by Slack's Web API ([`web_api`]). Nothing is
//! evaluated: there is no shell and no template language.

mod alert;
mod alert_type;
mod check;
mod concourse;
mod delivery;
mod env_file;
mod error_codes;
mod get;
mod inputs;
mod items;
mod mention;
mod message;
mod params;
mod put;
mod reaction;
mod reaction_word;
mod reference;
mod report;
mod source;
mod terminal;
mod variables;
mod version;
mod web_api;
mod webhook;

use std::path::Path;

use jetway::{Context, NoParams, Resource, Response, Result};

pub use alert_type::AlertType;
pub use items::Items;
pub use params::Params as PutParams;
pub use reference::Reference;
pub use source::{CaCertificate, Guarantee, Source};
pub use version::Version;

/// The resource type.
#[derive(Debug)]
pub struct Slack;

impl Resource for Slack {
    const NAME: &'static str = "slack";
    const ABOUT: &'static str = "Messages to Slack, Mattermost or Discord: send texts and alerts, reply, update, react";
    const RELEASE: &'static str = env!("CARGO_PKG_VERSION");

    type Source = Source;
    type Version = Version;
    type GetParams = NoParams;
    type PutParams = PutParams;

    async fn check(_: &Context, _: Source, version: Option<Version>) -> Result<Vec<Version>> {
        Ok(check::check(version))
    }

    async fn get(
        _: &Context,
        _: Source,
        version: Option<Version>,
        _: NoParams,
        destination: &Path,
    ) -> Result<Response<Version>> {
        get::get(version, destination)
    }

    async fn put(context: &Context, source: Source, params: PutParams, inputs: &Path) -> Result<Response<Version>> {
        put::put(context, &source, &params, inputs).await
    }
}
