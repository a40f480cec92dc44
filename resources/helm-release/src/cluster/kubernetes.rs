//! The cluster's API, as far as releases go: requests over HTTP, and what its refusals mean.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use jetway::http::{HttpClient, HttpRequest, HttpResponse, Method, Retry, StatusError, TransportError, TransportKind};
use jetway::{Advise as _, Context, Error, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connection::{Cluster, Token};
use super::lookup;
use super::renewal::renewed_token;
use crate::source::text::non_empty;
use crate::source::{DEFAULT_NAMESPACE, Source};

/// How long an answer may take that is wanted for what people are told beside the work itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer may take after a signal: the process is killed a few seconds later.
const LAST_PATIENCE: Duration = Duration::from_millis(1500);

/// How long a log or a watch may be silent: as long as the longest `timeout`. It ends with the helm that it is read beside.
const LONG_PATIENCE: Duration = Duration::from_hours(24);

/// How many pages of a list are read.
const MOST_PAGES: usize = 20;

/// The cluster's API.
#[derive(Debug)]
pub(crate) struct Kubernetes<'p> {
    context: Context,
    source: &'p Source,
    http: HttpClient,
    cluster: Rc<Cluster>,
    token: RefCell<Option<Token>>,
    patience: Option<Duration>,
}

/// What is asked for, for requests and their errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The group and version of the kind, as it stands in paths.
    pub(crate) api: &'a str,
    /// The kind in the plural, as it stands in paths: `secrets`.
    pub(crate) kind: &'a str,
    /// The namespace; empty for what is in none.
    pub(crate) namespace: &'a str,
    /// What the user must be allowed to do with them.
    pub(crate) verb: &'a str,
}

/// The API of what has been there from the beginning: pods, secrets, events.
pub(crate) const CORE: &str = "api/v1";

impl<'p> Kubernetes<'p> {
    /// Finds the source's cluster. No request goes to the cluster itself before something is read.
    pub(crate) async fn new(context: &Context, source: &'p Source) -> Result<Self> {
        Self::of(context, source, lookup::find(context, source).await?)
    }

    /// The same for a cluster that has been found.
    pub(crate) fn of(context: &Context, source: &'p Source, cluster: Cluster) -> Result<Self> {
        let http = context.http(cluster.http())?;
        let token = RefCell::new(cluster.user.token.clone());
        Ok(Self { context: context.clone(), source, http, cluster: Rc::new(cluster), token, patience: None })
    }

    /// The same cluster, asked for what people are told beside the work: once, and not for long.
    pub(crate) fn briefly(&self) -> Self {
        Self {
            context: self.context.clone(),
            http: self.http.clone(),
            cluster: Rc::clone(&self.cluster),
            token: self.token.clone(),
            patience: Some(PATIENCE),
            ..*self
        }
    }

    /// The same cluster, for answers that go on for as long as something runs.
    pub(crate) fn following(&self) -> Self {
        Self { patience: Some(LONG_PATIENCE), ..self.briefly() }
    }

    /// The same cluster, asked after a signal, which ends no request here.
    pub(crate) fn after_interrupt(&self) -> Result<Self> {
        let context = self.context.after_interrupt();
        let http = context.http(self.cluster.http())?;
        Ok(Self { context, http, patience: Some(LAST_PATIENCE), ..self.briefly() })
    }

    /// Warns that the namespace of the kubeconfig's context (or of the worker's pod) has no effect, if it is not the default one.
    pub(crate) fn warn_of_ignored_namespace(&self) {
        let named = self.cluster.namespace.as_deref().filter(|named| *named != DEFAULT_NAMESPACE);
        if let (Some(named), None) = (named, non_empty(self.source.namespace.as_ref())) {
            self.context.console().warn(format_args!(
                "the namespace is `{DEFAULT_NAMESPACE}`, since `namespace` is not given; the namespace `{named}` of the \
                 kubeconfig's context (or of the worker's pod) has no effect"
            ));
        }
    }

    /// Reads the object of that name, or all of them, in the form that `accept` asks for. Parts of the path must be names.
    pub(crate) async fn read(
        &self,
        asked: Asked<'_>,
        name: Option<&str>,
        query: &[(&str, &str)],
        accept: &str,
    ) -> Result<HttpResponse> {
        let mut request = self.request(Method::GET, asked, name).await?.header("accept", accept);
        for (name, value) in query {
            request = request.query(name, value);
        }
        request.send().await.map_err(|error| explained(error, asked))
    }

