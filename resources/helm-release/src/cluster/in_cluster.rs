//! The cluster that the worker runs in, with the service account of its pod.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Result, Secret};

use super::connection::{Cluster, Token, User};

/// Where Kubernetes mounts a pod's service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

const HINT: &str = "`in_cluster` needs a worker that runs in a pod with a mounted service account token";

/// Finds the cluster of the pod that this process runs in.
pub(crate) fn find(context: &Context) -> Result<Cluster> {
    let host = context.variable("KUBERNETES_SERVICE_HOST");
    let port =
        context.variable("KUBERNETES_SERVICE_PORT_HTTPS").or_else(|| context.variable("KUBERNETES_SERVICE_PORT"));
    let (Some(host), Some(port)) = (host, port) else {
        return Err(anyhow!("this worker does not run in a pod: `KUBERNETES_SERVICE_HOST` is not set").hint(HINT));
    };
    of_account(Path::new(ACCOUNT), &host, &port).context("cannot use the pod's service account").hint(HINT)
}

fn of_account(account: &Path, host: &str, port: &str) -> Result<Cluster> {
    let read = |name: &str| {
        let path = account.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    Ok(Cluster {
        server: format!("https://{host}:{port}"),
        authority: Some(read("ca.crt")?),
        namespace: read("namespace").ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
        user: User {
            token_file: Some(account.join("token")),
            ..User::with_token(Token::without_expiry(Secret::new(read("token")?.trim())))
        },
        ..Cluster::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_cluster_by_the_files_of_a_service_account() {
        let account = tempfile::tempdir().unwrap();
        assert!(of_account(account.path(), "10.0.0.1", "443").is_err());
        for (name, text) in [("token", "t0ken\n"), ("ca.crt", "PEM"), ("namespace", "team\n")] {
            fs::write(account.path().join(name), text).unwrap();
        }
        let cluster = of_account(account.path(), "fd00::1", "443").unwrap();
        assert_eq!(cluster.server, "https://[fd00::1]:443");
        assert_eq!(cluster.namespace.as_deref(), Some("team"));
        assert_eq!(cluster.user.token.unwrap().secret.expose(), "t0ken");
    }
}
