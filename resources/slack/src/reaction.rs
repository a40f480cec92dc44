//! Adds and removes reactions to messages.

use anyhow::Context as _;
use jetway::Result;

use crate::reaction_word::parse;
use crate::reference::MessageId;
use crate::web_api::WebApi;

/// Applies the reactions to each message; `shown` has the messages' channels as the pipeline names them.
pub(crate) async fn react(
    api: &WebApi<'_>,
    reactions: &[String],
    messages: &[MessageId],
    shown: &[String],
) -> Result<()> {
    for (index, message) in messages.iter().enumerate() {
        let channel = message.channel.as_deref().unwrap_or_default();
        for word in reactions {
            let (method, name) = parse(word);
            let reacted = api.react(method, name, channel, &message.ts).await;
            reacted.with_context(|| {
                let id = format!("`{channel}`");
                let shown = shown.get(index).unwrap_or(&id);
                format!("cannot apply the reaction `{word}` to message {} in {shown}", message.ts)
            })?;
        }
    }
    Ok(())
}
