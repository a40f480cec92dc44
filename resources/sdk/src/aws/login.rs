//! Gets credentials for a login.

use anyhow::Context as _;

use super::chain::ambient;
use super::client::Aws;
use super::credentials::{Credentials, Login};
use super::token_service::assume_role;
use crate::error::Result;

impl Aws {
    /// Gets credentials: the keys of `login`, or else those of the worker, and then assumes its roles one after the other.
    pub async fn log_in(&self, login: &Login) -> Result<Credentials> {
        let mut credentials = match &login.keys {
            Some(keys) => keys.clone(),
            None => ambient(self).await?,
        };
        self.redact(&credentials);
        for role in &login.roles {
            credentials = assume_role(self, &credentials, role)
                .await
                .with_context(|| format!("cannot assume the role `{}`", role.arn))?;
            self.redact(&credentials);
        }
        Ok(credentials)
    }
}
