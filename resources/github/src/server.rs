//! The server of a source: its API URL, its requests and the cache of checks.

use jetway::http::{HttpClient, HttpRequest, HttpSettings, Method};
use jetway::{Console, Context, Result, Secret, percent_encode};
use std::cell::RefCell;

use crate::access::Access;
use crate::address::is_gitea;
use crate::log::Log;
use crate::store::{Login, Store};

/// The version of GitHub's REST API.
const API_VERSION: &str = "2022-11-28";

/// The API of one server for one repository, unauthenticated.
pub struct Server<'c> {
    context: &'c Context,
    access: Access,
    /// The URL of the REST API, without a trailing slash.
    api: RefCell<String>,
    client: HttpClient,
    /// The cache for the next check; `None` in a get and a put.
    store: Option<RefCell<Store>>,
}

impl<'c> Server<'c> {
    /// Creates a server without a cache, for a get or a put.
    pub(crate) fn new(context: &'c Context, access: Access, http: HttpSettings) -> Result<Self> {
        let client = context.http(http)?;
        let api = RefCell::new(access.api.clone());
        Ok(Self { context, access, api, client, store: None })
    }

    /// Creates a server with a cache for the next check in the same container.
    pub(crate) fn for_check(context: &'c Context, access: Access, http: HttpSettings) -> Result<Self> {
        let store = Store::open(context.temporary(), access.type_name, &access.api, &access.repository);
        Ok(Self { store: Some(RefCell::new(store)), ..Self::new(context, access, http)? })
    }

    /// The repository and the credentials.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The context of the verb.
    pub fn context(&self) -> &'c Context {
        self.context
    }

    /// The console of the verb.
    pub fn console(&self) -> &'c Console {
        self.context.console()
    }

    /// The log of the verb.
    pub fn log(&self) -> Log<'c> {
        Log::new(self.context.console(), self.access.log_level)
    }

    /// The cache for the next check.
    pub(crate) fn store(&self) -> Option<&RefCell<Store>> {
        self.store.as_ref()
    }

    /// Sends all later requests to another API URL.
    pub(crate) fn move_to(&self, api: String) {
        self.api.replace(api);
    }

    /// Whether the server is a Gitea or Forgejo, as far as the API's URL tells.
    pub(crate) fn is_gitea(&self) -> bool {
        is_gitea(&self.api.borrow())
    }

    /// The URL of the GraphQL API that belongs to the REST API.
    pub fn graphql(&self) -> String {
        self.access.graphql.clone().unwrap_or_else(|| graphql(&self.api.borrow()))
    }

    /// The path of a resource in the repository.
    pub fn of_repository(&self, rest: &str) -> String {
        format!("/repos/{}/{rest}", self.access.repository)
    }

    /// The path of the statuses of a commit or a ref.
    pub fn statuses_path(&self, reference: &str) -> String {
        self.of_repository(&format!("commits/{}/statuses", escape_path(reference)))
    }

    /// Creates an unauthenticated request for a path.
    pub fn request(&self, method: &Method, path: &str) -> HttpRequest {
        self.request_to(method, &format!("{}{path}", self.api.borrow()))
    }

    /// Creates an unauthenticated request for a URL.
    pub fn request_to(&self, method: &Method, url: &str) -> HttpRequest {
        self.client
            .request(method.clone(), url)
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", API_VERSION)
    }

    pub(crate) fn kept_token(&self, login: &Login<'_>) -> Option<(Secret, i64)> {
        self.store.as_ref()?.borrow_mut().token(login)
    }

    pub(crate) fn keep_token(&self, login: &Login<'_>, token: &Secret, ends: i64) {
        if let Some(store) = &self.store {
            store.borrow_mut().keep_token(login, token, ends);
        }
    }
}

/// Percent-encodes a path, except for its slashes.
pub fn escape_path(text: &str) -> String {
    percent_encode(text, "/")
}

/// Percent-encodes a value in a query.
pub fn escape_value(text: &str) -> String {
    percent_encode(text, "")
}

fn graphql(api: &str) -> String {
    match api.strip_suffix("/api/v3") {
        Some(host) => format!("{host}/api/graphql"),
        None => format!("{api}/graphql"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphql_url_is_derived_from_the_rest_api() {
        assert_eq!(graphql("https://api.github.com"), "https://api.github.com/graphql");
        assert_eq!(graphql("https://ghe.example/api/v3"), "https://ghe.example/api/graphql");
    }

    #[test]
    fn escapes_characters_that_would_end_a_path_or_a_value() {
        assert_eq!(escape_path("feature/ü?#%2e"), "feature/%C3%BC%3F%23%252e");
        assert_eq!(escape_value("a&b=c/d"), "a%26b%3Dc%2Fd");
    }
}
