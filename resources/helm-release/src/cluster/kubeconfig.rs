//! Finds the cluster in a kubeconfig, as kubectl does, with two exceptions: it must not refer to files, and no program in it is
//! run.

mod login;

use std::collections::BTreeMap;

use anyhow::anyhow;
use jetway::http::{Url, authority_problem};
use jetway::{Advise as _, Result, nearest, trimmed};
use serde_json::Value;

use super::connection::Cluster;
use crate::source::kubeconfig::{ClusterEntry, ContextEntry, Kubeconfig, RawEntry, decode_base64};
use login::names_local_file;

/// The known keys of a cluster.
const CLUSTER_KEYS: [&str; 7] = [
    "server",
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "tls-server-name",
    "proxy-url",
    "extensions",
];

/// Unknown keys that helm uses, and that need no warning.
const KEYS_OF_HELM: [&str; 1] = ["disable-compression"];

/// The proxy schemes that kubectl and helm support.
const PROXY_SCHEMES: [&str; 3] = ["http", "https", "socks5"];

impl Kubeconfig {
    /// The cluster of the named context, or of the current one.
    pub(crate) fn cluster(&self, context: Option<&str>) -> Result<Cluster> {
        let (name, context) = self.context(context)?;
        let wanted = trimmed(context.cluster.as_ref())
            .ok_or_else(|| anyhow!("the kubeconfig's context `{name}` names no cluster"))?;
        let found = self.clusters.iter().find(|cluster| cluster.name == wanted);
        let address = &found
            .ok_or_else(|| {
                anyhow!("the kubeconfig's context `{name}` names the cluster `{wanted}`, which does not exist")
            })?
            .cluster;
        let mut cluster = address.cluster()?;
        let mut extra = unknown_keys(&self.raw.clusters, wanted, &CLUSTER_KEYS);
        note_unknown(&extra, "cluster", &mut cluster.warnings);
        cluster.extra.cluster.append(&mut extra);
        if let Some(wanted) = trimmed(context.user.as_ref()) {
            // kubectl, too, then sends anonymous requests.
            match self.users.iter().find(|user| user.name == wanted) {
                Some(user) => cluster.user = user.user.user()?,
                None => cluster.warnings.push(format!(
                    "the kubeconfig's context `{name}` names the user `{wanted}`, which does not exist: \
                     requests are anonymous"
                )),
            }
            let mut extra = unknown_keys(&self.raw.users, wanted, &login::KEYS);
            note_unknown(&extra, "user", &mut cluster.warnings);
            cluster.extra.user.append(&mut extra);
        }
        cluster.namespace = trimmed(context.namespace.as_ref()).map(str::to_owned);
        Ok(cluster)
    }

