//! Lists a repository's tags, with pagination.

use std::collections::HashSet;

use anyhow::{Context as _, anyhow};
use jetway::http::{HttpResponse, Method, StatusCode, Url};
use jetway::{Error, Interrupted, Result};
use serde::Deserialize;

use crate::any_case::AnyCase;
use crate::registry::client::Registry;
use crate::registry::status::status_of;

/// The page size that is requested. Registries may return less.
const PAGE: u32 = 1000;

/// The most pages that are read.
const MAX_PAGES: usize = 2000;

/// The most pages in a row without a new tag.
const MAX_PAGES_WITHOUT_NEW_TAG: usize = 10;

#[derive(Deserialize)]
struct Page {
    /// Go encodes an empty list as null.
    tags: Option<Vec<String>>,
}

/// The address of the next page.
struct Next {
    target: String,
    /// The same page at the URL of this registry's list, if a proxy has changed the link.
    own: Option<String>,
}

impl Registry<'_> {
    /// All tags, in the registry's order; `None` when the repository does not exist.
    pub(crate) async fn tags(&self) -> Result<Option<Vec<String>>> {
        self.list()
            .await
            .map_err(|error| self.explain(error))
            .with_context(|| format!("cannot list the tags of `{}`", self.repository()))
    }

    async fn list(&self) -> Result<Option<Vec<String>>> {
        let (mut tags, mut known, mut seen) = (Vec::new(), HashSet::new(), HashSet::new());
        let Some((page, mut next)) = self.first_page().await? else { return Ok(None) };
        let mut empty = 0;
        let mut page = Some(page);
        for _ in 0..MAX_PAGES {
            let before = tags.len();
            let new = page.take().and_then(|page| page.tags).unwrap_or_default();
            tags.extend(new.into_iter().filter(|tag| known.insert(tag.clone())));
            empty = if tags.len() == before { empty + 1 } else { 0 };
            let Some(after) = next.take() else { return Ok(Some(tags)) };
            if !seen.insert(after.target.clone()) {
                return Err(anyhow!("the list of tags does not end: its next page was already read"));
            }
            if empty >= MAX_PAGES_WITHOUT_NEW_TAG {
                return Err(anyhow!(
                    "the list of tags does not end: {MAX_PAGES_WITHOUT_NEW_TAG} consecutive pages have no new tag"
                ));
            }
            let (read, following) = self.next_page(&after).await?;
            (page, next) = (Some(read), following);
        }
        Err(anyhow!("the list of tags has more than {MAX_PAGES} pages"))
    }

    /// The first page; `None` when the repository does not exist.
    async fn first_page(&self) -> Result<Option<(Page, Option<Next>)>> {
        match self.page(&format!("tags/list?n={PAGE}")).await {
            // Some registries refuse this page size, or the parameter itself.
            Err(error) if is_about_the_size(&error) => self.page("tags/list").await,
            other => other,
        }
    }

    async fn next_page(&self, next: &Next) -> Result<(Page, Option<Next>)> {
        let missing = || anyhow!("the next page of the list, `{}`, does not exist", next.target);
        let read = async |target: &str| self.page(target).await?.ok_or_else(missing);
        match (read(&next.target).await, &next.own) {
            (Err(error), Some(own)) if !Interrupted::caused(&error) => {
                self.host.context.console().step(format_args!(
                    "cannot read the next page of the list, `{}`; retrying at the registry's own address",
                    next.target
                ));
                read(own)
                    .await
                    .with_context(|| format!("the registry returned `{}` as the next page of the list", next.target))
            }
            (other, _) => other,
        }
    }

    /// Fetches a page, and resolves the link to the next one; `None` when there is no such page.
    async fn page(&self, target: &str) -> Result<Option<(Page, Option<Next>)>> {
        let ask = async || self.send(Method::GET, target, |request| request.allow(StatusCode::NOT_FOUND)).await;
        let read = async |response: HttpResponse| {
            if response.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let next = self.next_of(&response)?;
            Ok(Some((response.json::<AnyCase<Page>>().await?.0, next)))
        };
        self.read_whole(ask, read).await
    }

    /// Resolves the link to the next page. It must be on this registry, since the request has credentials.
    fn next_of(&self, response: &HttpResponse) -> Result<Option<Next>> {
        let asked = response.url();
        let headers = response.headers().get_all("link").iter().filter_map(|value| value.to_str().ok());
        let links: Vec<Link<'_>> = headers.flat_map(links).collect();
        let resolve =
            |link: &Link<'_>| asked.join(link.target).map_err(|_| anyhow!("the URL of the next page is not valid"));
        let mut url: Option<Url> = links.iter().find(|link| link.is_next).map(resolve).transpose()?;
        if url.is_none() {
            // Some registries omit `rel`. A link to a list of tags can only be the next page.
            let nameless = links.iter().filter(|link| !link.has_relation).filter_map(|link| resolve(link).ok());
            url = nameless.into_iter().find(|url| url.path().ends_with("/tags/list"));
        }
        let Some(mut url) = url else { return Ok(None) };
        let own = url.query().map(|query| format!("tags/list?{query}"));
        if url.scheme() != asked.scheme() && self.is_own(&url) {
            // A registry behind a TLS proxy may not know its scheme.
            let _ = url.set_scheme(asked.scheme());
        }
        if !self.is_own(&url) || url.scheme() != asked.scheme() {
            // A registry behind a proxy may not know its own name, and a gateway redirects every page.
            let target = own.ok_or_else(|| anyhow!("refusing to read the next page from another server"))?;
            return Ok(Some(Next { target, own: None }));
        }
        let own = own.filter(|_| url.path() != asked.path());
        Ok(Some(Next { target: url.into(), own }))
    }
}

