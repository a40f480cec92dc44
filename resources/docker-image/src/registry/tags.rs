//! The list of a repository's tags, page by page.

use anyhow::{Context as _, anyhow};
use jetway::Result;
use jetway::http::{HttpResponse, Method, StatusCode, Url};
use serde::Deserialize;

use super::{Registry, explain};

/// How many tags a page should have. Registries give fewer when they like that better.
const PAGE: u32 = 1000;

/// The most pages that are read: a list that leads back to itself has no end.
const MOST_PAGES: usize = 2000;

#[derive(Deserialize)]
struct Page {
    /// Go's null is an empty list.
    tags: Option<Vec<String>>,
}

impl Registry<'_> {
    /// All tags, in the registry's own order; `None` when it does not know the repository.
    pub(crate) async fn tags(&self) -> Result<Option<Vec<String>>> {
        let list = async {
            let mut tags = Vec::new();
            let mut next = Some(format!("tags/list?n={PAGE}"));
            for _ in 0..MOST_PAGES {
                let Some(target) = next else { return Ok(Some(tags)) };
                let ask =
                    async || self.send(Method::GET, &target, |request| request.allow(StatusCode::NOT_FOUND)).await;
                let read = async |answer: HttpResponse| {
                    if answer.status() == StatusCode::NOT_FOUND {
                        return Ok(None);
                    }
                    let next = self.next_page(&answer)?;
                    Ok(Some((next, answer.json::<Page>().await?)))
                };
                let Some((after, page)) = self.read_whole(ask, read).await? else { return Ok(None) };
                next = after;
                tags.extend(page.tags.unwrap_or_default());
            }
            Err(anyhow!("the list has more than {MOST_PAGES} pages"))
        };
        list.await
            .map_err(|error| explain(error, self.repository()))
            .with_context(|| format!("cannot list the tags of `{}`", self.repository()))
    }

    /// Where the next page is. It stays in the registry: what was asked with credentials is not asked elsewhere.
    fn next_page(&self, answer: &HttpResponse) -> Result<Option<String>> {
        let Some(link) = answer.header("link").and_then(next_link) else { return Ok(None) };
        let asked = answer.url();
        let mut url: Url = asked.join(link).map_err(|_| anyhow!("the next page's address is no URL"))?;
        if url.scheme() != asked.scheme() && self.is_own(&url) {
            // A registry behind a proxy that adds TLS may not know of it.
            let _ = url.set_scheme(asked.scheme());
        }
        if !self.is_own(&url) || url.scheme() != answer.url().scheme() {
            return Err(anyhow!("the next page is said to be at another server, which is not asked"));
        }
        Ok(Some(url.into()))
    }
}

/// The target of `<...>; rel="next"` (RFC 8288).
fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (target, parameters) = after.split_once('>')?;
        let end = parameters.find('<').unwrap_or(parameters.len());
        let (own, others) = parameters.split_at(end);
        let is_next = own.split([';', ',']).any(|parameter| {
            parameter.trim().split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
            })
        });
        if is_next {
            return Some(target);
        }
        rest = others;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_link_that_says_so() {
        for (header, link) in [
            (r#"</v2/x/tags/list?last=b&n=2>; rel="next""#, Some("/v2/x/tags/list?last=b&n=2")),
            (r#"<a>; rel="prev", <b>; title="x"; rel=next"#, Some("b")),
            ("<a>; rel=prev", None),
            ("a; rel=next", None),
            ("<a", None),
            ("", None),
        ] {
            assert_eq!(next_link(header), link, "{header}");
        }
    }
}
