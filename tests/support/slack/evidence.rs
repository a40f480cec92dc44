//! The responses of chats to incoming webhooks: status, headers and body of each, and the source that documents or quotes it.

use super::webhook::Chat;
use crate::stand_in::Response;

/// A response of a chat.
#[derive(Debug, Clone, Copy)]
pub struct Evidence {
    /// Slack's error code for the response; for another chat, the code with the same meaning. Success is `ok`.
    pub word: &'static str,
    /// The status. Several if the sources do not give it, so that a test tries each.
    pub statuses: &'static [u16],
    /// The media type. Discord's 204 has none.
    pub content_type: Option<&'static str>,
    /// The headers that only this response has.
    pub headers: &'static [(&'static str, &'static str)],
    /// The body. `{token}` is the secret part of the webhook's address, which Mattermost repeats.
    pub body: &'static str,
    /// The documentation, or the public thread that quotes the response.
    pub source: &'static str,
}

const HTML: Option<&str> = Some("text/html");
const JSON: Option<&str> = Some("application/json");

const CHANGELOG: &str = "https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks";
const GUIDE: &str = "\"Handling errors\" in https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks";

const fn slack(word: &'static str, statuses: &'static [u16], source: &'static str) -> Evidence {
    Evidence { word, statuses, content_type: HTML, headers: &[], body: word, source }
}

/// The guide lists the words `no_active_hooks`, `no_service_id`, `no_team` and `team_disabled` without a status.
const SLACK: &[Evidence] = &[
    slack("ok", &[200], "slackapi/node-slack-sdk pull request 480"),
    slack("invalid_payload", &[400], CHANGELOG),
    slack("user_not_found", &[400], CHANGELOG),
    slack("action_prohibited", &[403], CHANGELOG),
    slack("channel_not_found", &[404], CHANGELOG),
    slack("channel_is_archived", &[410], CHANGELOG),
    slack("rollup_error", &[500], CHANGELOG),
    slack("posting_to_general_channel_denied", &[403], GUIDE),
    slack(
        "too_many_attachments",
        &[400],
        "graylog-labs/graylog-plugin-slack pull request 26, which quotes the guide to attachments",
    ),
    slack("no_active_hooks", &[403, 404, 410], GUIDE),
    slack("no_service", &[404], "slackapi/slack-github-action issue 249, ansible/ansible issue 53689"),
    slack("no_service_id", &[400, 404], GUIDE),
    slack("no_team", &[403, 404], GUIDE),
    slack("team_disabled", &[403, 404, 410], GUIDE),
    slack("invalid_token", &[403], "cloudfoundry-community/slack-notification-resource issue 96"),
    slack("no_text", &[400], "trufflesecurity/trufflehog pull request 1761"),
    slack("missing_text_or_fallback_or_attachments", &[400], "hastic-zzz/hastic-server issue 708"),
    slack("invalid_attachments", &[400], "slackapi/node-slack-sdk issue 809"),
    slack("invalid_blocks", &[400], "slackapi/java-slack-sdk issue 1017"),
    Evidence {
        word: "rate_limited",
        statuses: &[429],
        content_type: JSON,
        headers: &[("Retry-After", "1")],
        body: r#"{"retry_after":1,"ok":false,"error":"rate_limited"}"#,
        source: "yassineaboukir/sublert issue 46; the header: https://docs.slack.dev/apis/web-api/rate-limits",
    },
    Evidence {
        word: "outage",
        statuses: &[500, 502, 503],
        content_type: HTML,
        headers: &[],
        body: "<!DOCTYPE html>\n<html lang=\"en\">\n  <head>\n    <meta charset=\"utf-8\">\n    <title>Server Error | Slack</title>\n    \
               <meta name=\"author\" content=\"Slack\">\n  </head>\n  <body></body>\n</html>\n",
        source: "slack-ruby/slack-ruby-client pull request 359",
    },
];

