//! The cluster's API: sends requests over HTTP, and explains the API server's errors.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use jetway::http::{HttpClient, HttpRequest, HttpResponse, Method, Retry, StatusError, TransportError, TransportKind};
use jetway::{Advise as _, Context, Error, Result, trimmed};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connection::{Cluster, Token};
use super::lookup;
use super::renewal::renewed_token;
use crate::source::{DEFAULT_NAMESPACE, Source};

/// The timeout of requests for diagnosis and logs, which must not delay a put.
const SHORT_TIMEOUT: Duration = Duration::from_secs(10);

/// The timeout of requests after a signal: the process is killed a few seconds later.
const SIGNAL_TIMEOUT: Duration = Duration::from_millis(1500);

/// The longest silence of a log or a watch: the maximum of `timeout`. It ends together with the helm command.
const WATCH_TIMEOUT: Duration = Duration::from_hours(24);

/// The maximum number of pages of a list.
const MAX_PAGES: usize = 20;

/// The cluster's API.
#[derive(Debug)]
pub(crate) struct Kubernetes<'p> {
    context: Context,
    source: &'p Source,
    http: HttpClient,
    cluster: Rc<Cluster>,
    token: RefCell<Option<Token>>,
    timeout: Option<Duration>,
}

/// The objects of a request, for its path and its errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ApiResource<'a> {
    /// The group and version of the kind, as in paths.
    pub(crate) api: &'a str,
    /// The plural of the kind, as in paths: `secrets`.
    pub(crate) kind: &'a str,
    /// The namespace; empty for cluster-wide objects.
    pub(crate) namespace: &'a str,
    /// The verb in the rules of roles: `list`.
    pub(crate) verb: &'a str,
}

/// The core API: pods, secrets, events.
pub(crate) const CORE: &str = "api/v1";

impl<'p> Kubernetes<'p> {
    /// Finds the source's cluster. The first request to its API server is sent by a later read.
    pub(crate) async fn find(context: &Context, source: &'p Source) -> Result<Self> {
        Self::for_cluster(context, source, lookup::find(context, source).await?)
    }

    /// The API of a cluster that was found before.
    pub(crate) fn for_cluster(context: &Context, source: &'p Source, cluster: Cluster) -> Result<Self> {
        let http = context.http(cluster.http())?;
        let token = RefCell::new(cluster.user.token.clone());
        Ok(Self { context: context.clone(), source, http, cluster: Rc::new(cluster), token, timeout: None })
    }

    /// The same cluster with a short timeout and without retries, for diagnosis.
    pub(crate) fn with_short_timeout(&self) -> Self {
        Self {
            context: self.context.clone(),
            http: self.http.clone(),
            cluster: Rc::clone(&self.cluster),
            token: self.token.clone(),
            timeout: Some(SHORT_TIMEOUT),
            ..*self
        }
    }

    /// The same cluster with a long timeout, for watches and logs.
    pub(crate) fn with_long_timeout(&self) -> Self {
        Self { timeout: Some(WATCH_TIMEOUT), ..self.with_short_timeout() }
    }

    /// The same cluster for requests after a signal, which does not cancel them.
    pub(crate) fn after_interrupt(&self) -> Result<Self> {
        let context = self.context.after_interrupt();
        let http = context.http(self.cluster.http())?;
        Ok(Self { context, http, timeout: Some(SIGNAL_TIMEOUT), ..self.with_short_timeout() })
    }

    /// Warns that the namespace of the kubeconfig's context (or of the worker's pod) has no effect, if it is not the default one.
    pub(crate) fn warn_of_ignored_namespace(&self) {
        let named = self.cluster.namespace.as_deref().filter(|named| *named != DEFAULT_NAMESPACE);
        if let (Some(named), None) = (named, trimmed(self.source.namespace.as_ref())) {
            self.context.console().warn(format_args!(
                "the namespace is `{DEFAULT_NAMESPACE}`, since `namespace` is not given; the namespace `{named}` of the \
                 kubeconfig's context (or of the worker's pod) has no effect"
            ));
        }
    }

    /// Reads the named object, or all of them, in the format of `accept`. All parts of the path must be valid names.
    pub(crate) async fn read(
        &self,
        resource: ApiResource<'_>,
        name: Option<&str>,
        query: &[(&str, &str)],
        accept: &str,
    ) -> Result<HttpResponse> {
        let mut request = self.request(Method::GET, resource, name).await?.header("accept", accept);
        for (name, value) in query {
            request = request.query(name, value);
        }
        request.send().await.map_err(|error| explain(error, resource))
    }