    /// Reads the objects of a kind that the query selects, page by page where it limits these. A page is an error that does not
    /// fit into `most` bytes, and after so many pages the rest is left out.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        asked: Asked<'_>,
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
        for _ in 0..MOST_PAGES {
            let more = (!next.is_empty()).then_some(("continue", next.as_str()));
            let query: Vec<_> = query.iter().copied().chain(more).collect();
            let answer = self.read(asked, None, &query, "application/json").await?;
            let list: List<T> = serde_json::from_slice(&answer.bytes(most).await?)
                .map_err(|error| jetway::anyhow!("the API server's answer is no list: {error}"))?;
            all.extend(list.items.unwrap_or_default());
            next = list.metadata.next;
            if next.is_empty() {
                break;
            }
        }
        Ok(all)
    }

    /// Puts an object in the place of the one of its name. One whose `resourceVersion` is no longer the newest is refused
    /// (see [`is_outdated`]).
    pub(crate) async fn replace(&self, asked: Asked<'_>, name: &str, object: &Value) -> Result<()> {
        let request = self.request(Method::PUT, asked, Some(name)).await?.json(object);
        request.send().await.map(|_| ()).map_err(|error| explained(error, asked))
    }

    /// Tries whether an object could be created; nothing is stored.
    pub(crate) async fn try_create(&self, asked: Asked<'_>, object: &Value) -> Result<()> {
        let request = self.request(Method::POST, asked, None).await?.query("dryRun", "All").json(object);
        request.send().await.map(|_| ()).map_err(|error| explained(error, asked))
    }

    /// Takes an object away, and in the background what belongs to it. One that is another by now (by its `uid`) stays.
    pub(crate) async fn delete(&self, asked: Asked<'_>, name: &str, uid: &str) -> Result<()> {
        let options = serde_json::json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
            "preconditions": { "uid": uid },
        });
        let request = self.request(Method::DELETE, asked, Some(name)).await?.json(&options);
        request.send().await.map(|_| ()).map_err(|error| explained(error, asked))
    }

    async fn request(&self, method: Method, asked: Asked<'_>, name: Option<&str>) -> Result<HttpRequest> {
        let Asked { api, kind, namespace, .. } = asked;
        let name = name.map(|name| format!("/{name}")).unwrap_or_default();
        let place = if namespace.is_empty() { String::new() } else { format!("namespaces/{namespace}/") };
        let url = format!("{}/{api}/{place}{kind}{name}", self.cluster.server);
        let mut request = self.cluster.user.impersonation.add_to(self.http.request(method, url));
        if let Some(patience) = self.patience {
            request = request.retry(Retry::never()).read_timeout(patience);
        }
        if let Some(token) = self.token().await? {
            return Ok(request.bearer(&token.secret));
        }
        Ok(match &self.cluster.user.password {
            Some((name, password)) => request.basic(name, password),
            None => request,
        })
    }

    /// The token to log in with. A deploy may take longer than a cloud's token holds.
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

/// The status of the answer that an error is about. Advice beside the error hides its type from `downcast_ref` alone.
fn status(error: &Error) -> Option<u16> {
    error.chain().find_map(|cause| cause.downcast_ref::<StatusError>()).map(|answer| answer.status().as_u16())
}

/// Whether there is no such object.
pub(crate) fn is_gone(error: &Error) -> bool {
    status(error) == Some(404)
}

/// Whether the user may not do this.
pub(crate) fn is_refused(error: &Error) -> bool {
    matches!(status(error), Some(401 | 403))
}

/// Whether the object has changed since it was read, or exists and was to be created.
pub(crate) fn is_outdated(error: &Error) -> bool {
    status(error) == Some(409)
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
    let Asked { kind, namespace, verb, .. } = asked;
    match (status, answer.json::<Status>()) {
        (401, _) => error
            .context("the API server does not know who is calling")
            .hint("has the token or certificate ended, and is it one for this cluster?"),
        (403, said) => {
            let said = said.map_or_else(|| "not allowed".to_owned(), |status| status.message);
            let place = match namespace {
                "" => "in the whole cluster".to_owned(),
                namespace => format!("in the namespace `{namespace}`"),
            };
            error
                .context(format!("the API server refuses: {said}"))
                .hint(format!("the user needs a role that allows `{verb}` on `{kind}` {place}"))
        }
        (_, _) => error,
    }
}
