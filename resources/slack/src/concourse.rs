//! A client for Concourse's API that reads the status of a build. The login protocol depends on Concourse's release.

use anyhow::{Context as _, anyhow};
use jetway::http::{HttpClient, HttpRequest, Redirects, StatusCode, StatusError};
use jetway::{Advise as _, BuildMetadata, Result, Secret};
use serde::Deserialize;

use crate::alert::{escape_path, vars_query};

/// The OAuth client ID and secret of `fly`. They are public: every copy of `fly` contains them.
const CLIENT: (&str, &str) = ("fly", "Zmx5");

/// The OAuth scopes to request.
const SCOPES: &str = "openid profile email federated:id groups";

/// A Concourse installation.
pub(crate) struct Concourse<'s> {
    pub(crate) client: HttpClient,
    /// The base URL, without a trailing slash.
    pub(crate) url: &'s str,
    /// The name and password of a local user.
    pub(crate) login: Option<(&'s str, &'s Secret)>,
}

#[derive(Deserialize)]
struct Build {
    status: String,
}

#[derive(Deserialize)]
struct Info {
    version: String,
}

/// The token response of all login protocols.
#[derive(Deserialize)]
struct Token {
    #[serde(alias = "value")]
    access_token: Option<String>,
    id_token: Option<String>,
}

/// The login protocol, by Concourse release.
#[derive(Debug, PartialEq, Eq)]
enum LoginProtocol {
    /// Before 4.0: basic authentication with a token endpoint per team.
    Team,
    /// Before 6.1: OAuth at `/sky/token`.
    Sky,
    /// 6.1 to 6.4: OAuth at `/sky/issuer/token`; the API accepts the ID token.
    IssuerId,
    /// OAuth at `/sky/issuer/token`.
    Issuer,
}

impl Concourse<'_> {
    /// The status of a build: `succeeded`, `failed`, `started`...
    pub(crate) async fn status(&self, build: &BuildMetadata, name: &str) -> Result<String> {
        let part = |part: &Option<String>, variable: &str| {
            part.as_deref().map(escape_path).ok_or_else(|| anyhow!("`{variable}` is not set"))
        };
        let path = format!(
            "{}/api/v1/teams/{}/pipelines/{}/jobs/{}/builds/{}{}",
            self.url,
            part(&build.team_name, "BUILD_TEAM_NAME")?,
            part(&build.pipeline_name, "BUILD_PIPELINE_NAME")?,
            part(&build.job_name, "BUILD_JOB_NAME")?,
            escape_path(name),
            vars_query(build),
        );
        let mut request = self.client.get(&path);
        if let Some((user, password)) = self.login {
            let team = build.team_name.as_deref().unwrap_or_default();
            // Releases before 4.0 also accept a cookie, but every release accepts the header.
            request = request.bearer(&self.token(team, user, password).await?);
        }
        let build: Build = match request.send().await {
            Ok(response) => response.json().await?,
            Err(error) => return Err(self.explain(error)),
        };
        Ok(build.status)
    }

    fn explain(&self, error: jetway::Error) -> jetway::Error {
        match error.downcast_ref::<StatusError>().map(StatusError::status) {
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) if self.login.is_none() => error.hint(
                "the pipeline is not public: set `username` and `password` of a local Concourse user in the source",
            ),
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                error.hint("the user in `username` has no access to this pipeline's team")
            }
            Some(StatusCode::NOT_FOUND) => {
                error.hint("the build does not exist (any more), or the user has no access to the pipeline")
            }
            _ => error,
        }
    }

    /// Requests a token for a local user.
    async fn token(&self, team: &str, user: &str, password: &Secret) -> Result<Secret> {
        let info: Info = self.client.get(format!("{}/api/v1/info", self.url)).send().await?.json().await?;
        let protocol = login_protocol(&info.version);
        let request = match protocol {
            LoginProtocol::Team => {
                let path = format!("{}/api/v1/teams/{}/auth/token", self.url, escape_path(team));
                self.client.get(path).basic(user, password)
            }
            LoginProtocol::Sky => self.grant("/sky/token", user, password),
            LoginProtocol::IssuerId | LoginProtocol::Issuer => self.grant("/sky/issuer/token", user, password),
        };
        let answer = request.redirects(Redirects::Return).send().await;
        let response = answer.with_context(|| format!("cannot log in to Concourse as `{user}`")).hint(
            "`username` must be a local Concourse user (`--add-local-user`); users who log in with another service have no password in Concourse",
        )?;
        if response.status().is_redirection() {
            return Err(jetway::Error::new(response.into_error().await)
                .context(format!("cannot log in to Concourse as `{user}`"))
                .hint("set `concourse_url` to the URL that Concourse redirects to"));
        }
        let token: Token = response.json().await?;
        let token = if protocol == LoginProtocol::IssuerId { token.id_token } else { token.access_token };
        let token = token.filter(|token| !token.is_empty());
        token.map(Secret::new).ok_or_else(|| {
            anyhow!("Concourse {} accepted the login of `{user}`, but its response contains no token", info.version)
        })
    }

    fn grant(&self, path: &str, user: &str, password: &Secret) -> HttpRequest {
        let fields =
            [("grant_type", "password"), ("username", user), ("password", password.expose()), ("scope", SCOPES)];
        // Requesting a token is idempotent.
        let request = self.client.post(format!("{}{path}", self.url)).form(fields).repeatable();
        request.basic(CLIENT.0, &Secret::new(CLIENT.1))
    }
}

/// The login protocol of a release.
fn login_protocol(version: &str) -> LoginProtocol {
    let mut numbers = version.split(['.', '-', '+']).map(|part| part.parse::<u32>().unwrap_or_default());
    let release = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    match release {
        // A build from source reports version 0.0.0 and is newer than any release.
        (0, 0) => LoginProtocol::Issuer,
        (..4, _) => LoginProtocol::Team,
        (4 | 5, _) | (6, 0) => LoginProtocol::Sky,
        (6, 1..=4) => LoginProtocol::IssuerId,
        _ => LoginProtocol::Issuer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_login_of_every_release() {
        for (version, login) in [
            ("3.14.1", LoginProtocol::Team),
            ("4.0.0", LoginProtocol::Sky),
            ("5.5.11", LoginProtocol::Sky),
            ("6.0.0", LoginProtocol::Sky),
            ("6.1.0", LoginProtocol::IssuerId),
            ("6.4.1", LoginProtocol::IssuerId),
            ("6.5.0", LoginProtocol::Issuer),
            ("7.11.2", LoginProtocol::Issuer),
            ("8.2.5", LoginProtocol::Issuer),
            ("10.0.0-rc.1", LoginProtocol::Issuer),
            ("0.0.0-dev", LoginProtocol::Issuer),
        ] {
            assert_eq!(login_protocol(version), login, "{version}");
        }
    }
}