    fn context(&self, wanted: Option<&str>) -> Result<(&str, &ContextEntry)> {
        let current = self.current_context.as_deref().filter(|name| !name.is_empty());
        let Some(name) = wanted.or(current) else {
            return match self.contexts.as_slice() {
                [only] => Ok((&only.name, &only.context)),
                _ => Err(anyhow!("the kubeconfig has no current context").hint("set `kubeconfig_context`")),
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

impl ClusterEntry {
    /// The cluster, without a login.
    fn cluster(&self) -> Result<Cluster> {
        let insecure = self.insecure_skip_tls_verify;
        let authority = trimmed(self.certificate_authority_data.as_ref());
        // Without verification, a certificate authority has no effect.
        let authority = match authority.filter(|_| !insecure) {
            Some(text) => {
                let pem = decode_base64("certificate-authority-data", text)?;
                if let Some(problem) = authority_problem(&pem) {
                    return Err(anyhow!("the kubeconfig's `certificate-authority-data` is damaged: {problem}"));
                }
                Some(pem)
            }
            None if !insecure && trimmed(self.certificate_authority.as_ref()).is_some() => {
                return Err(names_local_file("certificate-authority"));
            }
            None => None,
        };
        let proxy = trimmed(self.proxy_url.as_ref());
        if let Some(url) = proxy
            && !Url::parse(url).is_ok_and(|url| PROXY_SCHEMES.contains(&url.scheme()))
        {
            return Err(anyhow!("the kubeconfig's `proxy-url` is not a proxy address that helm supports")
                .hint("expected `http://HOST:PORT`, `https://HOST:PORT` or `socks5://HOST:PORT`"));
        }
        Ok(Cluster {
            server: self.server(insecure || authority.is_some())?,
            authority,
            insecure,
            server_name: trimmed(self.tls_server_name.as_ref()).map(str::to_owned),
            proxy: proxy.map(str::to_owned),
            ..Cluster::default()
        })
    }

    /// The address of the API server. Like kubectl, an address without a scheme gets `https://` if there are keys for TLS.
    fn server(&self, has_tls: bool) -> Result<String> {
        let text = trimmed(self.server.as_ref())
            .ok_or_else(|| anyhow!("the kubeconfig's cluster has no `server`, the address of its API server"))?;
        let address = if text.contains("://") {
            text.to_owned()
        } else {
            format!("{}://{text}", if has_tls { "https" } else { "http" })
        };
        if !Url::parse(&address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err(anyhow!("the kubeconfig's `server` is not an `https://` address"));
        }
        Ok(address.trim_end_matches('/').to_owned())
    }
}

/// The unknown keys of the named entry, with their values.
fn unknown_keys(entries: &[RawEntry], name: &str, known: &[&str]) -> BTreeMap<String, Value> {
    let content = entries.iter().find(|entry| entry.name == name).and_then(|entry| entry.content.as_ref());
    let unknown = content.into_iter().flatten().filter(|(key, _)| !known.contains(&key.as_str()));
    unknown.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn note_unknown(extra: &BTreeMap<String, Value>, what: &str, warnings: &mut Vec<String>) {
    for key in extra.keys().filter(|key| !KEYS_OF_HELM.contains(&key.as_str())) {
        warnings.push(format!("the key `{key}` of the kubeconfig's {what} is unknown: it is passed to helm unchanged"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    const MANY: &str = "
apiVersion: v1
kind: Config
current-context: b
clusters:
- {name: one, cluster: {server: 'https://one.example:6443/', certificate-authority: ''}}
- {name: two, cluster: {server: 'https://two.example', insecure-skip-tls-verify: true, tls-server-name: k, proxy-url: 'http://p:1', disable-compression: true}}
- {name: damaged, cluster: {server: 'https://one.example', certificate-authority-data: LS0tLS1CRUdJTg==}}
- {name: both, cluster: {server: 'one.example', insecure-skip-tls-verify: true, certificate-authority-data: '%', certificate-authority: /ca}}
- {name: socks, cluster: {server: 'http://one.example', proxy-url: 'socks5://ada:pr0xy@p:1'}}
- {name: socks4, cluster: {server: 'https://one.example', proxy-url: 'socks4://p:1'}}
- {name: authority in a file, cluster: {server: 'https://one.example', certificate-authority: /ca}}
users:
- {name: ada, user: {token: s3cret, as: eve, as-uid: '7', as-groups: [dev, ops], as-user-extra: {reason: [a, b]}, exec: {command: x}}}
- {name: bob, user: {username: bob, colour: red}}
- {name: exec, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: /usr/bin/aws, args: [eks]}}}
- {name: files, user: {client-certificate: /home/x.crt, client-key: /home/x.key}}
- {name: half, user: {client-certificate-data: YQ==}}
- {name: groups, user: {token: t, as-groups: [dev]}}
- {name: nobody, user: null}
contexts:
- {name: a, context: {cluster: one, user: ada, namespace: n}}
- {name: b, context: {cluster: two, user: bob}}
- {name: c, context: {cluster: one, user: exec}}
- {name: d, context: {cluster: one, user: files}}
- {name: e, context: {cluster: three, user: ada}}
- {name: anonymous, context: {cluster: two, user: ''}}
- {name: nobody, context: {cluster: two, user: nobody}}
- {name: missing, context: {cluster: two, user: carl}}
- {name: damaged, context: {cluster: damaged, user: ada}}
- {name: both, context: {cluster: both, user: ada}}
- {name: socks, context: {cluster: socks, user: ada}}
- {name: socks4, context: {cluster: socks4, user: ada}}
- {name: half, context: {cluster: one, user: half}}
- {name: groups, context: {cluster: one, user: groups}}
- {name: authority in a file, context: {cluster: authority in a file, user: ada}}
";

    #[test]
    fn finds_the_cluster_and_the_login_of_a_context() {
        let config = Kubeconfig::parse(MANY).unwrap();
        let a = config.cluster(Some("a")).unwrap();
        assert_eq!((a.server.as_str(), a.namespace.as_deref()), ("https://one.example:6443", Some("n")));
        assert_eq!(a.user.token.unwrap().secret.expose(), "s3cret");
        let b = config.cluster(None).unwrap();
        assert!(b.insecure && b.user.password.is_some());
        assert_eq!((b.server_name.as_deref(), b.proxy.as_deref()), (Some("k"), Some("http://p:1")));
        for anonymous in ["anonymous", "nobody"] {
            assert!(config.cluster(Some(anonymous)).unwrap().user.token.is_none());
        }
        let socks = config.cluster(Some("socks")).unwrap();
        assert_eq!(socks.proxy.as_deref(), Some("socks5://ada:pr0xy@p:1"));
        for secret in ["s3cret", "pr0xy"] {
            assert!(config.secrets().contains(&secret.to_owned()), "{secret}");
        }
    }

    #[test]
    fn keeps_impersonation_and_passes_unknown_keys_to_helm_with_a_warning() {
        let config = Kubeconfig::parse(MANY).unwrap();
        let impersonation = config.cluster(Some("a")).unwrap().user.impersonation;
        assert_eq!((impersonation.user.as_deref(), impersonation.uid.as_deref()), (Some("eve"), Some("7")));
        assert_eq!(impersonation.groups, ["dev", "ops"]);
        assert_eq!(impersonation.extra, BTreeMap::from([("reason".to_owned(), vec!["a".to_owned(), "b".to_owned()])]));
        let b = config.cluster(Some("b")).unwrap();
        assert_eq!(b.extra.cluster.get("disable-compression"), Some(&Value::Bool(true)));
        assert_eq!(b.extra.user.get("colour"), Some(&Value::from("red")));
        assert_eq!(b.warnings.len(), 1, "{:?}", b.warnings);
        assert!(b.warnings[0].contains("the key `colour` of the kubeconfig's user is unknown"), "{:?}", b.warnings);
    }

    #[test]
    fn accepts_what_kubectl_accepts() {
        let both = Kubeconfig::parse(MANY).unwrap().cluster(Some("both")).unwrap();
        assert_eq!((both.insecure, both.authority, both.server.as_str()), (true, None, "https://one.example"));
        let missing = Kubeconfig::parse(MANY).unwrap().cluster(Some("missing")).unwrap();
        assert!(missing.user.token.is_none() && missing.warnings[0].contains("requests are anonymous"));
        let mut wrapped = STANDARD.encode(MANY);
        for line in (76..wrapped.len()).step_by(77) {
            wrapped.insert(line, '\n');
        }
        assert!(Kubeconfig::parse(&wrapped).unwrap().cluster(Some("a")).is_ok());
        let two = "contexts: [{name: a, context: {cluster: x, user: u}}]\nusers: null\n---\ncurrent-context: a\nusers:\nclusters: [{name: x, cluster: {server: 'x:1'}}]\n";
        let merged = Kubeconfig::parse(two).unwrap().cluster(None).unwrap();
        assert_eq!(merged.server, "http://x:1");
    }

    #[test]
    fn errors_name_the_unusable_key() {
        let config = Kubeconfig::parse(MANY).unwrap();
        for (context, words) in [
            ("c", "`exec` logs in with the program `/usr/bin/aws`"),
            ("d", "`client-certificate` names a file"),
            ("e", "names the cluster `three`"),
            ("x", "has no context `x`"),
            ("damaged", "`certificate-authority-data` is damaged"),
            ("socks4", "`proxy-url`"),
            ("half", "no `client-key-data`"),
            ("groups", "no `as` that names a user"),
            ("authority in a file", "`certificate-authority` names a file"),
        ] {
            let error = config.cluster(Some(context)).unwrap_err().to_string();
            assert!(error.contains(words), "{context}: {error}");
        }
        for text in ["token: hunter2\nclusters: [", "- hunter2", "clusters: hunter2", "\thunter2"] {
            let problem = Kubeconfig::parse(text).unwrap_err();
            assert!(problem.starts_with("is not a kubeconfig") && !problem.contains("hunter2"), "{problem}");
        }
        // An empty text is a kubeconfig without a context.
        for text in ["{}", "", "---\n"] {
            assert!(Kubeconfig::parse(text).unwrap().cluster(None).is_err(), "{text}");
        }
    }
}
