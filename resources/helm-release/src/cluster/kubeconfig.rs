//! A kubeconfig, read as kubectl reads it, but for two things: everything must be in it, and no program of its is run.

mod login;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::http::{Url, authority_problem};
use jetway::{Advise as _, Error, Result, nearest};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Cluster;
use login::Person;

/// The keys of a cluster that are read here.
const CLUSTER_KEYS: [&str; 7] = [
    "server",
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "tls-server-name",
    "proxy-url",
    "extensions",
];

/// The keys that helm alone has a use for.
const KEYS_OF_HELM: [&str; 1] = ["disable-compression"];

/// The schemes of proxies that kubectl and helm know.
const PROXY_SCHEMES: [&str; 3] = ["http", "https", "socks5"];

/// A kubeconfig as it is written; see "Organizing Cluster Access Using kubeconfig Files" in the documentation of Kubernetes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Kubeconfig {
    #[serde(default, deserialize_with = "even_null")]
    clusters: Vec<NamedCluster>,
    #[serde(default, deserialize_with = "even_null")]
    users: Vec<NamedUser>,
    #[serde(default, deserialize_with = "even_null")]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    current_context: Option<String>,
    /// The clusters and users with all their keys.
    #[serde(skip)]
    raw: Raw,
}

/// The same, as far as it takes to find keys that are not known here.
#[derive(Debug, Default, Deserialize)]
struct Raw {
    #[serde(default, deserialize_with = "even_null")]
    clusters: Vec<RawEntry>,
    #[serde(default, deserialize_with = "even_null")]
    users: Vec<RawEntry>,
}

#[derive(Debug, Deserialize)]
struct RawEntry {
    name: String,
    #[serde(default, alias = "cluster", alias = "user")]
    content: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
struct NamedCluster {
    name: String,
    #[serde(default, deserialize_with = "even_null")]
    cluster: Address,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Address {
    server: Option<String>,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    #[serde(default, deserialize_with = "even_null")]
    insecure_skip_tls_verify: bool,
    tls_server_name: Option<String>,
    proxy_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default, deserialize_with = "even_null")]
    user: Person,
}

#[derive(Debug, Deserialize)]
struct NamedContext {
    name: String,
    #[serde(default, deserialize_with = "even_null")]
    context: Inner,
}

#[derive(Debug, Default, Deserialize)]
struct Inner {
    cluster: Option<String>,
    user: Option<String>,
    namespace: Option<String>,
}