/// Whether a registry may have refused the page size.
fn is_about_the_size(error: &Error) -> bool {
    use StatusCode as S;
    let other = [S::UNAUTHORIZED, S::FORBIDDEN, S::NOT_FOUND, S::REQUEST_TIMEOUT, S::TOO_MANY_REQUESTS];
    status_of(error).is_some_and(|status| {
        (status.is_client_error() && !other.contains(&status))
            || [S::INTERNAL_SERVER_ERROR, S::NOT_IMPLEMENTED].contains(&status)
    })
}

/// A link in a header.
#[derive(Debug, PartialEq, Eq)]
struct Link<'h> {
    target: &'h str,
    is_next: bool,
    /// Whether it has a `rel`.
    has_relation: bool,
}

/// The links `<...>; rel="next"` of a header (RFC 8288).
fn links(header: &str) -> Vec<Link<'_>> {
    let mut links = Vec::new();
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<')
        && let Some((target, parameters)) = after.split_once('>')
    {
        let end = parameters.find('<').unwrap_or(parameters.len());
        let (own, others) = parameters.split_at(end);
        let relations: Vec<&str> = own
            .split([';', ','])
            .filter_map(|parameter| parameter.trim().split_once('='))
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("rel"))
            .map(|(_, value)| value.trim().trim_matches('"'))
            .collect();
        let is_next = relations.iter().flat_map(|value| value.split_whitespace());
        let is_next = is_next.into_iter().any(|value| value.eq_ignore_ascii_case("next"));
        links.push(Link { target, is_next, has_relation: !relations.is_empty() });
        rest = others;
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_link_header() {
        let next =
            |header: &str| links(header).into_iter().find(|link| link.is_next).map(|link| link.target.to_owned());
        for (header, link) in [
            (r#"</v2/x/tags/list?last=b&n=2>; rel="next""#, Some("/v2/x/tags/list?last=b&n=2")),
            (r#"<a>; rel="prev", <b>; title="x"; rel=next"#, Some("b")),
            (r#"<a>; rel="last next""#, Some("a")),
            ("<a>; rel=prev", None),
            ("<a>", None),
            ("a; rel=next", None),
            ("<a", None),
            ("", None),
        ] {
            assert_eq!(next(header).as_deref(), link, "{header}");
        }
        assert_eq!(links("<a>; title=x"), [Link { target: "a", is_next: false, has_relation: false }]);
    }
}
