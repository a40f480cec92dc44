//! Incoming webhooks: Slack's own, and those of chats that take the same messages.

use anyhow::{Context as _, anyhow};
use jetway::http::{HttpClient, Redirects, StatusError, Url};
use jetway::{Advise as _, Error, Result, Secret};
use serde_json::{Map, Value};

use crate::meaning;

/// The most that is read of an answer, in bytes. Those that are known have a word in them, or a line.
const LARGEST: u64 = 64 * 1024;

/// Posts one message. It is posted once: what may have arrived is never sent again.
pub(crate) async fn post(client: &HttpClient, url: &Secret, body: &Map<String, Value>) -> Result<()> {
    // A redirect would take the message along as a GET without it, or to somebody else.
    let request = client.post(url.expose().trim()).secret_url().redirects(Redirects::Return).json(body);
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Err(explain(error)),
    };
    if response.status().is_redirection() {
        let location = response.header("location").and_then(|to| Url::parse(to).ok());
        let hint = match location.map(|to| to.origin().ascii_serialization()) {
            Some(origin) => format!("it redirects to `{origin}`; write the address that it leads to as `url`"),
            None => "it redirects; write the address that it leads to as `url`".to_owned(),
        };
        return Err(Error::new(response.into_error().await).hint(hint));
    }
    let is_page = response.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    let status = response.status();
    let answer = response.bytes(LARGEST).await.context("the message was sent, but the answer could not be read")?;
    let answer = String::from_utf8_lossy(&answer);
    judge(answer.trim(), is_page).map_err(|reason| {
        // The status says that all is well, so that the reason is the news.
        anyhow!(reason).context(format!("the webhook answered {}, but not that it took the message", status.as_str()))
    })
}

/// Whether the body of a good answer is a good one too.
///
/// Slack, Mattermost and Discord say `ok`, or nothing at all (204); Rocket.Chat says `{"success":true}`, Discord shows the
/// message when it is asked to. What is neither an error nor a web page is taken for success: others have words of their own.
fn judge(answer: &str, is_page: bool) -> Result<(), String> {
    if let Ok(Value::Object(answer)) = serde_json::from_str(answer) {
        let refused = ["ok", "success"].iter().any(|key| answer.get(*key) == Some(&Value::Bool(false)));
        let word = answer.get("error").or_else(|| answer.get("message")).and_then(Value::as_str);
        return match (refused, word) {
            (true, Some(word)) => Err(said(word)),
            (true, None) => Err("it says that it failed, and not why".to_owned()),
            (false, _) => Ok(()),
        };
    }
    if is_page || answer.starts_with('<') {
        return Err("a web page came back: is a proxy or a login in between?".to_owned());
    }
    if meaning::of(answer).is_some() { Err(said(answer)) } else { Ok(()) }
}

fn said(word: &str) -> String {
    match meaning::of(word) {
        Some(meaning) => format!("`{word}`: {meaning}"),
        None => word.to_owned(),
    }
}

/// Adds what the answer means to the error that it is.
fn explain(error: Error) -> Error {
    let Some(answer) = error.downcast_ref::<StatusError>() else { return error };
    let word = match answer.json::<Map<String, Value>>() {
        Some(entries) => entries.get("error").and_then(Value::as_str).map(str::to_owned),
        None => std::str::from_utf8(answer.body()).ok().map(|text| text.trim().to_owned()),
    };
    match word.as_deref().and_then(meaning::of) {
        Some(meaning) => error.hint(meaning),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chats_say_in_several_ways_that_they_took_a_message() {
        for answer in ["ok", "", "1", "{\"success\":true}", "{\"id\":\"1\",\"content\":\"x\"}", "{\"ok\":true}"] {
            assert_eq!(judge(answer, false), Ok(()), "{answer}");
        }
    }

    #[test]
    fn a_good_status_does_not_make_a_bad_answer_good() {
        for answer in ["no_text", "<html>", "{\"ok\":false,\"error\":\"no_text\"}", "{\"success\":false}"] {
            assert!(judge(answer, false).is_err(), "{answer}");
        }
        assert!(judge("Please log in", true).is_err());
        assert_eq!(
            judge("no_text", false).unwrap_err(),
            "`no_text`: there is nothing in the message that could be shown"
        );
    }
}
