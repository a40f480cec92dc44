//! The user of a kubeconfig: the login and the impersonation.

use anyhow::anyhow;
use jetway::http::ClientCertificate;
use jetway::{Advise as _, Error, Result, Secret, trimmed};

use super::super::connection::{Token, User};
use super::super::impersonation::Impersonation;
use crate::source::kubeconfig::{UserEntry, decode_base64};

/// The known keys of a user.
pub(super) const KEYS: [&str; 15] = [
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "token",
    "tokenFile",
    "as",
    "as-uid",
    "as-groups",
    "as-user-extra",
    "username",
    "password",
    "exec",
    "auth-provider",
    "extensions",
];

impl UserEntry {
    /// The login of the user. As with kubectl, a token has precedence.
    pub(super) fn user(&self) -> Result<User> {
        let token = self.token.as_ref().filter(|token| !token.expose().trim().is_empty());
        if token.is_none() {
            self.refuse_programs()?;
            if trimmed(self.token_file.as_ref()).is_some() {
                return Err(names_local_file("tokenFile"));
            }
        }
        let password = match (trimmed(self.username.as_ref()), self.password.as_ref()) {
            _ if token.is_some() => None,
            (None, None) => None,
            (None, Some(password)) if password.is_empty() => None,
            (name, password) => Some((
                name.unwrap_or_default().to_owned(),
                password.cloned().unwrap_or_else(|| Secret::new(String::new())),
            )),
        };
        Ok(User {
            certificate: self.certificate()?,
            token: token.cloned().map(Token::without_expiry),
            password,
            token_file: None,
            impersonation: self.impersonation()?,
        })
    }

    fn certificate(&self) -> Result<Option<ClientCertificate>> {
        let certificate = trimmed(self.client_certificate_data.as_ref());
        let key = self.client_key_data.as_ref().filter(|key| !key.expose().trim().is_empty());
        if certificate.is_none() && trimmed(self.client_certificate.as_ref()).is_some() {
            return Err(names_local_file("client-certificate"));
        }
        if key.is_none() && trimmed(self.client_key.as_ref()).is_some() {
            return Err(names_local_file("client-key"));
        }
        match (certificate, key) {
            (Some(certificate), Some(key)) => Ok(Some(ClientCertificate {
                certificate: decode_base64("client-certificate-data", certificate)?,
                key: Secret::new(decode_base64("client-key-data", key.expose())?),
            })),
            (None, None) => Ok(None),
            (Some(_), None) => {
                Err(anyhow!("the kubeconfig's user has `client-certificate-data`, but no `client-key-data`"))
            }
            (None, Some(_)) => {
                Err(anyhow!("the kubeconfig's user has `client-key-data`, but no `client-certificate-data`"))
            }
        }
    }

    fn impersonation(&self) -> Result<Impersonation> {
        let extra = self.as_user_extra.iter().flatten();
        let impersonation = Impersonation {
            user: trimmed(self.r#as.as_ref()).map(str::to_owned),
            uid: trimmed(self.as_uid.as_ref()).map(str::to_owned),
            groups: self.as_groups.clone().unwrap_or_default(),
            extra: extra.map(|(key, values)| (key.clone(), values.clone().unwrap_or_default())).collect(),
        };
        if impersonation.user.is_none()
            && (impersonation.uid.is_some() || !impersonation.groups.is_empty() || !impersonation.extra.is_empty())
        {
            return Err(anyhow!(
                "the kubeconfig's user has `as-uid`, `as-groups` or `as-user-extra`, but no `as` that names a user"
            ));
        }
        Ok(impersonation)
    }

    fn refuse_programs(&self) -> Result<()> {
        if let Some(exec) = &self.exec {
            let error = anyhow!(
                "the kubeconfig's `exec` logs in with the program `{}`, which this resource does not run",
                exec.command
            );
            let program = exec.command.rsplit(['/', '\\']).next().unwrap_or_default();
            return Err(match program.trim_end_matches(".exe") {
                "aws" | "aws-iam-authenticator" => error.hint("`aws` in the source logs in to Amazon EKS without a program"),
                "gke-gcloud-auth-plugin" | "gcloud" => {
                    error.hint("`gcloud_cluster_auth` in the source logs in to Google's clusters without a program")
                }
                "doctl" => error.hint("`digitalocean` in the source logs in to DigitalOcean's clusters without a program"),
                "kubelogin" => error.hint(
                    "for Azure (AKS), `az aks get-credentials --admin` writes a kubeconfig with a certificate; or use the token \
                     of a service account",
                ),
                _ => error.hint("use the token of a service account"),
            });
        }
        if self.auth_provider.is_some() {
            return Err(anyhow!(
                "the kubeconfig's `auth-provider` is not supported; Kubernetes has removed most of them"
            )
            .hint("use the token of a service account"));
        }
        Ok(())
    }
}

/// The error that a key names a file, which does not exist on this worker.
pub(super) fn names_local_file(key: &str) -> Error {
    anyhow!("the kubeconfig's `{key}` names a file on the machine where the kubeconfig was written")
        .hint("`kubectl config view --raw --minify --flatten` prints a kubeconfig that contains the files")
}
