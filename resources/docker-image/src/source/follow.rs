//! Which tags a check considers, from the keys of the source.

use jetway::trimmed;
use regex::Regex;

use crate::constraint::Constraint;
use crate::flavour::Flavour;
use crate::pattern;
use crate::source::{Sort, Source};

/// Which tags a check considers.
#[derive(Debug)]
pub(crate) enum Follow<'s> {
    /// One tag.
    Tag(&'s str),
    /// Every tag that matches.
    Pattern(Regex, Order),
    /// Every tag that is a semantic version.
    Versions(Option<Constraint>),
}

/// The order of the tags that a pattern matches.
#[derive(Debug)]
pub(crate) enum Order {
    /// The registry's order.
    Listed,
    /// By the images' creation times.
    Created,
    /// As versions, filtered by the constraint.
    Versions(Option<Constraint>),
    /// As strings.
    Texts,
}

impl Source {
    /// Which tags a check considers. A tag has precedence over a pattern.
    pub(crate) fn follow(&self, flavour: Flavour) -> jetway::Result<Follow<'_>> {
        if let Some(tag) = self.tag() {
            return Ok(Follow::Tag(tag));
        }
        if let Some(pattern) = trimmed(self.tag_regex.as_deref()) {
            let pattern = pattern::compile(pattern).map_err(|problem| jetway::anyhow!(problem))?;
            let order = match self.sort {
                Some(Sort::Created) => Order::Created,
                Some(Sort::Semver) => Order::Versions(self.constraint()?),
                Some(Sort::Text) => Order::Texts,
                None if self.created_at_sort => Order::Created,
                None => Order::Listed,
            };
            return Ok(Follow::Pattern(pattern, order));
        }
        let constraint = self.constraint()?;
        let chooses_versions = constraint.is_some() || self.variant().is_some() || self.pre_releases;
        match flavour.usual_tag() {
            Some(tag) if !chooses_versions => Ok(Follow::Tag(tag)),
            _ => Ok(Follow::Versions(constraint)),
        }
    }

    fn constraint(&self) -> jetway::Result<Option<Constraint>> {
        let parse = |text: &str| text.parse().map_err(|problem: String| jetway::anyhow!(problem));
        trimmed(self.semver_constraint.as_deref()).map(parse).transpose()
    }
}
