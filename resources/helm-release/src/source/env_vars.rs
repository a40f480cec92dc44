//! `env_vars` of the source: environment variables for helm. This resource also reads some of them, and overrides others.

use std::collections::BTreeMap;

use jetway::{Console, Problems};
use serde_json::Value;

use super::storage::Storage;

/// The variable that names helm's storage driver.
pub(crate) const DRIVER: &str = "HELM_DRIVER";

/// Variables that would make helm use another cluster or user than check and get, and the keys of the source to use instead.
pub(crate) const CLUSTER_VARIABLES: [(&str, &str); 9] = [
    ("KUBECONFIG", "set `kubeconfig` in the source"),
    ("HELM_KUBECONTEXT", "set `kubeconfig_context` in the source"),
    ("HELM_KUBETOKEN", "set `token` in the source"),
    ("HELM_KUBEAPISERVER", "set `cluster_url` in the source"),
    ("HELM_KUBECAFILE", "set `cluster_ca` in the source"),
    ("HELM_KUBEASUSER", "set `as` in a kubeconfig"),
    ("HELM_KUBEASGROUPS", "set `as-groups` in a kubeconfig"),
    ("HELM_KUBEINSECURE_SKIP_TLS_VERIFY", "set `insecure_cluster` in the source"),
    ("HELM_KUBETLS_SERVER_NAME", "set `tls_server_name` in the source"),
];

/// Variables without effect, since this resource sets them itself or always passes the option.
const OVERRIDDEN_VARIABLES: [(&str, &str); 6] = [
    ("HELM_NAMESPACE", "the namespace is that of the key `namespace`, or else `default`"),
    ("HELM_MAX_HISTORY", "`helm_history_max` in the source sets it"),
    ("HELM_CACHE_HOME", "helm's files are in a private directory"),
    ("HELM_CONFIG_HOME", "helm's files are in a private directory"),
    ("HELM_DATA_HOME", "helm's files are in a private directory"),
    ("KUBECACHEDIR", "helm's files are in a private directory"),
];

/// Variables that affect helm only, and not the requests of this resource.
const CONNECTION_VARIABLES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The storage that `HELM_DRIVER` names, if any.
pub(crate) fn driver(variables: &BTreeMap<String, Value>) -> Result<Option<Storage>, String> {
    let Some(value) = variables.get(DRIVER) else { return Ok(None) };
    // The values that helm accepts.
    match value.as_str().map(str::trim) {
        Some("") => Ok(None),
        Some("secret" | "secrets") => Ok(Some(Storage::Secret)),
        Some("configmap" | "configmaps") => Ok(Some(Storage::Configmap)),
        Some("sql" | "memory") => {
            Err("is a storage driver that check and get cannot read; `secret` and `configmap` are supported".to_owned())
        }
        _ => Err("expected `secret` or `configmap`".to_owned()),
    }
}

/// Notes what is wrong with the variables.
pub(crate) fn validate(variables: &BTreeMap<String, Value>, storage: Option<Storage>, problems: &mut Problems) {
    for (name, value) in variables {
        let key = format!("env_vars.{name}");
        if !is_variable(value) {
            problems.add(key, "expected text, a number, true or false");
        } else if let Some((_, hint)) = CLUSTER_VARIABLES.iter().find(|(refused, _)| refused == name) {
            problems.add_with_hint(key, "would affect helm only, not check and get", *hint);
        }
    }
    match (driver(variables), storage) {
        (Err(problem), _) => problems.add(format!("env_vars.{DRIVER}"), problem),
        (Ok(Some(driver)), Some(storage)) if driver != storage => {
            problems.add(format!("env_vars.{DRIVER}"), "conflicts with `storage`; remove one");
        }
        _ => {}
    }
}

/// Warns of variables that have no effect, or affect helm only.
pub(crate) fn warn(variables: &BTreeMap<String, Value>, console: &Console) {
    for name in variables.keys() {
        if let Some((_, why)) = OVERRIDDEN_VARIABLES.iter().find(|(ours, _)| ours == name) {
            console.warn(format_args!("`env_vars.{name}` has no effect: {why}"));
        } else if CONNECTION_VARIABLES.contains(&name.to_ascii_uppercase().as_str()) {
            console.warn(format_args!(
                "`env_vars.{name}` affects helm only; `proxy` and `ca_certs` in the source affect all requests"
            ));
        }
    }
}

/// Whether a value can be an environment variable.
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
