//! Mentions by e-mail address: looks up the users and checks where the text places the mentions.

use anyhow::Context as _;
use jetway::{Console, Result, non_empty};

use crate::inputs::Inputs;
use crate::params::Params;
use crate::web_api::WebApi;

/// The variable that contains the mentions.
pub(crate) const VARIABLE: &str = "MENTIONS";

/// Formats the mentions in the chat's syntax. A user whom Slack does not find is given by the e-mail address.
pub(crate) async fn resolve(
    params: &Params,
    inputs: &Inputs,
    api: &WebApi<'_>,
    console: &Console,
) -> Result<Option<String>> {
    let mut addresses = params.mentions.clone();
    if let Some(path) = non_empty(params.mentions_file.as_ref()) {
        match inputs.text(path).context("cannot use `mentions_file`")? {
            Some(text) => addresses.extend(addresses_in(&text)),
            None => console.warn(format_args!("file `{path}` (`mentions_file`) does not exist")),
        }
    }
    addresses.dedup();
    let mut people = Vec::new();
    for address in addresses {
        let address = address.trim();
        let user = api.user_by_email(address).await;
        if let Some(id) =
            user.with_context(|| format!("cannot look up the user with the e-mail address `{address}`"))?
        {
            people.push(format!("<@{id}>"));
        } else {
            console.warn(format_args!("no Slack user has the e-mail address `{address}`"));
            people.push(address.replace(['<', '>', '&'], ""));
        }
    }
    Ok((!people.is_empty()).then(|| people.join(" ")))
}

/// Whether a text in the pipeline contains the mentions' variable.
pub(crate) fn are_in_text(params: &Params) -> bool {
    let is_placed = |text: &str| text.contains("$MENTIONS") || text.contains("${MENTIONS}");
    let lists = [&params.attachments, &params.blocks];
    params.expand
        && (params.text.as_deref().is_some_and(is_placed)
            || lists.into_iter().flatten().any(|items| items.contain(is_placed)))
}

/// Extracts the e-mail addresses from a text, such as `Ada Lovelace <ada@example.com>`.
fn addresses_in(text: &str) -> impl Iterator<Item = String> {
    let words = text.split_whitespace().map(|word| word.trim_matches(['<', '>', ',', ';', '"']));
    words.filter(|word| word.contains('@')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_addresses_in_surrounding_text() {
        let text = "Ada Lovelace <ada@example.com>, bob@example.com;\n\"carol@example.com\" nobody\n";
        assert_eq!(addresses_in(text).collect::<Vec<_>>(), ["ada@example.com", "bob@example.com", "carol@example.com"]);
    }
}
