//! Writes the cluster into a private kubeconfig for helm. A cloud's token may expire while helm runs, so the kubeconfig names this
//! binary, under another name, as the program that renews the token.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::{Companion, CompanionCall, CompanionOutcome, Context, PrivateDirectory, Result};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::{Cluster, Token};
use super::renewal::renewed_token;
use crate::source::Source;

/// The program that helm runs for a token.
pub(crate) const COMPANION: Companion = Companion { name: "jetway-cluster-token", run: answer_helm };

/// The part of the source that the program needs to renew the token.
const SOURCE: &str = "cluster-source.json";

/// The latest token, and its expiry.
const TOKEN: &str = "cluster-token.json";

impl Cluster {
    /// Writes a kubeconfig for the cluster and returns its path.
    pub(crate) fn write_kubeconfig(&self, private: &PrivateDirectory, source: &Source) -> Result<PathBuf> {
        let encoded = |text: &str| STANDARD.encode(text);
        let mut cluster = json!({ "server": self.server });
        let mut user = json!({});
        set(&mut cluster, "certificate-authority-data", self.authority.as_deref().map(encoded));
        set(&mut cluster, "insecure-skip-tls-verify", self.insecure.then_some(true));
        set(&mut cluster, "tls-server-name", self.server_name.clone());
        set(&mut cluster, "proxy-url", self.proxy.clone());
        let who = &self.user;
        if let Some(certificate) = &who.certificate {
            set(&mut user, "client-certificate-data", Some(encoded(&certificate.certificate)));
            set(&mut user, "client-key-data", Some(encoded(certificate.key.expose())));
        }
        if let Some((name, password)) = &who.password {
            set(&mut user, "username", Some(name.as_str()));
            set(&mut user, "password", Some(password.expose()));
        }
        match (&who.token, &who.token_file) {
            (Some(token), None) if token.expires.is_some() => {
                private.write(SOURCE, source.cloud_keys().to_string().as_bytes())?;
                private.write(TOKEN, token_json(token).to_string().as_bytes())?;
                let command = COMPANION.install(private)?;
                set(
                    &mut user,
                    "exec",
                    Some(json!({
                        "apiVersion": "client.authentication.k8s.io/v1", "command": command, "interactiveMode": "Never",
                    })),
                );
            }
            (Some(token), None) => set(&mut user, "token", Some(token.secret.expose())),
            (_, Some(file)) => set(&mut user, "tokenFile", Some(file)),
            (None, None) => {}
        }
        for (object, extra) in [(&mut cluster, &self.extra.cluster), (&mut user, &self.extra.user)] {
            if let Some(object) = object.as_object_mut() {
                object.extend(extra.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
        }
        if let Some(user) = user.as_object_mut() {
            who.impersonation.write(user);
        }
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "cluster",
            "clusters": [{ "name": "cluster", "cluster": cluster }],
            "users": [{ "name": "user", "user": user }],
            "contexts": [{ "name": "cluster", "context": { "cluster": "cluster", "user": "user" } }],
        });
        private.write("kubeconfig", config.to_string().as_bytes())
    }
}

fn set(object: &mut Value, key: &str, value: Option<impl serde::Serialize>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(key.to_owned(), json!(value));
    }
}

fn token_json(token: &Token) -> Value {
    json!({ "token": token.secret.expose(), "expires": token.expires })
}

/// Answers helm with the stored token while it is valid, else with a new one.
fn answer_helm(call: &CompanionCall) -> Result<CompanionOutcome> {
    let token = match stored_token(&call.directory) {
        Some(token) => token,
        None => call.wait_for(async |context| renew(context, &call.directory).await)?,
    };
    // helm uses the token until the expiry that it gets here, and does not retry when the API server rejects it.
    let end = token
        .renewal_time()
        .map(Timestamp::from_second)
        .transpose()
        .context("the token's expiry is not a valid time")?;
    let status = json!({ "token": token.secret.expose(), "expirationTimestamp": end.map(|time| time.to_string()) });
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status,
    });
    Ok(CompanionOutcome::Print(credential.to_string().into_bytes()))
}

fn stored_token(directory: &Path) -> Option<Token> {
    #[derive(Deserialize)]
    struct StoredToken {
        token: jetway::Secret,
        expires: i64,
    }
    let stored: StoredToken = serde_json::from_slice(&fs::read(directory.join(TOKEN)).ok()?).ok()?;
    let token = Token { secret: stored.token, expires: Some(stored.expires) };
    token.is_valid().then_some(token)
}

async fn renew(context: &Context, directory: &Path) -> Result<Token> {
    let text = fs::read(directory.join(SOURCE)).context("cannot read the cluster's login settings")?;
    let source: Source =
        serde_json::from_slice(&text).map_err(|_| anyhow!("cannot read the cluster's login settings"))?;
    let token = renewed_token(context, &source).await?;
    // Only an optimization: without the file, the next call renews the token again.
    let _ = store_token(directory, &token);
    Ok(token)
}

/// Replaces the token file atomically.
fn store_token(directory: &Path, token: &Token) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let new = directory.join(format!("{TOKEN}.{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(token_json(token).to_string().as_bytes())?;
    fs::rename(new, directory.join(TOKEN))
}