const MATTERMOST: &[Evidence] = &[
    Evidence {
        word: "ok",
        statuses: &[200],
        content_type: Some("text/plain"),
        headers: &[],
        body: "ok",
        source: "https://developers.mattermost.com/integrate/webhooks/incoming",
    },
    Evidence {
        word: "channel_not_found",
        statuses: &[404],
        content_type: JSON,
        headers: &[],
        body: "{\"id\":\"web.incoming_webhook.general.app_error\",\"message\":\"Failed to handle the payload of media type \
               application/json for incoming webhook {token}.\",\"detailed_error\":\"\",\"request_id\":\
               \"mf1sdf6kdbb1xdmbaewwfsc6ko\",\"status_code\":404}",
        source: "mattermost/mattermost-developer-documentation issue 1432",
    },
    Evidence {
        word: "action_prohibited",
        statuses: &[500],
        content_type: JSON,
        headers: &[],
        body: "{\"id\":\"web.incoming_webhook.channel.app_error\",\"message\":\"Couldn't find the channel\",\"detailed_error\":\"err=\",\
               \"request_id\":\"7j67xcdhttgybx4b7y5aicga8c\",\"status_code\":500,\"is_oauth\":false}",
        source: "mattermost/mattermost issue 2928",
    },
    Evidence {
        word: "no_text",
        statuses: &[400],
        content_type: JSON,
        headers: &[],
        body: "{\"id\":\"web.incoming_webhook.text.app_error\",\"message\":\"No text specified.\",\"detailed_error\":\"\",\
               \"request_id\":\"ohek8h44ejdzmk36pf9x573jza\",\"status_code\":400}",
        source: "AzuraCast/AzuraCast issue 4714",
    },
];

const DISCORD: &[Evidence] = &[
    Evidence {
        word: "ok",
        statuses: &[200],
        content_type: Some("text/html; charset=utf-8"),
        headers: &[],
        body: "ok",
        source: "discord/discord-api-docs issue 1067",
    },
    DISCORD_UNKNOWN,
    DISCORD_TOKEN,
    DISCORD_EMPTY,
    DISCORD_LIMIT,
];

const DISCORD_WITHOUT_WAITING: &[Evidence] = &[
    Evidence {
        word: "ok",
        statuses: &[204],
        content_type: None,
        headers: &[],
        body: "",
        source: "\"Execute Webhook\" in https://discord.com/developers/docs/resources/webhook",
    },
    DISCORD_UNKNOWN,
    DISCORD_TOKEN,
    DISCORD_EMPTY,
    DISCORD_LIMIT,
];

const DISCORD_UNKNOWN: Evidence = Evidence {
    word: "no_service",
    statuses: &[404],
    content_type: JSON,
    headers: &[],
    body: r#"{"message": "Unknown Webhook", "code": 10015}"#,
    source: "GameServerManagers/LinuxGSM issue 3951",
};

const DISCORD_TOKEN: Evidence = Evidence {
    word: "invalid_token",
    statuses: &[401],
    content_type: JSON,
    headers: &[],
    body: r#"{"message": "Invalid Webhook Token", "code": 50027}"#,
    source: "\"JSON Error Codes\" in https://discord.com/developers/docs/topics/opcodes-and-status-codes",
};

const DISCORD_EMPTY: Evidence = Evidence {
    word: "no_text",
    statuses: &[400],
    content_type: JSON,
    headers: &[],
    body: r#"{"message": "Cannot send an empty message", "code": 50006}"#,
    source: "discord/discord-api-docs issue 4134",
};

const DISCORD_LIMIT: Evidence = Evidence {
    word: "rate_limited",
    statuses: &[429],
    content_type: JSON,
    headers: &[("Retry-After", "1"), ("X-RateLimit-Scope", "user")],
    body: r#"{"message": "You are being rate limited.", "retry_after": 0.57, "global": false}"#,
    source: "\"Exceeding A Rate Limit\" in https://discord.com/developers/docs/topics/rate-limits",
};

const ROCKET_CHAT: &[Evidence] = &[
    Evidence {
        word: "ok",
        statuses: &[200],
        content_type: JSON,
        headers: &[],
        body: r#"{"success":true}"#,
        source: "gogs/gogs issue 3169",
    },
    Evidence {
        word: "action_prohibited",
        statuses: &[400],
        content_type: JSON,
        headers: &[],
        body: r#"{"success":false,"error":"error-not-allowed"}"#,
        source: "Austinsuyoyo/rocketchat-gitea-hook issue 2, RocketChat/Rocket.Chat pull request 23310",
    },
    Evidence {
        word: "invalid_attachments",
        statuses: &[400],
        content_type: JSON,
        headers: &[],
        body: r#"{"success":false,"error":"Invalid href value provided"}"#,
        source: "RocketChat/Rocket.Chat issue 24099",
    },
    Evidence {
        word: "invalid_payload",
        statuses: &[200, 400],
        content_type: JSON,
        headers: &[],
        body: r#"{"success":false}"#,
        source: "RocketChat/Rocket.Chat issue 10230",
    },
];