    /// Lists the objects that the query selects, page by page if it has a `limit`. A page larger than `most` bytes is an error;
    /// pages after the maximum number are ignored.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        resource: ApiResource<'_>,
        query: &[(&str, &str)],
        most: u64,
    ) -> Result<Vec<T>> {
        #[derive(Deserialize)]
        #[serde(bound(deserialize = "T: DeserializeOwned"))]
        struct List<T> {
            #[serde(default)]
            metadata: ListMetadata,
            /// `null` when there are none.
            items: Option<Vec<T>>,
        }
        #[derive(Default, Deserialize)]
        struct ListMetadata {
            #[serde(default, rename = "continue")]
            next: String,
        }
        let mut all = Vec::new();
        let mut next = String::new();
        for _ in 0..MAX_PAGES {
            let more = (!next.is_empty()).then_some(("continue", next.as_str()));
            let query: Vec<_> = query.iter().copied().chain(more).collect();
            let response = self.read(resource, None, &query, "application/json").await?;
            let list: List<T> = serde_json::from_slice(&response.bytes(most).await?)
                .map_err(|error| jetway::anyhow!("the API server's response is not a list: {error}"))?;
            all.extend(list.items.unwrap_or_default());
            next = list.metadata.next;
            if next.is_empty() {
                break;
            }
        }
        Ok(all)
    }

    /// Replaces an object. The API server rejects an outdated `resourceVersion` (see [`is_conflict`]).
    pub(crate) async fn replace(&self, resource: ApiResource<'_>, name: &str, object: &Value) -> Result<()> {
        let request = self.request(Method::PUT, resource, Some(name)).await?.json(object);
        request.send().await.map(|_| ()).map_err(|error| explain(error, resource))
    }

    /// Checks by a dry run whether an object can be created.
    pub(crate) async fn dry_run_create(&self, resource: ApiResource<'_>, object: &Value) -> Result<()> {
        let request = self.request(Method::POST, resource, None).await?.query("dryRun", "All").json(object);
        request.send().await.map(|_| ()).map_err(|error| explain(error, resource))
    }

    /// Deletes an object, and in the background its dependents. An object with another `uid` is not deleted.
    pub(crate) async fn delete(&self, resource: ApiResource<'_>, name: &str, uid: &str) -> Result<()> {
        let options = serde_json::json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
            "preconditions": { "uid": uid },
        });
        let request = self.request(Method::DELETE, resource, Some(name)).await?.json(&options);
        request.send().await.map(|_| ()).map_err(|error| explain(error, resource))
    }

    async fn request(&self, method: Method, resource: ApiResource<'_>, name: Option<&str>) -> Result<HttpRequest> {
        let ApiResource { api, kind, namespace, .. } = resource;
        let name = name.map(|name| format!("/{name}")).unwrap_or_default();
        let place = if namespace.is_empty() { String::new() } else { format!("namespaces/{namespace}/") };
        let url = format!("{}/{api}/{place}{kind}{name}", self.cluster.server);
        let mut request = self.cluster.user.impersonation.add_to(self.http.request(method, url));
        if let Some(timeout) = self.timeout {
            request = request.retry(Retry::never()).read_timeout(timeout);
        }
        if let Some(token) = self.token().await? {
            return Ok(request.bearer(&token.secret));
        }
        Ok(match &self.cluster.user.password {
            Some((name, password)) => request.basic(name, password),
            None => request,
        })
    }

    /// The token for requests. It is renewed if it has expired during a long deploy.
    async fn token(&self) -> Result<Option<Token>> {
        let token = self.token.borrow().clone();
        if token.as_ref().is_none_or(Token::is_valid) {
            return Ok(token);
        }
        let token = renewed_token(&self.context, self.source).await?;
        self.context.console().redactor().add(token.secret.expose());
        *self.token.borrow_mut() = Some(token.clone());
        Ok(Some(token))
    }
}

/// The HTTP status of an error. `downcast_ref` alone does not find it under a hint.
fn status(error: &Error) -> Option<u16> {
    error.chain().find_map(|cause| cause.downcast_ref::<StatusError>()).map(|response| response.status().as_u16())
}

/// Whether the object does not exist.
pub(crate) fn is_not_found(error: &Error) -> bool {
    status(error) == Some(404)
}

/// Whether the user lacks the permission.
pub(crate) fn is_forbidden(error: &Error) -> bool {
    matches!(status(error), Some(401 | 403))
}

/// Whether the object has changed since it was read, or already exists.
pub(crate) fn is_conflict(error: &Error) -> bool {
    status(error) == Some(409)
}

/// Adds the API server's message and hints to an error.
fn explain(error: Error, resource: ApiResource<'_>) -> Error {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    if error.downcast_ref::<TransportError>().is_some_and(|error| error.kind() == TransportKind::Certificate) {
        return error.hint(
            "the API server's authority is `cluster_ca` in the source, or `certificate-authority-data` in a kubeconfig",
        );
    }
    let Some(response) = error.downcast_ref::<StatusError>() else { return error };
    let status = response.status().as_u16();
    let ApiResource { kind, namespace, verb, .. } = resource;
    match (status, response.json::<Status>()) {
        (401, _) => error
            .context("the API server rejected the credentials")
            .hint("check that the token or certificate has not expired, and is for this cluster"),
        (403, messages) => {
            let messages = messages.map_or_else(|| "not allowed".to_owned(), |status| status.message);
            let place = match namespace {
                "" => "in the whole cluster".to_owned(),
                namespace => format!("in the namespace `{namespace}`"),
            };
            error
                .context(format!("the API server denied the request: {messages}"))
                .hint(format!("the user needs a role that allows `{verb}` on `{kind}` {place}"))
        }
        (_, _) => error,
    }
}
