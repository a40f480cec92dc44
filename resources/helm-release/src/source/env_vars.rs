//! `env_vars` of the source: variables for helm. Some of them this resource has to read itself, and some it sets itself.

use std::collections::BTreeMap;

use jetway::{Console, Problems};
use serde_json::Value;

use super::storage::Storage;

/// The variable that says where helm stores releases.
pub(crate) const DRIVER: &str = "HELM_DRIVER";

/// Variables that would lead helm to another cluster or log it in as another user than check and get, and the keys of the source
/// that do so for all verbs.
pub(crate) const OF_THE_CLUSTER: [(&str, &str); 9] = [
    ("KUBECONFIG", "`kubeconfig` in the source is the text of one"),
    ("HELM_KUBECONTEXT", "`kubeconfig_context` in the source names a context"),
    ("HELM_KUBETOKEN", "`token` in the source logs in"),
    ("HELM_KUBEAPISERVER", "`cluster_url` in the source is the address"),
    ("HELM_KUBECAFILE", "`cluster_ca` in the source is the authority"),
    ("HELM_KUBEASUSER", "`as` in a kubeconfig names a user to act as"),
    ("HELM_KUBEASGROUPS", "`as-groups` in a kubeconfig names groups to act as"),
    ("HELM_KUBEINSECURE_SKIP_TLS_VERIFY", "`insecure_cluster` in the source does so"),
    ("HELM_KUBETLS_SERVER_NAME", "`tls_server_name` in the source is that name"),
];

/// Variables that this resource sets itself, or whose options it always writes, so that the values have no effect.
const OURS: [(&str, &str); 6] = [
    ("HELM_NAMESPACE", "`namespace` counts, or else `default`"),
    ("HELM_MAX_HISTORY", "`helm_history_max` in the source counts"),
    ("HELM_CACHE_HOME", "helm's files are in a private directory"),
    ("HELM_CONFIG_HOME", "helm's files are in a private directory"),
    ("HELM_DATA_HOME", "helm's files are in a private directory"),
    ("KUBECACHEDIR", "helm's files are in a private directory"),
];

/// Variables that only helm reads of what this resource reads otherwise.
const OF_CONNECTIONS: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Where the releases are stored, when a variable says so.
pub(crate) fn driver(variables: &BTreeMap<String, Value>) -> Result<Option<Storage>, String> {
    let Some(value) = variables.get(DRIVER) else { return Ok(None) };
    // The words that helm knows.
    match value.as_str().map(str::trim) {
        Some("") => Ok(None),
        Some("secret" | "secrets") => Ok(Some(Storage::Secret)),
        Some("configmap" | "configmaps") => Ok(Some(Storage::Configmap)),
        Some("sql" | "memory") => {
            Err("is a storage that check and get cannot read; releases in `secret` and `configmap` are supported"
                .to_owned())
        }
        _ => Err("expected `secret` or `configmap`".to_owned()),
    }
}

/// Notes what is wrong with the variables.
pub(crate) fn rules(variables: &BTreeMap<String, Value>, storage: Option<Storage>, problems: &mut Problems) {
    for (name, value) in variables {
        let key = format!("env_vars.{name}");
        if !is_variable(value) {
            problems.add(key, "expected text, a number, true or false");
        } else if let Some((_, hint)) = OF_THE_CLUSTER.iter().find(|(refused, _)| refused == name) {
            problems.add_with_hint(key, "would have effect in helm alone, not in check and get", *hint);
        }
    }
    match (driver(variables), storage) {
        (Err(problem), _) => problems.add(format!("env_vars.{DRIVER}"), problem),
        (Ok(Some(driver)), Some(storage)) if driver != storage => {
            problems.add(format!("env_vars.{DRIVER}"), "names another storage than `storage` does; leave one out");
        }
        _ => {}
    }
}

/// Warns of variables without effect, or with an effect in helm alone.
pub(crate) fn warn(variables: &BTreeMap<String, Value>, console: &Console) {
    for name in variables.keys() {
        if let Some((_, why)) = OURS.iter().find(|(ours, _)| ours == name) {
            console.warn(format_args!("`env_vars.{name}` has no effect: {why}"));
        } else if OF_CONNECTIONS.contains(&name.to_ascii_uppercase().as_str()) {
            console.warn(format_args!(
                "`env_vars.{name}` has effect in helm alone; `proxy` and `ca_certs` in the source have effect in all requests"
            ));
        }
    }
}

/// Whether a value can be a variable of helm's environment.
fn is_variable(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_the_drivers_that_helm_knows() {
        let of = |value: Value| driver(&BTreeMap::from([(DRIVER.to_owned(), value)]));
        assert_eq!(driver(&BTreeMap::new()), Ok(None));
        assert_eq!(of(json!("")), Ok(None));
        assert_eq!(of(json!("secrets")), Ok(Some(Storage::Secret)));
        assert_eq!(of(json!("configmap")), Ok(Some(Storage::Configmap)));
        for value in [json!("sql"), json!("memory"), json!("ConfigMap"), json!(1)] {
            assert!(of(value.clone()).is_err(), "{value}");
        }
    }
}