/// The responses of a chat, starting with success.
pub fn evidence(chat: Chat) -> &'static [Evidence] {
    match chat {
        Chat::Slack => SLACK,
        Chat::Mattermost => MATTERMOST,
        Chat::Discord => DISCORD,
        Chat::DiscordWithoutWaiting => DISCORD_WITHOUT_WAITING,
        Chat::RocketChat => ROCKET_CHAT,
    }
}

impl Evidence {
    /// The answer with one of its statuses; `token` is the secret part of the webhook's address.
    pub fn answer(&self, chat: Chat, status: u16, token: &str) -> Response {
        let body = self.body.replace("{token}", token);
        let answer = match self.content_type {
            Some(content_type) => Response::bytes(status, content_type, body),
            None => Response { status, headers: Vec::new(), body: body.into_bytes() },
        };
        let headers = headers(chat).iter().chain(self.headers);
        headers.fold(answer, |answer, (name, value)| answer.with(name, value))
    }
}

/// The headers of all responses of a chat.
fn headers(chat: Chat) -> &'static [(&'static str, &'static str)] {
    match chat {
        // Of the 403 in cloudfoundry-community/slack-notification-resource issue 96.
        Chat::Slack => &[
            ("Date", "Thu, 22 Jun 2023 20:03:08 GMT"),
            ("Server", "Apache"),
            ("Vary", "Accept-Encoding"),
            ("Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload"),
            ("X-Slack-Unique-Id", "ZJSo_MkmMKScUpMEbqMjkwAAAA4"),
            ("X-Slack-Backend", "r"),
            ("Referrer-Policy", "no-referrer"),
            ("Access-Control-Allow-Origin", "*"),
            ("X-Frame-Options", "SAMEORIGIN"),
            ("Via", "1.1 slack-prod.tinyspeck.com, envoy-www-iad-bvwfaqof, envoy-edge-iad-brfptmiy"),
            ("X-Envoy-Upstream-Service-Time", "5"),
            ("X-Slack-Shared-Secret-Outcome", "no-match"),
            ("X-Edge-Backend", "envoy-www"),
        ],
        // Of the success in https://developers.mattermost.com/integrate/webhooks/incoming.
        Chat::Mattermost => &[
            ("X-Request-Id", "hoan6o9ws7rp5xj7wu9rmysrte"),
            ("X-Version-Id", "4.7.1.dev.12799cd77e172e8a2eba0f9091ec1471.false"),
            ("Date", "Sun, 04 Mar 2018 17:19:09 GMT"),
        ],
        // Of the 400 in discord/discord-api-docs issue 4134.
        Chat::Discord | Chat::DiscordWithoutWaiting => &[
            ("Date", "Sun, 21 Nov 2021 18:58:34 GMT"),
            ("Cf-Cache-Status", "DYNAMIC"),
            ("Cf-Ray", "6b1c2675faf95db6-IAD"),
            ("Server", "cloudflare"),
        ],
        // Of the 400 in Austinsuyoyo/rocketchat-gitea-hook issue 2.
        Chat::RocketChat => &[
            ("Access-Control-Allow-Headers", "Origin, X-Requested-With, Content-Type, Accept"),
            ("Access-Control-Allow-Origin", "*"),
            ("Cache-Control", "no-store"),
            ("Date", "Tue, 12 Oct 2021 05:10:46 GMT"),
            ("Pragma", "no-cache"),
            ("Vary", "Accept-Encoding"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "sameorigin"),
            ("X-Instance-Id", "dkbAYm3zAABdpPGMX"),
            ("X-Ratelimit-Limit", "10"),
            ("X-Ratelimit-Remaining", "9"),
            ("X-Ratelimit-Reset", "1634015506398"),
            ("X-Xss-Protection", "1"),
        ],
    }
}
