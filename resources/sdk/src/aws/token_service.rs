//! The Security Token Service: credentials for a role.

use std::fmt;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;

use super::{Aws, Credentials, Role};
use crate::error::{Advise as _, Error, Result};
use crate::http::StatusError;
use crate::secret::Secret;

/// The version of the service's interface.
const VERSION: &str = "2011-06-15";

/// How long the credentials of a role hold, in seconds: the least that every role allows is its longest by default.
const HOLDS: &str = "3600";

/// The credentials of a role, for whoever has `credentials`.
pub(crate) async fn assume_role(aws: &Aws, credentials: &Credentials, role: &Role) -> Result<Credentials> {
    let mut fields = fields("AssumeRole", &role.arn, &role.session_name);
    if let Some(id) = &role.external_id {
        fields.push(("ExternalId", id.clone()));
    }
    // Credentials that nobody uses do no harm; they end by themselves.
    let request = aws.http().post(format!("{}/", aws.endpoint("sts"))).form(fields).repeatable();
    granted(aws.sign(request, "sts", credentials)?.send().await).await
}

/// The credentials of a role, for whoever has a token of an identity provider that the role trusts.
pub(crate) async fn assume_role_with_web_identity(aws: &Aws, role: &Role, token: &Secret) -> Result<Credentials> {
    let mut fields = fields("AssumeRoleWithWebIdentity", &role.arn, &role.session_name);
    fields.push(("WebIdentityToken", token.expose().trim().to_owned()));
    granted(aws.http().post(format!("{}/", aws.endpoint("sts"))).form(fields).repeatable().send().await).await
}

fn fields(action: &str, arn: &str, session: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Action", action.to_owned()),
        ("Version", VERSION.to_owned()),
        ("RoleArn", arn.to_owned()),
        ("RoleSessionName", session.to_owned()),
        ("DurationSeconds", HOLDS.to_owned()),
    ]
}

async fn granted(answer: Result<crate::http::HttpResponse>) -> Result<Credentials> {
    let text = answer.map_err(explained)?.text().await?;
    read(&text).context("the token service's answer cannot be understood")
}

/// The credentials in an answer, which is XML.
fn read(text: &str) -> Result<Credentials> {
    let (_, inside) = text.split_once("<Credentials>").ok_or_else(|| anyhow!("there are no credentials in it"))?;
    let field = |name: &str| element(inside, name).ok_or_else(|| anyhow!("there is no `{name}` in it"));
    let expires: Timestamp = field("Expiration")?.parse().context("cannot tell when the credentials end")?;
    Ok(Credentials {
        access_key_id: field("AccessKeyId")?,
        secret_access_key: Secret::new(field("SecretAccessKey")?),
        session_token: Some(Secret::new(field("SessionToken")?)),
        expires: Some(expires.as_second()),
    })
}

/// The text of the first element of that name. None of those read here hold others or more than plain characters.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// What an answer of Amazon's that refuses means, with advice.
pub(crate) fn explained(error: Error) -> Error {
    let Some(status) = error.downcast_ref::<StatusError>() else { return error };
    let body = String::from_utf8_lossy(status.body()).into_owned();
    let code = element(&body, "Code").unwrap_or_default();
    let hint = match code.as_str() {
        "AccessDenied" => "the role's trust policy says who may assume it",
        "ExpiredToken" | "ExpiredTokenException" => "the session's token has ended: new keys are needed",
        "InvalidClientTokenId" => "is the access key's id right, and is the key active?",
        "SignatureDoesNotMatch" => "is the secret access key right, and is the worker's clock?",
        _ => return error,
    };
    let said = Refused { code, message: element(&body, "Message").unwrap_or_default() };
    error.context(said).hint(hint)
}

/// What the service says, in its own words.
#[derive(Debug)]
struct Refused {
    code: String,
    message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the token service refuses ({}): {}", self.code, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credentials_in_an_answer_are_found() {
        let credentials = read(
            "<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser><Arn>a</Arn></AssumedRoleUser><Credentials>\n\
             <AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey>\
             <SessionToken>t//</SessionToken><Expiration>2026-11-24T01:02:03Z</Expiration>\
             </Credentials></AssumeRoleResult></AssumeRoleResponse>",
        )
        .unwrap();
        assert_eq!(credentials.access_key_id, "ASIA1");
        assert_eq!(credentials.secret_access_key.expose(), "s/+=");
        assert_eq!(credentials.session_token.unwrap().expose(), "t//");
        assert_eq!(credentials.expires, Some(1_795_482_123));
    }

    #[test]
    fn what_is_no_answer_is_said_to_be_none() {
        for text in ["", "<Credentials>", "<Credentials><AccessKeyId>a</AccessKeyId></Credentials>"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
