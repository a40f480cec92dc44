//! Slack's error codes, and what they mean for a pipeline's author.

/// Explains an error code of the Web API or of a webhook, if it is known.
pub(crate) fn explanation(code: &str) -> Option<&'static str> {
    let index = MEANINGS.binary_search_by_key(&code, |(known, _)| known).ok()?;
    MEANINGS.get(index).map(|(_, meaning)| *meaning)
}

/// Sorted by error code. See the methods' pages in Slack's documentation, and "Handling errors" of incoming webhooks.
const MEANINGS: [(&str, &str); 54] = [
    ("access_denied", "the token has no access to this resource"),
    ("account_inactive", "the token belongs to a bot or workspace that was deleted; create a new token"),
    ("action_prohibited", "an admin of the workspace has disabled this action"),
    ("already_reacted", "the message already has this reaction"),
    ("cannot_reply_to_message", "this kind of message does not accept replies"),
    ("cant_update_message", "this bot did not post the message; a bot can update only its own messages"),
    ("channel_is_archived", "the channel is archived"),
    ("channel_not_found", "the channel does not exist, or it is private and the bot is not a member"),
    ("duplicate_channel_not_found", "the channel of the message does not exist"),
    ("edit_window_closed", "the time in which the workspace allows edits of the message is over"),
    ("ekm_access_denied", "an admin of the workspace has disabled posting"),
    ("fatal_error", "internal error in Slack; the message may have been posted"),
    ("internal_error", "internal error in Slack; the message may have been posted"),
    ("invalid_arguments", "a key of the message has a value that Slack does not accept"),
    ("invalid_attachments", "`attachments` are not valid"),
    ("invalid_auth", "the token is not valid, or requests from this IP address are not allowed"),
    ("invalid_blocks", "`blocks` are not valid; check them in Slack's Block Kit Builder"),
    ("invalid_blocks_format", "`blocks` is not a list of blocks"),
    ("invalid_name", "there is no emoji with this name"),
    ("invalid_payload", "the message is not valid; check `attachments` and `blocks`"),
    ("invalid_token", "the webhook URL is no longer valid; create a new webhook"),
    ("is_archived", "the channel is archived"),
    ("message_not_found", "there is no message with this `ts` in the channel"),
    ("messages_tab_disabled", "this app does not accept direct messages"),
    ("missing_scope", "the app lacks a scope; add the scope and reinstall the app"),
    ("missing_text_or_fallback_or_attachments", "the message has no content"),
    ("msg_blocks_too_long", "`blocks` are too long"),
    ("msg_too_long", "the text is too long; Slack takes 40,000 characters"),
    ("no_active_hooks", "the webhook is disabled"),
    ("no_permission", "the app has no permission to post there"),
    ("no_reaction", "this bot has not added this reaction"),
    ("no_service", "the webhook was deleted or disabled, or its URL is incomplete"),
    ("no_service_id", "the webhook URL is incomplete"),
    ("no_team", "the webhook's workspace does not exist, or the URL is incomplete"),
    ("no_text", "the message has no content"),
    (
        "not_allowed_token_type",
        "this type of token does not support the method; use a bot token, which begins with `xoxb-`",
    ),
    ("not_authed", "the request has no token"),
    (
        "not_in_channel",
        "the bot is not a member of the channel; invite it, or give the app the scope `chat:write.public`",
    ),
    ("org_login_required", "the workspace is being migrated and is not available now"),
    ("posting_to_general_channel_denied", "an admin has restricted who can post to the workspace's general channel"),
    ("rate_limited", "too many requests in a short time"),
    ("ratelimited", "too many requests in a short time"),
    ("restricted_action", "an admin of the workspace has restricted who can post there"),
    ("rollup_error", "internal error in Slack"),
    ("service_unavailable", "Slack is temporarily not available"),
    ("team_access_not_granted", "the token is for another workspace than this channel"),
    ("team_disabled", "the webhook's workspace is disabled"),
    ("token_expired", "the token has expired; create a new one"),
    ("token_revoked", "the token was revoked; create a new one"),
    ("too_many_attachments", "a message can have at most 100 attachments"),
    ("too_many_emoji", "the message has reached the limit of different reactions"),
    ("too_many_reactions", "this bot has reached its limit of reactions to the message"),
    ("user_not_found", "the user does not exist, or does not accept messages"),
    ("users_not_found", "no user in the workspace has this e-mail address"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_error_code() {
        assert!(MEANINGS.is_sorted());
        for (code, meaning) in MEANINGS {
            assert_eq!(explanation(code), Some(meaning));
        }
        assert_eq!(explanation("something_else"), None);
    }
}
