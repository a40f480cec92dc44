//! A kubeconfig, as far as it can be used here: everything must stand in it, and nothing in it is run.

use std::collections::BTreeSet;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::http::{ClientCertificate, Url};
use jetway::{Advise as _, Error, Result, Secret, nearest};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Cluster, Token, User};

/// A kubeconfig as it is written; see "Organizing Cluster Access Using kubeconfig Files" in the documentation of Kubernetes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Kubeconfig {
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    users: Vec<NamedUser>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    current_context: Option<String>,
}

#[derive(Debug, Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Address,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Address {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    tls_server_name: Option<String>,
    proxy_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: Option<Person>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Person {
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<Secret>,
    token: Option<Secret>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    username: Option<String>,
    password: Option<Secret>,
    exec: Option<Exec>,
    auth_provider: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Exec {
    command: String,
}

#[derive(Debug, Deserialize)]
struct NamedContext {
    name: String,
    context: Inner,
}

#[derive(Debug, Deserialize)]
struct Inner {
    cluster: String,
    #[serde(default)]
    user: Option<String>,
    namespace: Option<String>,
}

impl Kubeconfig {
    /// Reads the text; what is wrong is told in words that do not repeat it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| match error.location() {
            // The parser's own words quote the line, which may be a key.
            Some(location) => format!("is no kubeconfig: line {} cannot be understood", location.line()),
            None => "is no kubeconfig".to_owned(),
        })
    }

    /// All that is secret in it.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets = BTreeSet::new();
        for user in self.users.iter().filter_map(|user| user.user.as_ref()) {
            let all = [&user.client_key_data, &user.token, &user.password];
            secrets.extend(all.into_iter().flatten().map(|secret| secret.expose().to_owned()));
            if let Some(Ok(key)) = user.client_key_data.as_ref().map(|key| data("client-key-data", key.expose())) {
                secrets.insert(key);
            }
        }
        secrets.into_iter().collect()
    }

    /// The cluster of a context, or of the current one.
    pub(crate) fn cluster(&self, context: Option<&str>) -> Result<Cluster> {
        let (name, context) = self.context(context)?;
        let missing = |kind: &str, wanted: &str| {
            anyhow!("the kubeconfig's context `{name}` names the {kind} `{wanted}`, which is not in it")
        };
        let found = self.clusters.iter().find(|cluster| cluster.name == context.cluster);
        let server = &found.ok_or_else(|| missing("cluster", &context.cluster))?.cluster;
        let nobody = Person::default();
        let person = match context.user.as_deref().filter(|name| !name.is_empty()) {
            None => &nobody,
            Some(name) => {
                let found = self.users.iter().find(|user| user.name == name);
                found.ok_or_else(|| missing("user", name))?.user.as_ref().unwrap_or(&nobody)
            }
        };
        if !Url::parse(&server.server).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Err(anyhow!("the kubeconfig's server is no address that begins with `https://`"));
        }
        if server.certificate_authority.is_some() && server.certificate_authority_data.is_none() {
            return Err(elsewhere("certificate-authority"));
        }
        let namespace = context.namespace.clone().filter(|name| !name.is_empty());
        if let Some(Err(problem)) = namespace.as_deref().map(crate::name::namespace) {
            return Err(anyhow!("the namespace of the kubeconfig's context `{name}` {problem}"));
        }
        let authority = server.certificate_authority_data.as_deref().filter(|text| !text.is_empty());
        Ok(Cluster {
            server: server.server.trim_end_matches('/').to_owned(),
            authority: authority.map(|text| data("certificate-authority-data", text)).transpose()?,
            insecure: server.insecure_skip_tls_verify,
            server_name: server.tls_server_name.clone().filter(|name| !name.is_empty()),
            proxy: server.proxy_url.clone().filter(|url| !url.is_empty()),
            namespace,
            user: person.user()?,
        })
    }

    fn context(&self, wanted: Option<&str>) -> Result<(&str, &Inner)> {
        let current = self.current_context.as_deref().filter(|name| !name.is_empty());
        let Some(name) = wanted.or(current) else {
            return match self.contexts.as_slice() {
                [only] => Ok((&only.name, &only.context)),
                _ => Err(anyhow!("the kubeconfig has no current context").hint("name one as `kubeconfig_context`")),
            };
        };
        let found = self.contexts.iter().find(|context| context.name == name);
        found.map(|found| (found.name.as_str(), &found.context)).ok_or_else(|| {
            let error = anyhow!("the kubeconfig has no context `{name}`");
            match nearest(name, self.contexts.iter().map(|context| context.name.as_str())) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }
}

impl Person {
    fn user(&self) -> Result<User> {
        if let Some(exec) = &self.exec {
            let error =
                anyhow!("the kubeconfig logs in by the program `{}`, and nothing in a kubeconfig is run", exec.command);
            let program = exec.command.rsplit('/').next().unwrap_or_default();
            return Err(match program {
                "aws" | "aws-iam-authenticator" => error.hint("`aws` in the source does the same without a program"),
                "gke-gcloud-auth-plugin" | "gcloud" => {
                    error.hint("`gcloud_cluster_auth` in the source does the same without a program")
                }
                "doctl" => error.hint("`digitalocean` in the source does the same without a program"),
                _ => error.hint("a token of a service account does without one"),
            });
        }
        if self.auth_provider.is_some() {
            return Err(anyhow!("the kubeconfig logs in by an `auth-provider`, which Kubernetes itself has given up"));
        }
        if self.token_file.is_some() && self.token.is_none() {
            return Err(elsewhere("tokenFile"));
        }
        if self.client_certificate.is_some() && self.client_certificate_data.is_none() {
            return Err(elsewhere("client-certificate"));
        }
        if self.client_key.is_some() && self.client_key_data.is_none() {
            return Err(elsewhere("client-key"));
        }
        let certificate = match (&self.client_certificate_data, &self.client_key_data) {
            (Some(certificate), Some(key)) => Some(ClientCertificate {
                certificate: data("client-certificate-data", certificate)?,
                key: Secret::new(data("client-key-data", key.expose())?),
            }),
            _ => None,
        };
        let token = self.token.as_ref().filter(|token| !token.is_empty());
        let password = match (&self.username, &self.password) {
            (Some(name), Some(password)) if token.is_none() => Some((name.clone(), password.clone())),
            _ => None,
        };
        Ok(User { certificate, token: token.cloned().map(Token::lasting), password, token_file: None })
    }
}

fn elsewhere(key: &str) -> Error {
    anyhow!("the kubeconfig's `{key}` names a file of the machine that it was written on")
        .hint("`kubectl config view --raw --minify --flatten` writes one that has everything in it")
}

fn data(key: &str, text: &str) -> Result<String> {
    let compact: String = text.split_whitespace().collect();
    let decoded = STANDARD.decode(compact).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| anyhow!("the kubeconfig's `{key}` is cut or damaged: it is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "
apiVersion: v1
kind: Config
current-context: b
clusters:
- {name: one, cluster: {server: 'https://one.example:6443/', certificate-authority-data: LS0tLS1CRUdJTg==}}
- {name: two, cluster: {server: 'https://two.example', insecure-skip-tls-verify: true, tls-server-name: k, proxy-url: 'http://p:1'}}
users:
- {name: ada, user: {token: s3cret}}
- {name: bob, user: {username: bob, password: pw}}
- {name: exec, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: /usr/bin/aws, args: [eks]}}}
- {name: files, user: {client-certificate: /home/x.crt, client-key: /home/x.key}}
contexts:
- {name: a, context: {cluster: one, user: ada, namespace: n}}
- {name: b, context: {cluster: two, user: bob}}
- {name: c, context: {cluster: one, user: exec}}
- {name: d, context: {cluster: one, user: files}}
- {name: e, context: {cluster: three, user: ada}}
- {name: anonymous, context: {cluster: two, user: ''}}
";

    #[test]
    fn contexts_are_found() {
        let config = Kubeconfig::parse(TWO).unwrap();
        let a = config.cluster(Some("a")).unwrap();
        assert_eq!((a.server.as_str(), a.namespace.as_deref()), ("https://one.example:6443", Some("n")));
        assert_eq!(a.authority.as_deref(), Some("-----BEGIN"));
        assert_eq!(a.user.token.unwrap().secret.expose(), "s3cret");
        let b = config.cluster(None).unwrap();
        assert!(b.insecure && b.user.password.is_some());
        assert_eq!((b.server_name.as_deref(), b.proxy.as_deref()), (Some("k"), Some("http://p:1")));
        assert!(config.cluster(Some("anonymous")).unwrap().user.token.is_none());
        assert!(config.secrets().contains(&"s3cret".to_owned()));
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let config = Kubeconfig::parse(TWO).unwrap();
        for (context, words) in [
            ("c", "logs in by the program `/usr/bin/aws`"),
            ("d", "`client-certificate` names a file"),
            ("e", "names the cluster `three`"),
            ("x", "has no context `x`"),
        ] {
            let error = config.cluster(Some(context)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        for text in ["token: hunter2\nclusters: [", "- hunter2", "clusters: hunter2", "\thunter2"] {
            let problem = Kubeconfig::parse(text).unwrap_err();
            assert!(problem.starts_with("is no kubeconfig") && !problem.contains("hunter2"), "{problem}");
        }
        // Nothing at all is a kubeconfig, too, of no use.
        assert!(Kubeconfig::parse("{}").unwrap().cluster(None).is_err());
    }
}