/// Takes `null` for the default.
fn even_null<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Kubeconfig {
    /// Reads the text, which may be in base64; several documents are merged as kubectl merges several files. An error does not
    /// repeat the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let decoded = whole_in_base64(text);
        let text = decoded.as_deref().unwrap_or(text);
        let documents: Vec<Self> = serde_saphyr::from_multiple(text).map_err(|error| match error.location() {
            // The parser's own words quote the line, which may be a key.
            Some(location) => format!("is no kubeconfig: line {} cannot be understood", location.line()),
            None => "is no kubeconfig".to_owned(),
        })?;
        let raw: Vec<Raw> = serde_saphyr::from_multiple(text).unwrap_or_default();
        let mut merged = Self::default();
        for document in documents {
            merged.clusters.extend(document.clusters);
            merged.users.extend(document.users);
            merged.contexts.extend(document.contexts);
            merged.current_context =
                merged.current_context.or(document.current_context.filter(|name| !name.is_empty()));
        }
        for document in raw {
            merged.raw.clusters.extend(document.clusters);
            merged.raw.users.extend(document.users);
        }
        Ok(merged)
    }

    /// All that is secret in it.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets: BTreeSet<String> = self.users.iter().flat_map(|user| user.user.secrets()).collect();
        let proxies = self.clusters.iter().filter_map(|cluster| cluster.cluster.proxy_url.as_deref());
        secrets.extend(proxies.filter_map(|url| Url::parse(url).ok()?.password().map(str::to_owned)));
        secrets.into_iter().collect()
    }

    /// The cluster of a context, or of the current one.
    pub(crate) fn cluster(&self, context: Option<&str>) -> Result<Cluster> {
        let (name, context) = self.context(context)?;
        let wanted = filled(context.cluster.as_ref())
            .ok_or_else(|| anyhow!("the kubeconfig's context `{name}` names no cluster"))?;
        let found = self.clusters.iter().find(|cluster| cluster.name == wanted);
        let address = &found
            .ok_or_else(|| {
                anyhow!("the kubeconfig's context `{name}` names the cluster `{wanted}`, which is not in it")
            })?
            .cluster;
        let mut cluster = address.cluster()?;
        let mut extra = unknown_keys(&self.raw.clusters, wanted, &CLUSTER_KEYS);
        note_unknown(&extra, "cluster", &mut cluster.warnings);
        cluster.extra.cluster.append(&mut extra);
        if let Some(wanted) = filled(context.user.as_ref()) {
            // kubectl, too, calls without a login then.
            match self.users.iter().find(|user| user.name == wanted) {
                Some(user) => cluster.user = user.user.user()?,
                None => cluster.warnings.push(format!(
                    "the kubeconfig's context `{name}` names the user `{wanted}`, which is not in it: requests are anonymous"
                )),
            }
            let mut extra = unknown_keys(&self.raw.users, wanted, &login::KEYS);
            note_unknown(&extra, "user", &mut cluster.warnings);
            cluster.extra.user.append(&mut extra);
        }
        cluster.namespace = filled(context.namespace.as_ref()).map(str::to_owned);
        Ok(cluster)
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

impl Address {
    /// The cluster that nobody has logged in to yet.
    fn cluster(&self) -> Result<Cluster> {
        let insecure = self.insecure_skip_tls_verify;
        let authority = filled(self.certificate_authority_data.as_ref());
        // Where no certificate is verified, no authority counts.
        let authority = match authority.filter(|_| !insecure) {
            Some(text) => {
                let pem = data("certificate-authority-data", text)?;
                if let Some(problem) = authority_problem(&pem) {
                    return Err(anyhow!("the kubeconfig's `certificate-authority-data` is damaged: {problem}"));
                }
                Some(pem)
            }
            None if !insecure && filled(self.certificate_authority.as_ref()).is_some() => {
                return Err(elsewhere("certificate-authority"));
            }
            None => None,
        };
        let proxy = filled(self.proxy_url.as_ref());
        if let Some(url) = proxy
            && !Url::parse(url).is_ok_and(|url| PROXY_SCHEMES.contains(&url.scheme()))
        {
            return Err(anyhow!("the kubeconfig's `proxy-url` is no address of a proxy that helm can use")
                .hint("expected `http://HOST:PORT`, `https://HOST:PORT` or `socks5://HOST:PORT`"));
        }
        Ok(Cluster {
            server: self.server(insecure || authority.is_some())?,
            authority,
            insecure,
            server_name: filled(self.tls_server_name.as_ref()).map(str::to_owned),
            proxy: proxy.map(str::to_owned),
            ..Cluster::default()
        })
    }

    /// The address of the API server. One without a scheme is `https://` where something is said of its TLS, as with kubectl.
    fn server(&self, has_tls: bool) -> Result<String> {
        let text = filled(self.server.as_ref())
            .ok_or_else(|| anyhow!("the kubeconfig's cluster has no `server`, the address of its API server"))?;
        let address = if text.contains("://") {
            text.to_owned()
        } else {
            format!("{}://{text}", if has_tls { "https" } else { "http" })
        };
        if !Url::parse(&address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err(anyhow!("the kubeconfig's `server` is no address that begins with `https://`"));
        }
        Ok(address.trim_end_matches('/').to_owned())
    }
}

/// The keys of the entry of that name that are not read here, with their values.
fn unknown_keys(entries: &[RawEntry], name: &str, known: &[&str]) -> BTreeMap<String, Value> {
    let content = entries.iter().find(|entry| entry.name == name).and_then(|entry| entry.content.as_ref());
    let unknown = content.into_iter().flatten().filter(|(key, _)| !known.contains(&key.as_str()));
    unknown.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn note_unknown(extra: &BTreeMap<String, Value>, what: &str, warnings: &mut Vec<String>) {
    for key in extra.keys().filter(|key| !KEYS_OF_HELM.contains(&key.as_str())) {
        warnings.push(format!("the key `{key}` of the kubeconfig's {what} is unknown: it is handed to helm as it is"));
    }
}

/// The text of a whole kubeconfig in base64, which variables of a CI often hold.
fn whole_in_base64(text: &str) -> Option<String> {
    let compact: String = text.split_whitespace().collect();
    let bytes = (!compact.is_empty()).then(|| STANDARD.decode(compact).ok()).flatten()?;
    String::from_utf8(bytes).ok().filter(|text| text.contains("clusters") || text.contains("contexts"))
}

/// A text that has something in it.
fn filled(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
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
    fn keeps_impersonation_and_hands_unknown_keys_to_helm_with_a_warning() {
        let config = Kubeconfig::parse(MANY).unwrap();
        let its = config.cluster(Some("a")).unwrap().user.impersonation;
        assert_eq!((its.user.as_deref(), its.uid.as_deref()), (Some("eve"), Some("7")));
        assert_eq!(its.groups, ["dev", "ops"]);
        assert_eq!(its.extra, BTreeMap::from([("reason".to_owned(), vec!["a".to_owned(), "b".to_owned()])]));
        let b = config.cluster(Some("b")).unwrap();
        assert_eq!(b.extra.cluster.get("disable-compression"), Some(&Value::Bool(true)));
        assert_eq!(b.extra.user.get("colour"), Some(&Value::from("red")));
        assert_eq!(b.warnings.len(), 1, "{:?}", b.warnings);
        assert!(b.warnings[0].contains("the key `colour` of the kubeconfig's user is unknown"), "{:?}", b.warnings);
    }

    #[test]
    fn takes_what_kubectl_takes() {
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
    fn refuses_by_name_what_cannot_be_used() {
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
            assert!(problem.starts_with("is no kubeconfig") && !problem.contains("hunter2"), "{problem}");
        }
        // An empty one is a kubeconfig without a context.
        for text in ["{}", "", "---\n"] {
            assert!(Kubeconfig::parse(text).unwrap().cluster(None).is_err(), "{text}");
        }
    }
}
