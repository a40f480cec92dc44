//! The Security Token Service, which issues credentials for a role.

use std::fmt;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;

use super::client::Aws;
use super::credentials::{Credentials, Role};
use crate::error::{Advise as _, Error, Result};
use crate::http::{HttpResponse, StatusError};
use crate::secret::Secret;

/// The version of the service's interface.
const VERSION: &str = "2011-06-15";

/// The lifetime of a role's credentials, in seconds. Every role allows one hour.
const LIFETIME: &str = "3600";

/// Gets credentials of a role by other credentials.
pub(crate) async fn assume_role(aws: &Aws, credentials: &Credentials, role: &Role) -> Result<Credentials> {
    let mut fields = fields("AssumeRole", &role.arn, &role.session_name);
    if let Some(id) = &role.external_id {
        fields.push(("ExternalId", id.clone()));
    }
    // A repeated request only issues more credentials, which expire.
    let request = aws.http().post(format!("{}/", aws.endpoint("sts"))).form(fields).repeatable();
    granted(aws.sign(request, "sts", credentials)?.send().await).await
}

/// Gets credentials of a role by a token of an identity provider that the role trusts.
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
        ("DurationSeconds", LIFETIME.to_owned()),
    ]
}

async fn granted(answer: Result<HttpResponse>) -> Result<Credentials> {
    let text = answer.map_err(explained)?.text().await?;
    read(&text).context("cannot parse the response of the token service")
}

/// Parses the credentials in a response, which is XML.
fn read(text: &str) -> Result<Credentials> {
    let (_, inside) = text.split_once("<Credentials>").ok_or_else(|| anyhow!("it has no credentials"))?;
    let field = |name: &str| element(inside, name).ok_or_else(|| anyhow!("it has no `{name}`"));
    let expires: Timestamp = field("Expiration")?.parse().context("cannot parse `Expiration`")?;
    Ok(Credentials {
        access_key_id: field("AccessKeyId")?,
        secret_access_key: Secret::new(field("SecretAccessKey")?),
        session_token: Some(Secret::new(field("SessionToken")?)),
        expires: Some(expires.as_second()),
    })
}

/// The text of the first element with that name. The elements that are read here contain only plain text.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Adds the service's own message and a hint to the error of a rejected request.
pub(crate) fn explained(error: Error) -> Error {
    let Some(status) = error.downcast_ref::<StatusError>() else { return error };
    let body = String::from_utf8_lossy(status.body()).into_owned();
    let code = element(&body, "Code").unwrap_or_default();
    let hint = match code.as_str() {
        "AccessDenied" => "the trust policy of the role must allow these credentials to assume it",
        "ExpiredToken" | "ExpiredTokenException" => "the session token has expired: set new keys",
        "InvalidClientTokenId" => "is the access key id correct, and is the key active?",
        "SignatureDoesNotMatch" => "are the secret access key and the worker's clock correct?",
        _ => return error,
    };
    let service_error = TokenServiceError { code, message: element(&body, "Message").unwrap_or_default() };
    error.context(service_error).hint(hint)
}

/// An error response of the service.
#[derive(Debug)]
struct TokenServiceError {
    code: String,
    message: String,
}

impl fmt::Display for TokenServiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the token service rejected the request ({}): {}", self.code, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_credentials_in_a_response() {
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
    fn rejects_other_responses() {
        for text in ["", "<Credentials>", "<Credentials><AccessKeyId>a</AccessKeyId></Credentials>"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
