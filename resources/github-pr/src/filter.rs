//! The filters of a source that need only the list of pull requests.

use crate::listing::Head;
use crate::source::Source;

/// A pull request is skipped if its title or the message of its head commit contains one of these.
const SKIPS: [&str; 2] = ["[ci skip]", "[skip ci]"];

/// The associations with the repository that pass `authorship_restriction`.
const MEMBERS: [&str; 3] = ["OWNER", "MEMBER", "COLLABORATOR"];

impl Source {
    /// Whether a pull request passes the filters, except for those by changed files and by what is not read yet.
    pub(crate) fn accepts(&self, head: &Head) -> bool {
        let is_skipped = || {
            let texts = [head.title.to_lowercase(), head.message.to_lowercase()];
            texts.iter().any(|text| SKIPS.iter().any(|skip| text.contains(skip)))
        };
        let labels = self.labels();
        let has_label =
            || head.labels.iter().any(|label| labels.iter().any(|wanted| wanted.eq_ignore_ascii_case(label)));
        let is_unwanted = (!self.disable_ci_skip && is_skipped())
            || (self.disable_forks && head.is_from_fork)
            || (self.ignore_drafts && head.is_draft);
        !is_unwanted
            && (labels.is_empty() || has_label())
            && head.approvals.is_none_or(|approvals| approvals >= self.required_approvals())
            && (!self.authorship_restriction || MEMBERS.contains(&head.association.as_str()))
    }
}
