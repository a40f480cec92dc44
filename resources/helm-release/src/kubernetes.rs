//! The cluster's API, as far as helm's records go: reads over HTTP, and what its refusals mean.

use jetway::http::{HttpClient, HttpResponse, StatusError, TransportError, TransportKind};
use jetway::{Advise as _, Context, Error, Result};
use serde::Deserialize;

use crate::cluster::Cluster;
use crate::source::Source;

/// The cluster's API.
#[derive(Debug)]
pub(crate) struct Kubernetes {
    http: HttpClient,
    cluster: Cluster,
}

/// What is being read, for requests and their errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The kind in the plural, as it stands in paths: `secrets`.
    pub(crate) kind: &'a str,
    /// The namespace.
    pub(crate) namespace: &'a str,
    /// What the user must be allowed to do with them.
    pub(crate) verb: &'a str,
}

impl Kubernetes {
    /// Finds the source's cluster. No request goes to the cluster itself before something is read.
    pub(crate) async fn new(context: &Context, source: &Source) -> Result<Self> {
        Self::of(context, Cluster::find(context, source).await?)
    }

    /// The same for a cluster that has been found.
    pub(crate) fn of(context: &Context, cluster: Cluster) -> Result<Self> {
        let http = context.http(cluster.http())?;
        Ok(Self { http, cluster })
    }

    /// The namespace that goes with the cluster.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.cluster.namespace.as_deref()
    }

    /// Reads the object of that name, or all of them, in the form that `accept` asks for. Parts of the path must be names.
    pub(crate) async fn read(
        &self,
        asked: Asked<'_>,
        name: Option<&str>,
        query: &[(&str, &str)],
        accept: &str,
    ) -> Result<HttpResponse> {
        let Asked { kind, namespace, .. } = asked;
        let name = name.map(|name| format!("/{name}")).unwrap_or_default();
        let url = format!("{}/api/v1/namespaces/{namespace}/{kind}{name}", self.cluster.server);
        let mut request = self.http.get(url).header("accept", accept);
        for (name, value) in query {
            request = request.query(name, value);
        }
        let user = &self.cluster.user;
        if let Some(token) = &user.token {
            request = request.bearer(&token.secret);
        } else if let Some((name, password)) = &user.password {
            request = request.basic(name, password);
        }
        request.send().await.map_err(|error| explained(error, asked))
    }
}

/// Whether there is no such object.
pub(crate) fn is_gone(error: &Error) -> bool {
    error.downcast_ref::<StatusError>().is_some_and(|answer| answer.status().as_u16() == 404)
}

/// The error with what the API server says, in its own words, and with advice.
fn explained(error: Error, asked: Asked<'_>) -> Error {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    if error.downcast_ref::<TransportError>().is_some_and(|error| error.kind() == TransportKind::Certificate) {
        return error.hint(
            "the API server's authority is `cluster_ca` in the source, or `certificate-authority-data` in a kubeconfig",
        );
    }
    let Some(answer) = error.downcast_ref::<StatusError>() else { return error };
    let status = answer.status().as_u16();
    let Asked { kind, namespace, verb } = asked;
    match (status, answer.json::<Status>()) {
        (401, _) => error
            .context("the API server does not know who is calling")
            .hint("has the token or certificate ended, and is it one for this cluster?"),
        (403, said) => {
            let said = said.map_or_else(|| "not allowed".to_owned(), |status| status.message);
            error
                .context(format!("the API server refuses: {said}"))
                .hint(format!("the user needs a role that allows `{verb}` on `{kind}` in the namespace `{namespace}`"))
        }
        (_, _) => error,
    }
}
