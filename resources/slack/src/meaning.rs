//! Slack's error codes, and what they mean for a pipeline's author.

/// Explains an error code of the Web API or of a webhook, if it is known.
pub(crate) fn of(word: &str) -> Option<&'static str> {
    let index = MEANINGS.binary_search_by_key(&word, |(known, _)| known).ok()?;
    MEANINGS.get(index).map(|(_, meaning)| *meaning)
}

/// Sorted by error code. See the methods' pages in Slack's documentation, and "Handling errors" of incoming webhooks.
const MEANINGS: [(&str, &str); 54] = [
    ("access_denied", "the token may not use what was asked for"),
    ("account_inactive", "the token belongs to a bot or a workspace that was removed; make a new one"),
    ("action_prohibited", "an admin of the workspace has forbidden this"),
    ("already_reacted", "the reaction is there already"),
    ("cannot_reply_to_message", "this kind of message takes no replies"),
    ("cant_update_message", "the message is not this bot's own; only those can be updated"),
    ("channel_is_archived", "the channel is archived"),
    ("channel_not_found", "there is no such channel, or it is private and the bot was not invited to it"),
    ("duplicate_channel_not_found", "the channel that belongs to the message is not there"),
    ("edit_window_closed", "the workspace lets messages be changed for a short time only, which is over"),
    ("ekm_access_denied", "an admin of the workspace has suspended posting"),
    ("fatal_error", "Slack failed on its side, and may have posted the message nevertheless"),
    ("internal_error", "Slack failed on its side, and may have posted the message nevertheless"),
    ("invalid_arguments", "a key of the message has a value that Slack does not take"),
    ("invalid_attachments", "`attachments` are not as Slack wants them"),
    ("invalid_auth", "the token is not valid, or requests from this address are not allowed"),
    ("invalid_blocks", "`blocks` are not as Slack wants them; its Block Kit Builder shows what is wrong"),
    ("invalid_blocks_format", "`blocks` are not a list of blocks"),
    ("invalid_name", "there is no emoji of this name"),
    ("invalid_payload", "the message is not as the chat wants it; look at `attachments` and `blocks`"),
    ("invalid_token", "the webhook's address is not valid any more; make a new one"),
    ("is_archived", "the channel is archived"),
    ("message_not_found", "there is no message of this `ts` in the channel"),
    ("messages_tab_disabled", "this app takes no direct messages"),
    ("missing_scope", "the app lacks a permission; add it to the app and install it again"),
    ("missing_text_or_fallback_or_attachments", "there is nothing in the message that could be shown"),
    ("msg_blocks_too_long", "`blocks` are too long"),
    ("msg_too_long", "the text is too long; Slack takes 40,000 characters"),
    ("no_active_hooks", "the webhook was switched off"),
    ("no_permission", "the app may not post there"),
    ("no_reaction", "there is no such reaction of this bot's"),
    ("no_service", "the webhook was removed or switched off, or its address is not whole"),
    ("no_service_id", "the webhook's address is not whole"),
    ("no_team", "the webhook's workspace is not there, or the address is not whole"),
    ("no_text", "there is nothing in the message that could be shown"),
    ("not_allowed_token_type", "this kind of token cannot do it; a bot token begins with `xoxb-`"),
    ("not_authed", "no token came with the request"),
    ("not_in_channel", "the bot is not in the channel; invite it there, or give the app `chat:write.public`"),
    ("org_login_required", "the workspace is being moved and cannot be used now"),
    ("posting_to_general_channel_denied", "an admin lets only some people post to the workspace's general channel"),
    ("rate_limited", "too many messages in a short time"),
    ("ratelimited", "too many messages in a short time"),
    ("restricted_action", "an admin of the workspace has restricted who posts there"),
    ("rollup_error", "Slack failed on its side"),
    ("service_unavailable", "Slack is not available now"),
    ("team_access_not_granted", "the token is not for the workspace of this channel"),
    ("team_disabled", "the webhook's workspace was switched off"),
    ("token_expired", "the token has expired; make a new one"),
    ("token_revoked", "the token was taken back; make a new one"),
    ("too_many_attachments", "a message takes 100 attachments at most"),
    ("too_many_emoji", "the message has as many different reactions as Slack allows"),
    ("too_many_reactions", "the message has as many reactions as Slack allows one bot"),
    ("user_not_found", "there is no such user, or it cannot be written to"),
    ("users_not_found", "nobody has this address in the workspace"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found() {
        assert!(MEANINGS.is_sorted());
        for (word, meaning) in MEANINGS {
            assert_eq!(of(word), Some(meaning));
        }
        assert_eq!(of("something_else"), None);
    }
}
