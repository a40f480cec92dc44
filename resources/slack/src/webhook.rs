//! Incoming webhooks of Slack, and of chats that accept the same messages.

use anyhow::anyhow;
use jetway::http::{HttpClient, Redirects, StatusError, Url};
use jetway::{Advise as _, Console, Error, Interrupted, Result, Secret};
use serde_json::{Map, Value};

use crate::error_codes;

/// The maximum size of a response, in bytes. Known responses are one word or one line.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;

/// The maximum length of a chat's own message in an error, in characters.
const MAX_REASON: usize = 300;

/// Posts one message. It is not retried, because the message may have arrived.
pub(crate) async fn post(
    client: &HttpClient,
    url: &Secret,
    body: &Map<String, Value>,
    console: &Console,
) -> Result<()> {
    // Following a redirect would turn the request into a GET without the message, or send the message to another host.
    let request = client.post(url.expose().trim()).secret_url().redirects(Redirects::Return).json(body);
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Err(explain(error)),
    };
    if response.status().is_redirection() {
        let location = response.header("location").and_then(|to| Url::parse(to).ok());
        let hint = match location.map(|to| to.origin().ascii_serialization()) {
            Some(origin) => format!("the webhook redirects to `{origin}`; set `url` to the target of the redirect"),
            None => "the webhook redirects; set `url` to the target of the redirect".to_owned(),
        };
        return Err(Error::new(response.into_error().await).hint(hint));
    }
    let status = response.status();
    let body = match response.bytes(MAX_RESPONSE_BYTES).await {
        Ok(body) => body,
        Err(error) if Interrupted::caused(&error) => return Err(error),
        // The status already confirmed the message.
        Err(error) => {
            console.warn(format_args!(
                "the webhook accepted the message with status {}, but its response was cut off: {error}",
                status.as_str()
            ));
            return Ok(());
        }
    };
    check_body(String::from_utf8_lossy(&body).trim()).map_err(|reason| {
        // The status reports success, so the error must give the reason.
        anyhow!(reason).context(format!("the webhook answered {}, but did not accept the message", status.as_str()))
    })
}

/// Checks the body of a response whose status reports success.
///
/// Ignores the content type, because Slack sends both `ok` and its errors as `text/html`. Slack and Mattermost respond
/// with `ok`, Discord with nothing (204), Rocket.Chat with `{"success":true}`, Microsoft Teams with `1`. Teams reports
/// a failure as a sentence with status 200. any other single word counts as success.
fn check_body(body: &str) -> Result<(), String> {
    if let Ok(Value::Object(answer)) = serde_json::from_str(body) {
        let is_rejected = ["ok", "success"].iter().any(|key| answer.get(*key) == Some(&Value::Bool(false)))
            || answer.get("result").and_then(Value::as_str) == Some("error");
        let code = ["error", "message", "msg"].iter().find_map(|key| answer.get(*key).and_then(Value::as_str));
        return match (is_rejected, code) {
            (true, Some(code)) => Err(explain_code(code)),
            (true, None) => Err("the response reports a failure without a reason".to_owned()),
            (false, _) => Ok(()),
        };
    }
    if body.starts_with('<') {
        return Err("the response is a web page: check for a proxy or a login page in between".to_owned());
    }
    let is_sentence = body.split_whitespace().nth(1).is_some();
    if is_sentence || error_codes::explanation(body).is_some() { Err(explain_code(body)) } else { Ok(()) }
}

fn explain_code(code: &str) -> String {
    match error_codes::explanation(code) {
        Some(meaning) => format!("`{code}`: {meaning}"),
        None => code.chars().filter(|character| !character.is_control()).take(MAX_REASON).collect(),
    }
}

/// Adds a hint that explains the error code in the response.
fn explain(error: Error) -> Error {
    let Some(answer) = error.downcast_ref::<StatusError>() else { return error };
    let code = match answer.json::<Map<String, Value>>() {
        Some(entries) => entries.get("error").and_then(Value::as_str).map(str::to_owned),
        None => std::str::from_utf8(answer.body()).ok().map(|text| text.trim().to_owned()),
    };
    match code.as_deref().and_then(error_codes::explanation) {
        Some(meaning) => error.hint(meaning),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_successful_responses_of_each_chat() {
        for body in [
            "ok",
            "OK",
            "",
            "1",
            "accepted",
            "{\"success\":true}",
            "{\"id\":\"1\",\"content\":\"x\"}",
            "{\"ok\":true}",
            "{\"result\":\"success\",\"msg\":\"\"}",
        ] {
            assert_eq!(check_body(body), Ok(()), "{body}");
        }
    }

    #[test]
    fn rejects_bodies_that_report_a_failure() {
        for body in [
            "no_text",
            "<html>",
            "<!DOCTYPE html><p>Please log in",
            "{\"ok\":false,\"error\":\"no_text\"}",
            "{\"success\":false}",
            "{\"result\":\"error\",\"msg\":\"Invalid API key\"}",
            "Summary or Text is required.",
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 400",
        ] {
            assert!(check_body(body).is_err(), "{body}");
        }
        assert_eq!(check_body("no_text").unwrap_err(), "`no_text`: the message has no content");
    }
}
